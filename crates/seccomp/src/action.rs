//! What a filter answers to a system call.

use std::fmt;

use cofferdam_sys::Errno;

/// The answer to a system call (seccomp(2), `SECCOMP_RET_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The call is carried out.
    Allow,
    /// The call is not carried out and fails with this error number (0 to 4095; the kernel reports
    /// 0 as success).
    Errno(u16),
    /// The whole process is killed as if by SIGSYS. Since Linux 4.14.
    KillProcess,
    /// The call is not carried out; the thread gets a SIGSYS it can handle.
    Trap,
    /// The call is carried out and logged. Since Linux 4.14.
    Log,
    /// The call waits for the answer of whoever holds the filter's listener (seccomp_unotify(2)), and fails with
    /// `ENOSYS` when nobody does. Since Linux 5.0.
    Notify,
}

impl Action {
    /// The default of this crate's profiles.
    pub(crate) const EPERM: Self = Self::Errno(libc::EPERM as u16);
    /// The answer that makes libraries fall back to an older call.
    pub(crate) const ENOSYS: Self = Self::Errno(libc::ENOSYS as u16);

    /// Whether the call is carried out.
    pub const fn permits(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }

    /// The filter's return value.
    pub(crate) const fn encode(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
            Self::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
            Self::Trap => libc::SECCOMP_RET_TRAP,
            Self::Log => libc::SECCOMP_RET_LOG,
            Self::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }

    /// Reads a filter's return value. The kernel kills the process on a value it does not know.
    pub(crate) const fn decode(value: u32) -> Self {
        match value & libc::SECCOMP_RET_ACTION_FULL {
            libc::SECCOMP_RET_ALLOW => Self::Allow,
            libc::SECCOMP_RET_ERRNO => Self::Errno((value & libc::SECCOMP_RET_DATA) as u16),
            libc::SECCOMP_RET_TRAP => Self::Trap,
            libc::SECCOMP_RET_LOG => Self::Log,
            libc::SECCOMP_RET_USER_NOTIF => Self::Notify,
            _ => Self::KillProcess,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Errno(errno) => write!(f, "{:?}", Errno(i32::from(*errno))),
            Self::KillProcess => f.write_str("kill process"),
            Self::Trap => f.write_str("SIGSYS"),
            Self::Log => f.write_str("allow and log"),
            Self::Notify => f.write_str("ask the listener"),
        }
    }
}
