//! Error numbers as the kernel returns them.

use core::fmt;

/// An error number (errno(3)), taken from a call's return value and never from `errno`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

/// What a system call gives: a value or the kernel's error number.
pub type Result<T> = core::result::Result<T, Errno>;

impl Errno {
    /// The number itself, positive.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Reads a raw answer of the kernel: -4095 to -1 are error numbers, all else is a value.
    #[inline]
    pub const fn check(answer: isize) -> Result<usize> {
        if answer < 0 && answer >= -4095 {
            Err(Self(-answer as i32))
        } else {
            Ok(answer as usize)
        }
    }

    /// The constant's name in errno(3), `None` for a number this table does not hold.
    pub const fn name(self) -> Option<&'static str> {
        macro_rules! names {
            ($($name:ident)*) => { match self.0 { $(libc::$name => Some(stringify!($name)),)* _ => None } };
        }
        names! {
            EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES
            EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY
            ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG
            ENOLCK ENOSYS ENOTEMPTY ELOOP ENODATA EOVERFLOW EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE
            EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT
            EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET
            ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS
            ESTALE EDQUOT ECANCELED ENOKEY EKEYREJECTED
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        // std ends its text with " (os error N)"; the constant's name says the same in fewer words.
        let text = text.split(" (os error").next().unwrap_or_default();
        write!(f, "{self:?}: {text}")
    }
}

impl std::error::Error for Errno {}

/// What the sources of an error say and its own text does not, to be put behind that: where a text leaves the kernel's
/// answer to its source, and is the last that a person sees.
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let own = text.len();
    let sources = std::iter::successors(error.source(), |error| error.source());
    for source in sources.map(ToString::to_string) {
        if !text.contains(&source) {
            text.push_str(": ");
            text.push_str(&source);
        }
    }
    text.split_off(own)
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Names(&'static str, Errno);

    impl fmt::Display for Names {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Names {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let answer = Errno(libc::EPERM);
        assert_eq!(cause(&Names("no mount", answer)), format!(": {answer}"));
        let named = Names("no mount: EPERM: Operation not permitted", answer);
        assert_eq!(cause(&named), "");
        assert_eq!(cause(&answer), "");
    }
}
