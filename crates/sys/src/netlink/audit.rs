//! Reading along in the kernel's audit log (`NETLINK_AUDIT`, the kernel's `include/uapi/linux/audit.h`).

use super::number;
use crate::{Errno, Result, fd, net, syscall};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The bit of the group that records are sent to for everybody who may read them: `AUDIT_NLGRP_READLOG`.
const READ_LOG: u32 = 1;
/// Asks for the state of the log: `AUDIT_GET`.
const GET: u16 = 1000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Length of `nlmsghdr`.
pub const HEADER: usize = size_of::<libc::nlmsghdr>();
/// The longest record with its header: `MAX_AUDIT_MESSAGE_LENGTH`, and the header.
pub const LONGEST: usize = 8970 + HEADER;

/// A socket on which every record of the audit log arrives from now on, a message each, beside whoever else reads
/// them (Linux 3.16). Non-blocking, close-on-exec.
///
/// # Errors
/// `EPERM` without `CAP_AUDIT_READ` in the first user namespace; `EPROTONOSUPPORT` for a kernel that was built
/// without the log.
pub fn open() -> Result<OwnedFd> {
    let socket = socket(libc::SOCK_NONBLOCK)?;
    let address = address(READ_LOG);
    // SAFETY: bind(2) reads one sockaddr_nl.
    let answer = unsafe {
        syscall!(
            libc::SYS_bind,
            socket.as_raw_fd(),
            &raw const address,
            size_of::<libc::sockaddr_nl>()
        )
    };
    Errno::check(answer)?;
    Ok(socket)
}

/// Whether the log is switched on.
///
/// # Errors
/// `EPERM` without `CAP_AUDIT_CONTROL`, or outside the first process namespace; `ECONNREFUSED` outside the first user
/// namespace.
pub fn is_enabled() -> Result<bool> {
    let socket = socket(0)?;
    let mut request = [0_u8; HEADER];
    request[..4].copy_from_slice(&(HEADER as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&GET.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    fd::write(socket.as_fd(), &request)?;
    let mut answer = [0_u8; LONGEST];
    // The kernel answers in a thread of its own.
    while fd::wait_readable(socket.as_fd(), Some(PATIENCE)) == Err(Errno(libc::EINTR)) {}
    let length = receive(socket.as_fd(), &mut answer)?;
    let answer = answer.get(..length).ok_or(Errno(libc::EPROTO))?;
    match kind(answer) {
        // `audit_status`: a mask, and whether it is switched on.
        Some(GET) => Ok(number(answer, HEADER + 4).ok_or(Errno(libc::EPROTO))? != 0),
        _ => {
            let error = number(answer, HEADER).ok_or(Errno(libc::EPROTO))?;
            Err(Errno((error as i32).wrapping_neg()))
        }
    }
}

/// One message of the kernel's; its length.
///
/// # Errors
/// `EAGAIN` when there is none; `ENOBUFS` when some were lost, as nobody read them; `EBADMSG` for one that the kernel has
/// not sent.
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8; LONGEST]) -> Result<usize> {
    let mut from = address(0);
    let mut length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: recvfrom(2) writes at most the length given to the bytes, one address and its length.
    let answer = unsafe {
        syscall!(
            libc::SYS_recvfrom,
            socket.as_raw_fd(),
            bytes.as_mut_ptr(),
            bytes.len(),
            libc::MSG_DONTWAIT,
            &raw mut from,
            &raw mut length
        )
    };
    let received = Errno::check(answer)?;
    // Those with CAP_NET_ADMIN can send to others' sockets (netlink(7)).
    match from.nl_pid {
        0 => Ok(received),
        _ => Err(Errno(libc::EBADMSG)),
    }
}

/// The kind of a message (`nlmsg_type`); none where it has no whole header.
pub fn kind(message: &[u8]) -> Option<u16> {
    match message.get(..HEADER)? {
        [_, _, _, _, a, b, ..] => Some(u16::from_ne_bytes([*a, *b])),
        _ => None,
    }
}

fn socket(kind: i32) -> Result<OwnedFd> {
    let socket = net::socket(libc::AF_NETLINK, libc::SOCK_RAW | kind, libc::NETLINK_AUDIT)?;
    // SAFETY: the number was opened just now and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn address(groups: u32) -> libc::sockaddr_nl {
    // SAFETY: sockaddr_nl is plain data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as u16;
    address.nl_groups = groups;
    address
}
