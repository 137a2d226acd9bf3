//! Error numbers by their names.

use std::io;

macro_rules! names {
    ($($name:ident)*) => {
        /// The kernel's name of an error, or its text where it is no error of the kernel.
        pub fn of(error: &io::Error) -> String {
            match error.raw_os_error() {
                $(Some(libc::$name) => stringify!($name).into(),)*
                Some(number) => format!("error {number}"),
                None => format!("failed: {error}"),
            }
        }
    };
}

names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOSYS ENOTEMPTY ELOOP
    ENODATA EOVERFLOW ENOTSOCK EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE
    EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET ENOTCONN ETIMEDOUT ECONNREFUSED
    EHOSTUNREACH EALREADY EINPROGRESS ESTALE ENOKEY EKEYREVOKED EPROTOTYPE
}
