//! A running command.

use crate::command::Begun;
use crate::egress::Attachment;
use crate::enforcement::Enforcement;
use crate::error::{SignalError, WaitError};
use crate::lower::Lowered;
use crate::output::{ExitStatus, Output};
use crate::pty::Pty;
use crate::record::{CommandRecord, Leaves};
use cofferdam_audit::Denial;
use cofferdam_spawn::{Ended, Process};
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running command, as `std::process::Child`, with one difference: **dropping it kills** the
/// program and every descendant, and waits for their end. In a [`Session`](crate::Session), it kills
/// the program and those descendants that have made no session of their own.
#[derive(Debug)]
pub struct Child {
    /// The pipe to standard input, if it was asked for.
    pub stdin: Option<ChildStdin>,
    /// The pipe from standard output, if it was asked for.
    pub stdout: Option<ChildStdout>,
    /// The pipe from standard error, if it was asked for.
    pub stderr: Option<ChildStderr>,
    /// The host's side of the terminal, if it was asked for.
    pub pty: Option<Pty>,
    running: Running,
    init: u32,
    enforcement: Enforcement,
    relays: [Option<JoinHandle<()>>; 2],
}

/// The program, and what it leaves on the host.
#[derive(Debug)]
struct Running {
    process: Process,
    /// The gate's service of its network, if it has one of its own.
    attachment: Option<Attachment>,
    /// Keeps what the sandbox holds on the host (private directories of a host without
    /// namespaces, layers on disk) as long as the child runs.
    lowered: Arc<Lowered>,
    /// What is recorded of it.
    record: CommandRecord,
    leaves: Leaves,
    /// What it wrote, once all of that is known: standard output and error.
    said: [Vec<u8>; 2],
    /// It has a terminal, to which both are written.
    terminal: bool,
    ended: Option<ExitStatus>,
}

impl Running {
    /// What is to be done when the program has ended.
    fn end(&mut self, ended: Ended) -> ExitStatus {
        self.attachment = None;
        if let (None, Some(egress)) = (self.process.init_id(), &self.lowered.egress) {
            // The session's gate goes on, and may not yet have told of this program's last connection.
            egress.settle();
        }
        let status = ExitStatus::new(ended, self.lowered.take_away());
        self.record.ended(
            &self.lowered,
            &status,
            complaints(&self.said, self.terminal),
            &self.leaves,
        );
        self.ended = Some(status.clone());
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_some() || (self.lowered.watch.is_none() && self.lowered.audit.is_none()) {
            return;
        }
        let _ = self.process.kill();
        let ended = match self.process.wait(Some(DROPPED)) {
            Ok(Some(ended)) => ended,
            // Nothing more is known of it than that.
            _ => {
                self.process.end();
                Ended {
                    signal: Some(libc::SIGKILL),
                    ..Ended::default()
                }
            }
        };
        self.end(ended);
    }
}

/// Ends the program before what passes its streams on, so that nothing of both is left.
impl Drop for Child {
    fn drop(&mut self) {
        let alone = self.running.process.init_id().is_some();
        if !alone || self.relays.iter().all(Option::is_none) {
            return;
        }
        self.running.process.end();
        for relay in self.relays.iter_mut().filter_map(Option::take) {
            // Where nobody reads what the program wrote, it goes on.
            if ends_within(&relay, RELAY) {
                let _ = relay.join();
            }
        }
    }
}

/// How long the end of a program is awaited that was dropped and killed.
const DROPPED: Duration = Duration::from_secs(2);

impl Child {
    pub(crate) fn new(
        begun: Begun,
        pty: Option<Pty>,
        streams: [(Option<OwnedFd>, Option<JoinHandle<()>>); 3],
    ) -> Self {
        // The relay of standard input ends with the pipe's reader; nobody waits for it.
        let [(stdin, _), (stdout, out), (stderr, err)] = streams;
        Self {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            enforcement: Enforcement::of_child(Arc::clone(&begun.lowered.reports)),
            running: Running {
                process: begun.process,
                attachment: begun.attachment,
                lowered: begun.lowered,
                leaves: begun.leaves,
                record: begun.record,
                said: [Vec::new(), Vec::new()],
                terminal: pty.is_some(),
                ended: None,
            },
            pty,
            init: begun.init,
            relays: [out, err],
        }
    }

    /// The host's process id of the sandbox's process 1, the parent of the program.
    pub fn id(&self) -> u32 {
        self.init
    }

    /// What is in force around the program.
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// Where the host listens for the ports that the policy publishes, in its order; none in a
    /// [`Session`](crate::Session), which publishes them itself.
    pub fn published(&self) -> &[SocketAddr] {
        let attachment = self.running.attachment.as_ref();
        attachment.map_or(&[], Attachment::published)
    }

    /// What the program was refused so far, each thing once: at most 256, with
    /// [`Child::denials_left_out`] more. In a [`Session`](crate::Session), what the network denied is among
    /// them whichever program of the session asked for it, while this one ran.
    pub fn denials(&self) -> Vec<Denial> {
        self.running.record.told().denials
    }

    /// How many denials came that [`Child::denials`] does not list.
    pub fn denials_left_out(&self) -> u64 {
        self.running.record.told().left_out
    }

    /// Closes standard input and waits for the program's end. Every process of the sandbox is gone
    /// when this returns, unless it is one of a [`Session`](crate::Session)'s.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub fn wait(&mut self) -> Result<ExitStatus, WaitError> {
        drop(self.stdin.take());
        loop {
            if let Some(status) = self.poll(None)? {
                return Ok(status);
            }
        }
    }

    /// Waits at most `limit`; `None` when the program still runs then. Ends nothing.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub fn wait_timeout(&mut self, limit: Duration) -> Result<Option<ExitStatus>, WaitError> {
        self.poll(Some(limit))
    }

    /// Looks whether the program has ended, without waiting.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, WaitError> {
        self.poll(Some(Duration::ZERO))
    }

    /// Kills the program and every descendant; in a [`Session`](crate::Session), those that have made
    /// no session of their own.
    ///
    /// # Errors
    /// [`SignalError`] when the kernel refuses; none when all has ended already.
    pub fn kill(&mut self) -> Result<(), SignalError> {
        Ok(self.running.process.kill()?)
    }

    /// Sends a signal (signal(7)) to the program alone.
    ///
    /// # Errors
    /// [`SignalError`] when the program has ended.
    pub fn signal(&self, signal: i32) -> Result<(), SignalError> {
        Ok(self.running.process.signal(signal)?)
    }

    /// Closes standard input, reads what the program writes to its pipes, and waits for its end. What it
    /// writes to a terminal is collected as standard output.
    ///
    /// # Errors
    /// [`WaitError`] when a pipe cannot be read or the kernel refuses to wait.
    pub fn wait_with_output(mut self) -> Result<Output, WaitError> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr) = match (stdout, stderr) {
            // Two pipes are read side by side, or the program could block on the one not read.
            (Some(stdout), Some(stderr)) => std::thread::scope(|scope| {
                let other = std::thread::Builder::new().spawn_scoped(scope, || read(stderr));
                let other = match other {
                    Ok(other) => other,
                    // Its pipe is closed by now, so the program would not be read to its end.
                    Err(error) => return (Ok(Vec::new()), Err(error)),
                };
                let stdout = read(stdout);
                let stderr = other.join().unwrap_or_else(|_| Ok(Vec::new()));
                (stdout, stderr)
            }),
            (None, None) => (self.pty.take().map_or(Ok(Vec::new()), read), Ok(Vec::new())),
            (stdout, stderr) => (
                stdout.map_or(Ok(Vec::new()), read),
                stderr.map_or(Ok(Vec::new()), read),
            ),
        };
        self.said(
            stdout.map_err(WaitError::Read)?,
            stderr.map_err(WaitError::Read)?,
        );
        let status = self.wait()?;
        Ok(self.into_output(status))
    }

    /// Takes what the program wrote.
    pub(crate) fn said(&mut self, stdout: Vec<u8>, stderr: Vec<u8>) {
        let running = &mut self.running;
        running.said = [stdout, stderr];
        if let Some(status) = &running.ended {
            // Somebody has waited for its end before.
            let complaints = complaints(&running.said, running.terminal);
            running.record.infer(&running.lowered, status, complaints);
        }
    }

    /// The output of a program that has ended.
    pub(crate) fn into_output(mut self, status: ExitStatus) -> Output {
        let told = self.running.record.told();
        let [stdout, stderr] = std::mem::take(&mut self.running.said);
        Output {
            status,
            stdout,
            stderr,
            enforcement: self.enforcement.clone(),
            denials: told.denials,
            denials_left_out: told.left_out,
        }
    }

    fn poll(&mut self, limit: Option<Duration>) -> Result<Option<ExitStatus>, WaitError> {
        if let Some(status) = &self.running.ended {
            return Ok(Some(status.clone()));
        }
        let Some(ended) = self.running.process.wait(limit)? else {
            return Ok(None);
        };
        // What the program wrote to a regular file is there once its end is known.
        let in_session = self.running.process.init_id().is_none();
        for relay in self.relays.iter_mut().filter_map(Option::take) {
            // What it left running in a session can hold its streams for good. The relay goes on then.
            if !in_session || ends_within(&relay, RELAY) {
                let _ = relay.join();
            }
        }
        Ok(Some(self.running.end(ended)))
    }
}

/// Becomes readable when the program has ended, for poll(2); [`Child::try_wait`] then tells how.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.running.process.readiness()
    }
}

/// Where a program tells what went wrong.
fn complaints([stdout, stderr]: &[Vec<u8>; 2], terminal: bool) -> &[u8] {
    match terminal {
        true => stdout,
        false => stderr,
    }
}

/// How long the end of a program in a session waits for what it wrote to reach its file.
const RELAY: Duration = Duration::from_millis(100);

fn ends_within(relay: &JoinHandle<()>, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while !relay.is_finished() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    true
}

fn read(mut pipe: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}
