//! Waiting for many descriptors (epoll(7)).

use crate::{Errno, Result, syscall};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A descriptor that is ready, by the number it was added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number.
    pub key: u64,
    /// It can be read.
    pub readable: bool,
    /// Its other side is gone, or it has failed.
    pub ended: bool,
}

/// Makes an epoll instance, close-on-exec.
///
/// # Errors
/// `EMFILE` or `ENFILE` at a limit of open files.
pub fn create() -> Result<OwnedFd> {
    // SAFETY: epoll_create1(2) touches no memory.
    let fd = Errno::check(unsafe { syscall!(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the number was opened just now and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Waits for a descriptor too, until it is closed or removed.
///
/// # Errors
/// As epoll_ctl(2).
pub fn add(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>, key: u64) -> Result<()> {
    let event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: key,
    };
    control(epoll, libc::EPOLL_CTL_ADD, fd, event)
}

/// No longer waits for a descriptor.
///
/// # Errors
/// As epoll_ctl(2).
pub fn remove(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<()> {
    let event = libc::epoll_event { events: 0, u64: 0 };
    control(epoll, libc::EPOLL_CTL_DEL, fd, event)
}

fn control(
    epoll: BorrowedFd<'_>,
    what: i32,
    fd: BorrowedFd<'_>,
    mut event: libc::epoll_event,
) -> Result<()> {
    // SAFETY: epoll_ctl(2) only reads the event.
    let answer = unsafe {
        syscall!(
            libc::SYS_epoll_ctl,
            epoll.as_raw_fd(),
            what,
            fd.as_raw_fd(),
            &raw mut event
        )
    };
    Errno::check(answer).map(drop)
}

/// Waits until at least one descriptor is ready, and says which, at most 16.
///
/// # Errors
/// `EINTR` is passed on.
pub fn wait(epoll: BorrowedFd<'_>) -> Result<impl Iterator<Item = Ready>> {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 16];
    // SAFETY: epoll_pwait(2) writes at most 16 events to the array, and reads no signal mask.
    let count = Errno::check(unsafe {
        syscall!(
            libc::SYS_epoll_pwait,
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            events.len(),
            -1_i32,
            0,
            0
        )
    })?;
    Ok(events.into_iter().take(count).map(|event| Ready {
        key: event.u64,
        readable: event.events & libc::EPOLLIN as u32 != 0,
        ended: event.events & (libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0,
    }))
}
