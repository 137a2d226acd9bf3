//! Seccomp filters (seccomp(2)), and the calls that wait for an answer (seccomp_unotify(2)).

use crate::{Errno, Result, syscall};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Installs a compiled filter on the calling thread.
///
/// `flags` are the `SECCOMP_FILTER_FLAG_*` bits. With `SECCOMP_FILTER_FLAG_NEW_LISTENER` the answer
/// is the notification descriptor, else 0.
///
/// # Errors
/// `EACCES` without `no_new_privs` or `CAP_SYS_ADMIN`; `EINVAL` for a program the kernel does not
/// accept; `ENOMEM` past the limit of 32768 instructions for all filters of the thread together.
/// Since Linux 3.17.
pub fn install(program: &[libc::sock_filter], flags: u64) -> Result<i32> {
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(Errno(libc::EINVAL));
    };
    let prog = libc::sock_fprog {
        len,
        // The kernel only reads the program: seccomp(2) copies it.
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: SECCOMP_SET_MODE_FILTER reads one sock_fprog and the `len` instructions it points to;
    // both live until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const prog
        )
    };
    Errno::check(answer).map(|fd| fd as i32)
}

/// A system call that waits for somebody's answer (seccomp_unotify(2)).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// What its answer is sent to.
    pub id: u64,
    /// The thread that made the call, as the reader's process namespace numbers it; 0 if it has no number there.
    pub pid: u32,
    flags: u32,
    /// The call's number.
    pub number: i32,
    /// `AUDIT_ARCH_*` of the call.
    pub arch: u32,
    /// The address of the instruction after the call.
    pub instruction: u64,
    /// The six argument registers.
    pub args: [u64; 6],
}

/// What a waiting call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The kernel carries the call out, with the arguments that it finds then (Linux 5.5).
    Continue,
    /// The call fails with this error.
    Fail(Errno),
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

const _: () = assert!(size_of::<Notification>() == 80 && size_of::<Response>() == 24);

// ioctl(2) numbers of <linux/seccomp.h>, the same on every architecture of this crate.
const RECEIVE: u32 = 0xc050_2100;
const SEND: u32 = 0xc018_2101;
const IS_VALID: u32 = 0x4008_2102;
const SET_FLAGS: u32 = 0x4008_2104;

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: a call whose notification has been read is only interrupted by
/// what kills. Since Linux 5.19, with `SECCOMP_FILTER_FLAG_NEW_LISTENER` alone.
pub const WAIT_KILLABLE: u64 = 1 << 5;

/// Reads the next waiting call. Waits for one if there is none: ask poll(2) first. Since Linux 5.0.
///
/// # Errors
/// `ENOENT` when the thread was killed meanwhile; `EINTR` is passed on.
pub fn receive(listener: BorrowedFd<'_>) -> Result<Notification> {
    // The kernel refuses one that is not zeroed.
    let mut notification = Notification::default();
    // SAFETY: the call writes one structure of the size that its number holds.
    let answer = unsafe {
        syscall!(
            libc::SYS_ioctl,
            listener.as_raw_fd(),
            RECEIVE,
            &raw mut notification
        )
    };
    Errno::check(answer).map(|_| notification)
}

/// Answers a waiting call.
///
/// # Errors
/// `ENOENT` when the thread is gone or a signal has interrupted its call.
pub fn answer(listener: BorrowedFd<'_>, id: u64, answer: Answer) -> Result<()> {
    let (error, flags) = match answer {
        Answer::Continue => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        Answer::Fail(errno) => (-errno.raw(), 0),
    };
    let mut response = Response {
        id,
        value: 0,
        error,
        flags,
    };
    // SAFETY: the call reads one structure of the size that its number holds.
    let answer = unsafe {
        syscall!(
            libc::SYS_ioctl,
            listener.as_raw_fd(),
            SEND,
            &raw mut response
        )
    };
    Errno::check(answer).map(drop)
}

/// Whether the call still waits: then what was read of its thread was its own, and not that of another one
/// with its number.
pub fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the call reads eight bytes.
    let answer = unsafe {
        syscall!(
            libc::SYS_ioctl,
            listener.as_raw_fd(),
            IS_VALID,
            &raw const id
        )
    };
    Errno::check(answer).is_ok()
}

/// Has the kernel hand the processor over between the caller and who answers, instead of waking another
/// processor up. Since Linux 6.6.
///
/// # Errors
/// `EINVAL` or `ENOTTY` from older kernels, on which everything works as before.
pub fn set_sync_wake_up(listener: BorrowedFd<'_>) -> Result<()> {
    // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP; an argument, not a pointer.
    // SAFETY: the call touches no memory.
    let answer = unsafe { syscall!(libc::SYS_ioctl, listener.as_raw_fd(), SET_FLAGS, 1_u64) };
    Errno::check(answer).map(drop)
}
