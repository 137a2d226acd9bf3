//! Descriptors: reading, writing, duplicating, closing, and the few ways to make one.

use crate::{Errno, Result, syscall};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Reads at most `buffer.len()` bytes (read(2)); 0 at the end of the file.
///
/// # Errors
/// As read(2); `EINTR` is passed on.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: read(2) writes at most `len` bytes to the buffer, which is borrowed for the call.
    let answer = unsafe {
        syscall!(
            libc::SYS_read,
            fd.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len()
        )
    };
    Errno::check(answer)
}

/// Writes at most `bytes.len()` bytes (write(2)) and says how many.
///
/// # Errors
/// As write(2); `EINTR` is passed on.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    // SAFETY: write(2) only reads the bytes, which are borrowed for the call.
    let answer = unsafe { syscall!(libc::SYS_write, fd.as_raw_fd(), bytes.as_ptr(), bytes.len()) };
    Errno::check(answer)
}

/// Opens a path relative to a directory (openat(2)); a raw number, as the caller may be a child
/// that must not run libc's close(2).
///
/// # Errors
/// As openat(2).
pub fn openat(dir: RawFd, path: &CStr, flags: i32, mode: u32) -> Result<RawFd> {
    // SAFETY: openat(2) only reads the path up to its NUL.
    let answer = unsafe { syscall!(libc::SYS_openat, dir, path.as_ptr(), flags, mode) };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// Closes a raw descriptor without touching `errno` (close(2)).
///
/// The number must be one that the caller itself opened: in a child that shares memory but not its
/// table of descriptors with a host, that is any number of the child's own table.
///
/// # Errors
/// `EBADF` for a number that is not open; the descriptor is gone after any other error too.
pub fn close(fd: RawFd) -> Result<()> {
    // SAFETY: close(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_close, fd) }).map(drop)
}

/// Closes every descriptor from `first` on (close_range(2), Linux 5.9).
///
/// # Errors
/// `ENOSYS` before Linux 5.9.
pub fn close_from(first: RawFd) -> Result<()> {
    // SAFETY: close_range(2) touches no memory.
    let answer = unsafe { syscall!(libc::SYS_close_range, first, u32::MAX, 0) };
    Errno::check(answer).map(drop)
}

/// Makes `new` a duplicate of `old` in this process's table (dup3(2)), closing what `new` was; `flags`
/// is 0 or `O_CLOEXEC`.
///
/// # Errors
/// `EINVAL` when both are the same number; else as dup3(2).
pub fn dup_onto(old: RawFd, new: RawFd, flags: i32) -> Result<()> {
    // SAFETY: dup3(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_dup3, old, new, flags) }).map(drop)
}

/// Duplicates a descriptor to the lowest free number from `least` on, close-on-exec
/// (fcntl(2) `F_DUPFD_CLOEXEC`).
///
/// # Errors
/// `EMFILE` at the limit of open files.
pub fn dup_from(old: RawFd, least: RawFd) -> Result<RawFd> {
    // SAFETY: F_DUPFD_CLOEXEC touches no memory.
    let answer = unsafe { syscall!(libc::SYS_fcntl, old, libc::F_DUPFD_CLOEXEC, least) };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// A pipe, both ends close-on-exec (pipe2(2)): what is read, then what is written.
///
/// # Errors
/// `EMFILE` or `ENFILE` at a limit of open files.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0_i32; 2];
    // SAFETY: pipe2(2) writes two ints to the array.
    Errno::check(unsafe { syscall!(libc::SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: both numbers were opened just now and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// An anonymous file that holds `contents`, can be executed, and can never be changed again:
/// memfd_create(2) with all seals of fcntl(2) set.
///
/// # Errors
/// `EACCES` where `vm.memfd_noexec` is 2 (Linux 6.3); `ENOSPC`, `ENOMEM` or `EMFILE` at a limit.
pub fn sealed_memfd(name: &CStr, contents: &[u8]) -> Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let create = |flags: u32| {
        // SAFETY: memfd_create(2) only reads the name up to its NUL.
        Errno::check(unsafe { syscall!(libc::SYS_memfd_create, name.as_ptr(), flags) })
    };
    // MFD_EXEC is unknown (EINVAL) before Linux 6.3, and asked for by name since.
    let number = match create(flags | libc::MFD_EXEC) {
        Err(Errno(libc::EINVAL)) => create(flags)?,
        other => other?,
    };
    // SAFETY: the number was opened just now and belongs to nobody else.
    let memfd = unsafe { OwnedFd::from_raw_fd(number as RawFd) };
    let mut rest = contents;
    while !rest.is_empty() {
        use std::os::fd::AsFd;
        match write(memfd.as_fd(), rest) {
            Ok(0) => return Err(Errno(libc::EIO)),
            Ok(n) => rest = &rest[n..],
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: F_ADD_SEALS touches no memory.
    Errno::check(unsafe {
        syscall!(libc::SYS_fcntl, memfd.as_raw_fd(), libc::F_ADD_SEALS, seals)
    })?;
    Ok(memfd)
}

/// Waits until a descriptor can be read, or its peer is gone, or `timeout_ms` milliseconds are over
/// (ppoll(2)); `None` waits for good. True when there is something to read or the end.
///
/// # Errors
/// `EINTR` when a signal was handled.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<std::time::Duration>) -> Result<bool> {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let limit = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(i64::MAX as u64) as i64,
        tv_nsec: t.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: ppoll(2) reads and writes one pollfd and reads the timespec, or none where it is
    // null; both live until the call returns. (The kernel writes the time left to its copy only
    // if the pointer is given: the timespec is a local that nobody reads again.)
    let answer = unsafe { syscall!(libc::SYS_ppoll, &raw mut poll, 1, limit, 0, 0) };
    Errno::check(answer).map(|ready| ready > 0)
}
