//! A running program: its init, the socket to it, and its end.

use crate::protocol::{self, Request};
use crate::start::receive;
use cofferdam_cgroups::{Cgroup, Stats};
use cofferdam_sys::process::{self, Usage};
use cofferdam_sys::{Errno, fd, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long init gets to end all processes before it is killed itself.
const GRACE: Duration = Duration::from_secs(5);

/// A program inside a sandbox. Dropping it kills the program and all its descendants, waits for
/// their end, and removes the control group.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
    control: OwnedFd,
    cgroup: Option<Cgroup>,
    started: Instant,
    /// When [`Process::kill`] was called first.
    killed: Option<Instant>,
    /// init did not end everything in time and was killed.
    forced: bool,
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
    /// What the program and all its descendants used, as init counted it; zero if init was killed.
    /// Peak memory is that of the largest one. (init's own figures as the host gets them would not
    /// do: its peak is that of the host, whose memory it shared before it was executed.)
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
        started: Instant,
    ) -> Self {
        Self {
            pid,
            pidfd,
            control,
            cgroup,
            started,
            killed: None,
            forced: false,
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
        let grace = self.killed.map(|at| at + GRACE);
        let reply = loop {
            let until = deadline
                .into_iter()
                .chain(grace.filter(|_| !self.forced))
                .min();
            match receive(self.control.as_fd(), until) {
                Ok(reply) => break reply,
                Err(Errno(libc::ETIMEDOUT)) if until == deadline => return Ok(None),
                Err(Errno(libc::ETIMEDOUT)) => {
                    self.force();
                    self.forced = true;
                }
                Err(errno) => return Err(WaitError::Wait(errno)),
            }
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
        self.killed.get_or_insert_with(Instant::now);
        // init does it on the end of its socket, and so still knows what was used.
        match socket::shutdown_write(self.control.as_fd()) {
            Err(Errno(libc::ENOTCONN)) => Ok(()),
            other => other,
        }
    }

    /// What ends even what init does not: the end of process 1 is that of its namespace
    /// (pid_namespaces(7)); without one, a control group is what holds all processes.
    fn force(&self) {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
        }
        let _ = process::send_signal(self.pidfd.as_fd(), libc::SIGKILL);
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
        if fd::wait_readable(self.pidfd.as_fd(), Some(GRACE)) == Ok(false) {
            self.force();
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
