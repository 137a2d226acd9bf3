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
