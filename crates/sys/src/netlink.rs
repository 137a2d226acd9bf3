//! Requests that were put together beforehand, sent over netlink(7).

pub mod audit;
mod probe;

pub use probe::{Step, Trial, probe_redirect};

use crate::{Errno, fd, net, syscall};
use std::os::fd::RawFd;

/// Which part of the kernel is spoken to (netlink(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Protocol {
    /// Routes, addresses and interfaces (rtnetlink(7)).
    Route = libc::NETLINK_ROUTE,
    /// Packet filters: `nf_tables` is one of its subsystems.
    Netfilter = libc::NETLINK_NETFILTER,
}

/// What the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `nlmsg_seq` of the message that was refused; 0 when it was none of them.
    pub sequence: u32,
    /// Why.
    pub errno: Errno,
}

/// Length of `nlmsghdr`, and the error number that follows it in an answer.
const ANSWER: usize = size_of::<libc::nlmsghdr>() + size_of::<i32>();

/// Sends messages in one piece over a socket of their own, and makes sure that the kernel acknowledged
/// `acknowledged` of them, which must be those with `NLM_F_ACK`.
///
/// Never waits: the kernel has dealt with netlink messages, and queued its answers, when sendto(2)
/// returns.
///
/// # Errors
/// The first message that was refused. `EPROTO` when an acknowledgement is missing; what the messages
/// ask for may then be done or not.
pub fn exchange(protocol: Protocol, messages: &[u8], acknowledged: usize) -> Result<(), Refusal> {
    let none = |errno| Refusal { sequence: 0, errno };
    let socket = net::socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol as i32).map_err(none)?;
    let done = send(socket, messages)
        .map_err(none)
        .and_then(|()| answers(socket, acknowledged));
    let _ = fd::close(socket);
    done
}

fn send(socket: RawFd, messages: &[u8]) -> crate::Result<()> {
    // SAFETY: sendto(2) only reads the messages; without an address they go to the kernel.
    let answer = unsafe {
        syscall!(
            libc::SYS_sendto,
            socket,
            messages.as_ptr(),
            messages.len(),
            0,
            0,
            0
        )
    };
    match Errno::check(answer)? {
        sent if sent == messages.len() => Ok(()),
        _ => Err(Errno(libc::EPROTO)),
    }
}

fn answers(socket: RawFd, acknowledged: usize) -> Result<(), Refusal> {
    for _ in 0..acknowledged {
        let mut bytes = [0_u8; ANSWER];
        let length = receive(socket, &mut bytes)?;
        // `nlmsghdr`: length, type and flags, sequence, port; then the error, negative (netlink(7)).
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let field = |at| number(&bytes, at).unwrap_or_default();
        let (sequence, error) = (field(8), field(16) as i32);
        let errno = match error {
            _ if length < ANSWER || i32::from(kind) != libc::NLMSG_ERROR => Errno(libc::EPROTO),
            0 => continue,
            error => Errno(error.wrapping_neg()),
        };
        return Err(Refusal { sequence, errno });
    }
    Ok(())
}

/// Four bytes as the machine orders them.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => Some(u32::from_ne_bytes([a, b, c, d])),
        _ => None,
    }
}

/// One answer; each is a datagram of its own, of which the beginning is enough.
fn receive(socket: RawFd, bytes: &mut [u8; ANSWER]) -> Result<usize, Refusal> {
    loop {
        // SAFETY: recvfrom(2) writes at most the length given; it is not asked for an address.
        let answer = unsafe {
            syscall!(
                libc::SYS_recvfrom,
                socket,
                bytes.as_mut_ptr(),
                bytes.len(),
                libc::MSG_DONTWAIT,
                0,
                0
            )
        };
        let errno = match Errno::check(answer) {
            Ok(length) => return Ok(length),
            Err(Errno(libc::EINTR)) => continue,
            Err(Errno(libc::EAGAIN)) => Errno(libc::EPROTO),
            Err(errno) => errno,
        };
        return Err(Refusal { sequence: 0, errno });
    }
}
