//! A running command.

use crate::enforcement::Enforcement;
use crate::error::{SignalError, WaitError};
use crate::lower::Lowered;
use crate::output::{ExitStatus, Output};
use cofferdam_spawn::Process;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A running command, as `std::process::Child`, with one difference: **dropping it kills** the
/// program and every descendant, and waits for their end.
#[derive(Debug)]
pub struct Child {
    /// The pipe to standard input, if it was asked for.
    pub stdin: Option<ChildStdin>,
    /// The pipe from standard output, if it was asked for.
    pub stdout: Option<ChildStdout>,
    /// The pipe from standard error, if it was asked for.
    pub stderr: Option<ChildStderr>,
    process: Process,
    enforcement: Enforcement,
    relays: [Option<JoinHandle<()>>; 2],
    /// Keeps what the sandbox holds on the host (private directories of a host without
    /// namespaces) as long as the child runs.
    _lowered: Arc<Lowered>,
}

impl Child {
    pub(crate) fn new(
        process: Process,
        enforcement: Enforcement,
        lowered: Arc<Lowered>,
        streams: [(Option<OwnedFd>, Option<JoinHandle<()>>); 3],
    ) -> Self {
        // The relay of standard input ends with the pipe's reader; nobody waits for it.
        let [(stdin, _), (stdout, out), (stderr, err)] = streams;
        Self {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            process,
            enforcement,
            relays: [out, err],
            _lowered: lowered,
        }
    }

    /// The host's process id of the sandbox's process 1, the parent of the program.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What is in force around the program.
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// Closes standard input and waits for the program's end. Every process of the sandbox is gone
    /// when this returns.
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

    /// Kills the program and every descendant.
    ///
    /// # Errors
    /// [`SignalError`] when the kernel refuses; none when all has ended already.
    pub fn kill(&mut self) -> Result<(), SignalError> {
        Ok(self.process.kill()?)
    }

    /// Sends a signal (signal(7)) to the program alone.
    ///
    /// # Errors
    /// [`SignalError`] when the program has ended.
    pub fn signal(&self, signal: i32) -> Result<(), SignalError> {
        Ok(self.process.signal(signal)?)
    }

    /// Closes standard input, reads what the program writes to its pipes, and waits for its end.
    ///
    /// # Errors
    /// [`WaitError`] when a pipe cannot be read or the kernel refuses to wait.
    pub fn wait_with_output(mut self) -> Result<Output, WaitError> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr) = match (stdout, stderr) {
            // Two pipes are read side by side, or the program could block on the one not read.
            (Some(stdout), Some(stderr)) => std::thread::scope(|scope| {
                let other = scope.spawn(|| read(stderr));
                let stdout = read(stdout);
                let stderr = other.join().unwrap_or_else(|_| Ok(Vec::new()));
                (stdout, stderr)
            }),
            (stdout, stderr) => (
                stdout.map_or(Ok(Vec::new()), read),
                stderr.map_or(Ok(Vec::new()), read),
            ),
        };
        Ok(Output {
            stdout: stdout.map_err(WaitError::Read)?,
            stderr: stderr.map_err(WaitError::Read)?,
            status: self.wait()?,
            enforcement: self.enforcement.clone(),
        })
    }

    /// Becomes readable when the program has ended.
    #[cfg(feature = "tokio")]
    pub(crate) fn readiness(&self) -> BorrowedFd<'_> {
        self.process.readiness()
    }

    fn poll(&mut self, limit: Option<Duration>) -> Result<Option<ExitStatus>, WaitError> {
        let Some(ended) = self.process.wait(limit)? else {
            return Ok(None);
        };
        // What the program wrote to a regular file is there once its end is known.
        for relay in &mut self.relays {
            if let Some(relay) = relay.take() {
                let _ = relay.join();
            }
        }
        Ok(Some(ExitStatus::new(ended)))
    }
}

/// The pidfd of the sandbox's process 1.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

fn read(mut pipe: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}
