//! The host name of a UTS namespace (uts_namespaces(7)).

use crate::{Errno, Result, syscall};

/// Sets the host name of the caller's UTS namespace (sethostname(2)); at most 64 bytes.
///
/// # Errors
/// `EINVAL` for a longer name; `EPERM` without `CAP_SYS_ADMIN` in the namespace's user namespace.
pub fn sethostname(name: &[u8]) -> Result<()> {
    // SAFETY: sethostname(2) only reads `len` bytes of the name, which is borrowed for the call.
    let answer = unsafe { syscall!(libc::SYS_sethostname, name.as_ptr(), name.len()) };
    Errno::check(answer).map(drop)
}

/// Sets the NIS domain name of the caller's UTS namespace (setdomainname(2)); at most 64 bytes.
///
/// # Errors
/// `EINVAL` for a longer name; `EPERM` without `CAP_SYS_ADMIN` in the namespace's user namespace.
pub fn setdomainname(name: &[u8]) -> Result<()> {
    // SAFETY: setdomainname(2) only reads `len` bytes of the name, which is borrowed for the call.
    let answer = unsafe { syscall!(libc::SYS_setdomainname, name.as_ptr(), name.len()) };
    Errno::check(answer).map(drop)
}

/// The kernel's version, major and minor, from its release (uname(2)); zeroes for what does not start
/// with two numbers.
pub fn kernel_version() -> (u32, u32) {
    // SAFETY: utsname is plain data for which all zeroes is a valid value.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: uname(2) writes one utsname.
    unsafe { syscall!(libc::SYS_uname, &raw mut name) };
    let mut numbers = [0_u32; 2];
    let mut at = 0;
    for byte in name.release {
        let byte = byte as u8;
        match numbers.get_mut(at) {
            Some(number) if byte.is_ascii_digit() => {
                *number = number
                    .saturating_mul(10)
                    .saturating_add(u32::from(byte - b'0'));
            }
            _ if byte == b'.' => at += 1,
            _ => break,
        }
    }
    (numbers[0], numbers[1])
}
