//! The loopback interface of a new network namespace, and sockets that listen there.
//!
//! Sockets are returned as raw numbers, as the caller may be a child that must not run libc's close(2).

use crate::{Errno, Result, fd, syscall};
use std::ffi::CStr;
use std::net::SocketAddr;
use std::os::fd::RawFd;

/// Brings `lo` up in the calling thread's network namespace (netdevice(7), `SIOCSIFFLAGS`).
///
/// A new network namespace starts with its loopback down; the kernel gives it 127.0.0.1 and ::1
/// itself as it comes up.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` in the namespace's user namespace; `EAFNOSUPPORT` on a kernel
/// without IPv4.
pub fn loopback_up() -> Result<()> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    // SAFETY: ifreq is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_ioctl,
            socket,
            libc::SIOCSIFFLAGS,
            &raw const request
        )
    };
    let _ = fd::close(socket);
    Errno::check(answer).map(drop)
}

/// A socket (socket(2)), close-on-exec; `kind` may hold `SOCK_NONBLOCK`.
///
/// # Errors
/// `EAFNOSUPPORT` for a family that the kernel was built without; `EPERM` under a filter.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Result<RawFd> {
    // SAFETY: socket(2) touches no memory.
    let answer = unsafe {
        syscall!(
            libc::SYS_socket,
            family,
            kind | libc::SOCK_CLOEXEC,
            protocol
        )
    };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// Connections of one listener that may wait to be accepted; more meet what listen(2) says of a full queue.
/// The kernel's own limit for a new namespace is the same (`net.core.somaxconn`, since Linux 5.4).
pub const BACKLOG: i32 = 4096;

/// A TCP socket that listens at `address`, with room for [`BACKLOG`] connections that nobody has accepted
/// yet (tcp(7), listen(2)). Non-blocking; one of IPv6 takes no IPv4.
///
/// # Errors
/// `EACCES` for a port below `net.ipv4.ip_unprivileged_port_start` without `CAP_NET_BIND_SERVICE`,
/// `EADDRINUSE` for one that is taken, `EADDRNOTAVAIL` for an address that is not the namespace's.
pub fn tcp_listener(address: &SocketAddr) -> Result<RawFd> {
    let socket = bound(address, libc::SOCK_STREAM)?;
    finish(socket, listen(socket))
}

/// A UDP socket bound to `address` (udp(7)). Non-blocking; one of IPv6 takes no IPv4.
///
/// # Errors
/// As [`tcp_listener`].
pub fn udp_socket(address: &SocketAddr) -> Result<RawFd> {
    bound(address, libc::SOCK_DGRAM)
}

/// A stream socket that listens at `path`, where it makes a socket file (unix(7)), with room for [`BACKLOG`]
/// connections that nobody has accepted yet. Non-blocking. The file's permission bits are 0777 without
/// those of the umask.
///
/// # Errors
/// `ENAMETOOLONG` for a path of more than 107 bytes; `EADDRINUSE` where there is a file.
pub fn unix_listener(path: &CStr) -> Result<RawFd> {
    // SAFETY: sockaddr_un is plain data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let path = path.to_bytes_with_nul();
    if path.len() > address.sun_path.len() {
        return Err(Errno(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as libc::c_char;
    }
    let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0)?;
    // SAFETY: the address is the whole structure, which lives until the call returns.
    let done = unsafe { bind(socket, (&raw const address).cast(), size_of_val(&address)) };
    let done = done.and_then(|()| listen(socket));
    finish(socket, done)
}

/// Starts connecting a socket (connect(2)).
///
/// # Errors
/// `EINPROGRESS` for a non-blocking socket that is not connected at once; `ECONNREFUSED` when nobody
/// listens there.
pub fn connect(socket: RawFd, address: &SocketAddr) -> Result<()> {
    let (address, length) = encode(address);
    // SAFETY: connect(2) reads `length` bytes of the address.
    Errno::check(unsafe { syscall!(libc::SYS_connect, socket, &raw const address, length) })
        .map(drop)
}

fn bound(address: &SocketAddr, kind: i32) -> Result<RawFd> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let socket = socket(family, kind | libc::SOCK_NONBLOCK, 0)?;
    let only = match address {
        SocketAddr::V4(_) => Ok(()),
        SocketAddr::V6(_) => v6_only(socket),
    };
    let (address, length) = encode(address);
    // SAFETY: `length` is at most that of the structure, which lives until the call returns.
    let done = only.and_then(|()| unsafe { bind(socket, (&raw const address).cast(), length) });
    finish(socket, done)
}

/// The address as the kernel takes it, and its length.
fn encode(address: &SocketAddr) -> (libc::sockaddr_in6, usize) {
    // SAFETY: sockaddr_in6 is plain data for which all zeroes is a valid value.
    let mut encoded: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    match address {
        SocketAddr::V6(v6) => {
            encoded.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            encoded.sin6_port = v6.port().to_be();
            encoded.sin6_flowinfo = v6.flowinfo();
            encoded.sin6_addr.s6_addr = v6.ip().octets();
            encoded.sin6_scope_id = v6.scope_id();
            (encoded, size_of::<libc::sockaddr_in6>())
        }
        SocketAddr::V4(v4) => {
            // Family and port are at the same place in both; the address is where the flow is.
            encoded.sin6_family = libc::AF_INET as libc::sa_family_t;
            encoded.sin6_port = v4.port().to_be();
            encoded.sin6_flowinfo = u32::from_ne_bytes(v4.ip().octets());
            (encoded, size_of::<libc::sockaddr_in>())
        }
    }
}

fn v6_only(socket: RawFd) -> Result<()> {
    let on = 1_i32;
    // SAFETY: setsockopt(2) reads one int.
    let answer = unsafe {
        syscall!(
            libc::SYS_setsockopt,
            socket,
            libc::IPPROTO_IPV6,
            libc::IPV6_V6ONLY,
            &raw const on,
            size_of::<i32>()
        )
    };
    Errno::check(answer).map(drop)
}

/// # Safety
/// `address` must be good for reading `length` bytes.
unsafe fn bind(socket: RawFd, address: *const u8, length: usize) -> Result<()> {
    // SAFETY: bind(2) reads `length` bytes, which is the caller's contract.
    Errno::check(unsafe { syscall!(libc::SYS_bind, socket, address, length) }).map(drop)
}

fn listen(socket: RawFd) -> Result<()> {
    // SAFETY: listen(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_listen, socket, BACKLOG) }).map(drop)
}

/// The socket, or its end.
fn finish(socket: RawFd, done: Result<()>) -> Result<RawFd> {
    if done.is_err() {
        let _ = fd::close(socket);
    }
    done.map(|()| socket)
}
