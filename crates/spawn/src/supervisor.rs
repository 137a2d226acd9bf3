//! The host's handle of an init, and of all that ends with it.

use crate::Connector;
use cofferdam_cgroups::{Cgroup, Stats};
use cofferdam_sys::process::{self, Cloned, Exit};
use cofferdam_sys::{Errno, fd, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long init gets to end all processes before it is killed itself.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// The host's end of the socket to an init.
#[derive(Debug)]
pub(crate) struct Control {
    pub socket: OwnedFd,
    /// Requests can be more than one write; two must not mix.
    pub sending: Mutex<()>,
}

impl Control {
    /// Sends a request of one structure with a descriptor, all or nothing.
    pub(crate) fn send_whole(
        &self,
        request: &[u8],
        with: BorrowedFd<'_>,
        until: Instant,
    ) -> Result<(), Errno> {
        loop {
            let one = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            // So little goes into a stream socket of AF_UNIX as a whole, or not at all.
            let sent =
                socket::send_with_fds(self.socket.as_fd(), request, &[with], libc::MSG_DONTWAIT);
            drop(one);
            match sent {
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::EAGAIN)) if Instant::now() < until => thread::sleep(PAUSE),
                Err(Errno(libc::EAGAIN)) => return Err(Errno(libc::ETIMEDOUT)),
                other => return other.map(drop),
            }
        }
    }
}

/// Between two attempts at a socket that is full, which takes hundreds of requests that init has not read.
const PAUSE: Duration = Duration::from_millis(2);

/// An init. Dropping it ends it with every process it holds, and removes the control group.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub control: Arc<Control>,
    pub cgroup: Option<Cgroup>,
    reaped: bool,
}

impl Supervisor {
    pub(crate) fn new(init: Cloned, control: OwnedFd, cgroup: Option<Cgroup>) -> Self {
        Self {
            pid: init.pid,
            pidfd: init.pidfd,
            control: Arc::new(Control {
                socket: control,
                sending: Mutex::new(()),
            }),
            cgroup,
            reaped: false,
        }
    }

    /// What makes sockets inside as long as this is there.
    pub(crate) fn connector(&self) -> Connector {
        Connector::new(Arc::downgrade(&self.control))
    }

    /// Tells init to end everything, which it does on the end of its socket, and so still knows what
    /// was used.
    pub(crate) fn release(&self) -> Result<(), Errno> {
        hang_up(self.control.socket.as_fd())
    }

    /// What ends even what init does not: the end of process 1 is that of its namespace
    /// (pid_namespaces(7)); without one, a control group is what holds all processes.
    pub(crate) fn force(&self) {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
        }
        let _ = process::send_signal(self.pidfd.as_fd(), libc::SIGKILL);
    }

    /// Waits for init's end; `None` when somebody else in the host reaped it.
    pub(crate) fn reap(&mut self) -> Result<Option<Exit>, Errno> {
        if self.reaped {
            return Ok(None);
        }
        if fd::wait_readable(self.pidfd.as_fd(), Some(GRACE)) == Ok(false) {
            self.force();
        }
        loop {
            match process::wait(self.pidfd.as_fd(), true) {
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::ECHILD)) => {
                    while fd::wait_readable(self.pidfd.as_fd(), None) == Err(Errno(libc::EINTR)) {}
                    self.reaped = true;
                    return Ok(None);
                }
                other => {
                    self.reaped = other.is_ok();
                    return other;
                }
            }
        }
    }

    /// The control group's last figures; removes it.
    pub(crate) fn remove_cgroup(&mut self) -> Option<Stats> {
        self.cgroup.take().and_then(|cgroup| cgroup.remove().ok())
    }

    /// init still runs. Its socket closes before it counts as ended, which takes until the last process
    /// of its namespace is gone; of one that starts many programs there is nothing else to read there.
    pub(crate) fn is_alive(&self) -> bool {
        let quiet = |fd: &OwnedFd| fd::wait_readable(fd.as_fd(), Some(Duration::ZERO)) == Ok(false);
        !self.reaped && quiet(&self.control.socket) && quiet(&self.pidfd)
    }

    /// How often the memory limit has killed a process, where that is known.
    pub(crate) fn oom_kills(&self) -> u64 {
        let stats = self.cgroup.as_ref().map(Cgroup::stats);
        stats.and_then(|stats| stats.oom_kills).unwrap_or(0)
    }
}

/// Says over a socket that nothing more is wanted; init, if it is there, ends what the socket is about.
pub(crate) fn hang_up(control: BorrowedFd<'_>) -> Result<(), Errno> {
    match socket::shutdown_write(control) {
        Err(Errno(libc::ENOTCONN)) => Ok(()),
        other => other,
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.release();
            let _ = self.reap();
        }
    }
}
