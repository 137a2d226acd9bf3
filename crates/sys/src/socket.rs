//! Socket pairs and descriptors sent over them.

use crate::{Errno, Result, syscall};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The most descriptors that [`send_with_fds`] passes at once.
pub const MAX_FDS: usize = 4;

/// A connected pair of stream sockets in `AF_UNIX`, both close-on-exec (socketpair(2)).
///
/// # Errors
/// `EMFILE` or `ENFILE` at a limit of open files.
pub fn stream_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0_i32; 2];
    // SAFETY: socketpair(2) writes two ints to the array.
    Errno::check(unsafe {
        syscall!(
            libc::SYS_socketpair,
            libc::AF_UNIX,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            0,
            ends.as_mut_ptr()
        )
    })?;
    // SAFETY: both numbers were opened just now and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Room for one `SCM_RIGHTS` message with [`MAX_FDS`] descriptors (cmsg(3)).
#[repr(C, align(8))]
struct Control {
    header: libc::cmsghdr,
    fds: [RawFd; MAX_FDS],
}

/// Sends bytes, and descriptors with the first of them (sendmsg(2), unix(7) `SCM_RIGHTS`), without
/// raising `SIGPIPE`. `flags` are further `MSG_*` bits. Says how many bytes went out.
///
/// # Errors
/// `EPIPE` when the peer is gone; `EAGAIN` with `MSG_DONTWAIT` when the buffer is full; `EINVAL`
/// for more than [`MAX_FDS`] descriptors.
pub fn send_with_fds(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: i32,
) -> Result<usize> {
    if fds.len() > MAX_FDS {
        return Err(Errno(libc::EINVAL));
    }
    let mut iov = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control {
        header: libc::cmsghdr {
            cmsg_len: std::mem::size_of::<libc::cmsghdr>() + std::mem::size_of_val(fds),
            cmsg_level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
        },
        fds: [-1; MAX_FDS],
    };
    for (slot, fd) in control.fds.iter_mut().zip(fds) {
        *slot = fd.as_raw_fd();
    }
    // SAFETY: msghdr is plain data for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    if !fds.is_empty() {
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = control.header.cmsg_len;
    }
    // SAFETY: sendmsg(2) reads the header, the one iovec, its bytes and the control message; all
    // live until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_sendmsg,
            socket.as_raw_fd(),
            &raw const message,
            flags | libc::MSG_NOSIGNAL
        )
    };
    Errno::check(answer)
}

/// Ends a connected socket for writing (shutdown(2) `SHUT_WR`): the peer reads its end.
///
/// # Errors
/// `ENOTCONN` when the peer is gone.
pub fn shutdown_write(socket: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: shutdown(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_shutdown, socket.as_raw_fd(), libc::SHUT_WR) })
        .map(drop)
}

/// Receives bytes and at most [`MAX_FDS`] descriptors, which are close-on-exec (recvmsg(2), unix(7)
/// `SCM_RIGHTS`). Says how many bytes came; 0 is the end of the stream.
///
/// # Errors
/// As recvmsg(2); `EMSGSIZE` when descriptors were lost, because more came or because of a limit of
/// open files.
pub fn receive_with_fds(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut [Option<OwnedFd>; MAX_FDS],
) -> Result<usize> {
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: the control message and msghdr are plain data for which all zeroes is a valid value.
    let (mut control, mut message): (Control, libc::msghdr) = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = std::mem::size_of::<Control>();
    // SAFETY: recvmsg(2) writes to the bytes and the control message within the lengths given; all
    // live until the call returns.
    let n = Errno::check(unsafe {
        syscall!(
            libc::SYS_recvmsg,
            socket.as_raw_fd(),
            &raw mut message,
            libc::MSG_CMSG_CLOEXEC
        )
    })?;
    let header = std::mem::size_of::<libc::cmsghdr>();
    if message.msg_controllen >= header
        && control.header.cmsg_level == libc::SOL_SOCKET
        && control.header.cmsg_type == libc::SCM_RIGHTS
    {
        let count = control.header.cmsg_len.saturating_sub(header) / std::mem::size_of::<RawFd>();
        for (slot, fd) in fds.iter_mut().zip(control.fds).take(count) {
            // SAFETY: the kernel opened this number for us just now, and it belongs to nobody else.
            *slot = Some(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(Errno(libc::EMSGSIZE));
    }
    Ok(n)
}
