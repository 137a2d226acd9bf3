//! A running program: its init, the socket to it, and its end.

use crate::protocol::{self, Request};
use crate::start::receive;
use cofferdam_cgroups::{Cgroup, Stats};
use cofferdam_sys::process::{self, Usage};
use cofferdam_sys::{Errno, fd, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long init gets to end a tree of processes where no namespace does it.
const GRACE: Duration = Duration::from_secs(10);

/// A program inside a sandbox. Dropping it kills the program and all its descendants, waits for
/// their end, and removes the control group.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
    control: OwnedFd,
    cgroup: Option<Cgroup>,
    process_namespace: bool,
    started: Instant,
    ended: Option<Ended>,
}

/// How a program ended and what the whole sandbox used.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The exit code, `None` after a signal.
    pub code: Option<i32>,
    /// The signal that ended the program.
    pub signal: Option<i32>,
    /// The time limit ended it.
    pub timed_out: bool,
    /// The control group's memory limit killed at least one process.
    pub oom_killed: bool,
    /// From the clone to the end of the program.
    pub wall: Duration,
    /// What the program and all its descendants used. Peak memory is that of the largest one.
    pub usage: Usage,
    /// The control group's figures, where there is one.
    pub cgroup: Option<Stats>,
}

/// Why the end of a program is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The socket or the pidfd failed.
    #[error("the end of the program cannot be awaited: {0}")]
    Wait(#[source] Errno),
}

impl Process {
    pub(crate) fn new(
        pid: i32,
        pidfd: OwnedFd,
        control: OwnedFd,
        cgroup: Option<Cgroup>,
        process_namespace: bool,
        started: Instant,
    ) -> Self {
        Self {
            pid,
            pidfd,
            control,
            cgroup,
            process_namespace,
            started,
            ended: None,
        }
    }

    /// The process id of init as the host sees it.
    pub fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Becomes readable when the program has ended, for event loops. Reading is left to
    /// [`Process::wait`].
    pub fn readiness(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The control group of this program.
    pub fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    /// Waits until the program has ended and every process of the sandbox is gone; with a `timeout`,
    /// at most that long: `None` when it still runs then. The timeout is about waiting only; it
    /// ends nothing.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Ended>, WaitError> {
        if let Some(ended) = &self.ended {
            return Ok(Some(ended.clone()));
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let reply = match receive(self.control.as_fd(), deadline) {
            Ok(reply) => reply,
            Err(Errno(libc::ETIMEDOUT)) => return Ok(None),
            Err(errno) => return Err(WaitError::Wait(errno)),
        };
        let wall = self.started.elapsed();
        let exit = self.reap().map_err(WaitError::Wait)?;
        let cgroup = self.cgroup.take();
        let stats = cgroup.and_then(|cgroup| cgroup.remove().ok());
        let mut ended = Ended {
            code: None,
            signal: None,
            timed_out: false,
            oom_killed: stats.as_ref().is_some_and(|s| s.oom_kills.unwrap_or(0) > 0),
            wall,
            usage: Usage::default(),
            cgroup: stats,
        };
        match reply {
            Some(reply) if reply.kind == protocol::EXITED => {
                // The wait status of the kernel (wait(2)): the low seven bits are the signal.
                let signal = reply.value & 0x7f;
                ended.timed_out = reply.detail & protocol::TIMED_OUT != 0;
                ended.signal = (signal != 0).then_some(signal);
                ended.code = (signal == 0).then_some((reply.value >> 8) & 0xff);
                ended.usage = Usage {
                    user: Duration::from_micros(reply.user),
                    system: Duration::from_micros(reply.system),
                    max_rss: reply.max_rss,
                    major_faults: reply.major_faults,
                    context_switches: reply.context_switches,
                };
                if ended.timed_out {
                    ended.signal = Some(libc::SIGKILL);
                    ended.code = None;
                }
            }
            // init was killed, and the program with it.
            _ => ended.signal = Some(exit.and_then(|exit| exit.signal).unwrap_or(libc::SIGKILL)),
        }
        if let Some(exit) = exit {
            // init has waited for everything, so its figures hold the whole sandbox.
            ended.usage = exit.usage;
        }
        self.ended = Some(ended.clone());
        Ok(Some(ended))
    }

    /// Kills the program and every descendant. [`Process::wait`] then tells how it ended.
    ///
    /// # Errors
    /// None when all has ended already; else the kernel's answer.
    pub fn kill(&mut self) -> Result<(), Errno> {
        if self.ended.is_some() {
            return Ok(());
        }
        if self.process_namespace {
            // The end of process 1 is the end of its namespace (pid_namespaces(7)).
            return match process::send_signal(self.pidfd.as_fd(), libc::SIGKILL) {
                Err(Errno(libc::ESRCH)) => Ok(()),
                other => other,
            };
        }
        // Without a namespace init does it, on the end of its socket; a control group is surer.
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
        }
        match socket::shutdown_write(self.control.as_fd()) {
            Err(Errno(libc::ENOTCONN)) => Ok(()),
            other => other,
        }
    }

    /// Sends a signal to the program.
    ///
    /// # Errors
    /// `EPIPE` when it has ended.
    pub fn signal(&self, signal: i32) -> Result<(), Errno> {
        let request = Request {
            kind: protocol::SIGNAL,
            argument: signal.unsigned_abs(),
            ..Request::default()
        };
        socket::send_with_fds(self.control.as_fd(), &request.to_bytes(), &[], 0).map(drop)
    }

    /// Waits for init's end; `None` when somebody else in the host reaped it.
    fn reap(&self) -> Result<Option<process::Exit>, Errno> {
        if !self.process_namespace {
            match fd::wait_readable(self.pidfd.as_fd(), Some(GRACE)) {
                Ok(false) => drop(process::send_signal(self.pidfd.as_fd(), libc::SIGKILL)),
                Ok(true) | Err(_) => {}
            }
        }
        loop {
            match process::wait(self.pidfd.as_fd(), true) {
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::ECHILD)) => {
                    while fd::wait_readable(self.pidfd.as_fd(), None) == Err(Errno(libc::EINTR)) {}
                    return Ok(None);
                }
                other => return other,
            }
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.kill();
            let _ = self.reap();
        }
    }
}
