//! The twin of [`Command`](crate::Command) and [`Child`](crate::Child) for tokio.
//!
//! Every future here is safe to cancel: dropping one loses nothing, and waiting can be started again.
//! Nothing runs on the caller's runtime but the waiting itself.

mod pty;

pub use pty::Pty;

use crate::enforcement::Enforcement;
use crate::error::{RunError, SignalError, SpawnError, WaitError};
use crate::output::{ExitStatus, Output};
use crate::stdio::Stdio;
use cofferdam_audit::Denial;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, Interest};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

/// Starts commands whose children are awaited: `Command::from(sandbox.command("…"))`.
#[derive(Debug)]
pub struct Command {
    inner: crate::Command,
}

impl From<crate::Command> for Command {
    fn from(inner: crate::Command) -> Self {
        Self { inner }
    }
}

impl Command {
    /// The command itself, to add to it.
    pub fn as_std_mut(&mut self) -> &mut crate::Command {
        &mut self.inner
    }

    /// Starts the command. Blocks the thread until the program has been executed behind the whole
    /// wall (about a millisecond); call it from `spawn_blocking` where that is too long.
    ///
    /// # Errors
    /// [`SpawnError`]; the program did not run and nothing is left behind.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled, as all of tokio's I/O does.
    pub fn spawn(&mut self) -> Result<Child, SpawnError> {
        Child::adopt(self.inner.spawn()?)
    }

    /// Starts the command and waits for its end. Dropping the future kills the command.
    ///
    /// # Errors
    /// [`RunError`]: it could not be started, or its end is not known.
    pub async fn status(&mut self) -> Result<ExitStatus, RunError> {
        Ok(self.spawn()?.wait().await?)
    }

    /// Starts the command, waits for its end and collects what it writes. Dropping the future kills
    /// the command.
    ///
    /// # Errors
    /// [`RunError`]: it could not be started, or its output or end is not known.
    pub async fn output(&mut self) -> Result<Output, RunError> {
        let streams = [Stdio::null(), Stdio::piped(), Stdio::piped()];
        let child = Child::adopt(self.inner.spawn_with(streams)?)?;
        Ok(child.wait_with_output().await?)
    }
}

/// A running command. **Dropping it kills** the program and every descendant.
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
    // Before the child, so that the runtime lets go of the descriptor first.
    readiness: AsyncFd<Readiness>,
    inner: crate::Child,
}

/// A duplicate of the descriptor that says when the program has ended.
#[derive(Debug)]
struct Readiness(OwnedFd);

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Child {
    // The safe constructor is deprecated because a type may lie about its descriptor, and the new one
    // is unsafe for that reason. `Readiness` owns its descriptor and never changes it.
    #[allow(deprecated)]
    fn adopt(mut inner: crate::Child) -> Result<Self, SpawnError> {
        let mut adopt = || {
            let own = inner.as_fd().try_clone_to_owned()?;
            Ok::<_, io::Error>((
                AsyncFd::with_interest(Readiness(own), Interest::READABLE)?,
                inner.stdin.take().map(ChildStdin::from_std).transpose()?,
                inner.stdout.take().map(ChildStdout::from_std).transpose()?,
                inner.stderr.take().map(ChildStderr::from_std).transpose()?,
                inner.pty.take().map(Pty::new).transpose()?,
            ))
        };
        let (readiness, stdin, stdout, stderr, pty) = adopt().map_err(SpawnError::Stdio)?;
        Ok(Self {
            stdin,
            stdout,
            stderr,
            pty,
            readiness,
            inner,
        })
    }

    /// The host's process id of the sandbox's process 1.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Where the host listens for the ports that the policy publishes, in its order.
    pub fn published(&self) -> &[SocketAddr] {
        self.inner.published()
    }

    /// What is in force around the program.
    pub fn enforcement(&self) -> &Enforcement {
        self.inner.enforcement()
    }

    /// What the program was refused so far; see [`crate::Child::denials`].
    pub fn denials(&self) -> Vec<Denial> {
        self.inner.denials()
    }

    /// How many denials came that [`Child::denials`] does not list.
    pub fn denials_left_out(&self) -> u64 {
        self.inner.denials_left_out()
    }

    /// Closes standard input and waits for the program's end. Every process of the sandbox is gone
    /// when this returns, unless it is one of a [`Session`](crate::Session)'s. Safe to cancel and to call again.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub async fn wait(&mut self) -> Result<ExitStatus, WaitError> {
        drop(self.stdin.take());
        loop {
            let mut ready = self.readiness.readable().await.map_err(WaitError::Read)?;
            // What is left after init's word is the end of a few processes the kernel kills.
            if let Some(status) = self.inner.try_wait()? {
                return Ok(status);
            }
            ready.clear_ready();
        }
    }

    /// Waits at most `limit`; `None` when the program still runs then. Ends nothing.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub async fn wait_timeout(&mut self, limit: Duration) -> Result<Option<ExitStatus>, WaitError> {
        match tokio::time::timeout(limit, self.wait()).await {
            Ok(status) => status.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Kills the program and every descendant.
    ///
    /// # Errors
    /// [`SignalError`] when the kernel refuses; none when all has ended already.
    pub fn kill(&mut self) -> Result<(), SignalError> {
        self.inner.kill()
    }

    /// Sends a signal (signal(7)) to the program alone.
    ///
    /// # Errors
    /// [`SignalError`] when the program has ended.
    pub fn signal(&self, signal: i32) -> Result<(), SignalError> {
        self.inner.signal(signal)
    }

    /// Closes standard input, reads what the program writes to its pipes, and waits for its end. What it
    /// writes to a terminal is collected as standard output. Dropping the future kills the command.
    ///
    /// # Errors
    /// [`WaitError`] when a pipe cannot be read or the kernel refuses to wait.
    pub async fn wait_with_output(mut self) -> Result<Output, WaitError> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (mut stdout, stderr) =
            tokio::try_join!(read(stdout), read(stderr)).map_err(WaitError::Read)?;
        if let Some(pty) = self.pty.take() {
            stdout = read(Some(pty)).await.map_err(WaitError::Read)?;
        }
        self.inner.said(stdout, stderr);
        let status = self.wait().await?;
        Ok(self.inner.into_output(status))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
