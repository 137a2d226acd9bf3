//! Waiting for several descriptors (poll(2)).

use crate::{Errno, Result, syscall};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// A descriptor to wait for, and what came of it.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Poll(libc::pollfd);

impl Poll {
    /// Waits until it can be read. The descriptor has to stay open for as long as this is waited with.
    pub fn readable(fd: BorrowedFd<'_>) -> Self {
        Self(libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
    }

    /// It can be read.
    pub const fn is_readable(&self) -> bool {
        self.0.revents & libc::POLLIN != 0
    }

    /// Its other side is gone, or it has failed.
    pub const fn has_ended(&self) -> bool {
        self.0.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
    }
}

/// Waits until something has come of one of them at least.
///
/// # Errors
/// `EINTR` when a signal was handled; `EINVAL` for more than the limit of open files.
pub fn wait(all: &mut [Poll]) -> Result<()> {
    wait_for(all, None)
}

/// The same, and at most for this long.
///
/// # Errors
/// As [`wait`].
pub fn wait_for(all: &mut [Poll], limit: Option<Duration>) -> Result<()> {
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs().min(i64::MAX as u64) as i64,
        tv_nsec: limit.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: ppoll(2) reads and writes as many pollfd structures as there are, reads the timespec, or none where
    // it is null, and no mask. (It writes the time left to the timespec, a local that nobody reads again.)
    let answer = unsafe { syscall!(libc::SYS_ppoll, all.as_mut_ptr(), all.len(), limit, 0, 0) };
    Errno::check(answer).map(drop)
}
