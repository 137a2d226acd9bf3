//! Installing a seccomp filter (seccomp(2)).

use crate::{Errno, Result, syscall};

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
