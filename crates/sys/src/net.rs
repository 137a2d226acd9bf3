//! The loopback interface of a new network namespace.

use crate::{Errno, Result, fd, syscall};

/// Brings `lo` up in the calling thread's network namespace (netdevice(7), `SIOCSIFFLAGS`).
///
/// A new network namespace starts with its loopback down; the kernel gives it 127.0.0.1 and ::1
/// itself as it comes up.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` in the namespace's user namespace; `EAFNOSUPPORT` on a kernel
/// without IPv4.
pub fn loopback_up() -> Result<()> {
    // SAFETY: socket(2) touches no memory.
    let socket = Errno::check(unsafe {
        syscall!(
            libc::SYS_socket,
            libc::AF_INET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0
        )
    })? as i32;
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
