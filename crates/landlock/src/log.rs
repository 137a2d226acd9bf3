//! What Landlock refused, as the kernel's audit log tells it (Linux 6.15, the kernel's
//! `Documentation/admin-guide/LSM/landlock.rst`).
//!
//! Only who may read the log of the whole machine hears of it, and only where that log is switched on. A ruleset
//! has to ask for it with [`Ruleset::log_denials`](crate::Ruleset::log_denials).

mod event;
mod record;

pub use event::{Denied, Domain, LogEvent};
pub use record::Object;

use cofferdam_sys::Errno;
use cofferdam_sys::netlink::audit;
use event::Events;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// The audit log, read along beside whoever else reads it.
#[derive(Debug)]
pub struct DenialLog {
    socket: OwnedFd,
    message: Box<[u8; audit::LONGEST]>,
    events: Events,
}

impl DenialLog {
    /// Reads along from now on.
    ///
    /// # Errors
    /// [`OpenLogError`]: nothing would be heard.
    pub fn open() -> Result<Self, OpenLogError> {
        for namespace in ["pid", "net"] {
            if !is_first(namespace) {
                return Err(OpenLogError::Namespace(namespace));
            }
        }
        let kernel = |errno: Errno| match errno.raw() {
            libc::EPERM | libc::EACCES | libc::ECONNREFUSED => OpenLogError::NotPermitted(errno),
            libc::EPROTONOSUPPORT => OpenLogError::NotBuilt,
            _ => OpenLogError::Kernel(errno),
        };
        let socket = audit::open().map_err(kernel)?;
        match audit::is_enabled().map_err(kernel)? {
            true => Ok(Self {
                socket,
                message: Box::new([0; audit::LONGEST]),
                events: Events::default(),
            }),
            false => Err(OpenLogError::Disabled),
        }
    }

    /// Readable when there are records.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads all records that are there, without waiting, and tells of the events that are whole. The kernel does not
    /// say of every event when it is, so call this again a tenth of a second later while [`DenialLog::is_waiting`].
    ///
    /// # Errors
    /// `ENOBUFS`: records were lost, as they came faster than they were read. What was read is told all the same.
    pub fn read(&mut self, mut tell: impl FnMut(LogEvent)) -> Result<(), Errno> {
        let mut outcome = Ok(());
        loop {
            match audit::receive(self.socket.as_fd(), &mut self.message) {
                Ok(length) => {
                    let message = self.message.get(..length).unwrap_or_default();
                    let text = message.get(audit::HEADER..).unwrap_or_default();
                    if let Some(kind) = audit::kind(message) {
                        self.events.add(kind, text, Instant::now(), &mut tell);
                    }
                }
                Err(Errno(libc::EAGAIN)) => break,
                Err(Errno(libc::EINTR | libc::EBADMSG)) => {}
                Err(errno) => {
                    outcome = Err(errno);
                    if errno != Errno(libc::ENOBUFS) {
                        break;
                    }
                }
            }
        }
        self.events.settle(Instant::now(), &mut tell);
        outcome
    }

    /// Whether there are events that may not be whole yet.
    pub fn is_waiting(&self) -> bool {
        !self.events.is_empty()
    }
}

/// Why the log cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLogError {
    /// The kernel sends the log to its first namespaces only, and numbers processes as they do.
    #[error(
        "this process is in a {0} namespace of its own, and the kernel's audit log is not told there"
    )]
    Namespace(&'static str),
    /// Refused.
    #[error("reading the kernel's audit log is not permitted ({0})")]
    NotPermitted(Errno),
    /// There is none.
    #[error("this kernel was built without an audit log (EPROTONOSUPPORT)")]
    NotBuilt,
    /// It is switched off.
    #[error("the kernel's audit log is switched off")]
    Disabled,
    /// Any other answer.
    #[error("the kernel's audit log cannot be read ({0})")]
    Kernel(Errno),
}

impl OpenLogError {
    /// What a person with the necessary rights on this machine can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Namespace(_) => "run it on the host itself, not in a container",
            Self::NotPermitted(_) => "run it as root, or with CAP_AUDIT_READ and CAP_AUDIT_CONTROL",
            Self::NotBuilt => "use a kernel with CONFIG_AUDIT=y",
            Self::Disabled => "switch it on with `auditctl -e 1`, or boot with audit=1",
            Self::Kernel(_) => "do without it",
        }
    }
}

/// Whether this process is in the same namespace as the machine's process 1; true where that cannot be told, as
/// without privileges, with which nothing could be read anyway.
fn is_first(namespace: &str) -> bool {
    // `PROC_PID_INIT_INO`: the number is the same on every machine, and process 1 that of a container in one.
    const FIRST_PID: &str = "pid:[4026531836]";
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/{namespace}"));
    match (of("self"), of("1")) {
        (Ok(own), _) if namespace == "pid" => own.as_os_str() == FIRST_PID,
        (Ok(own), Ok(first)) => own == first,
        _ => true,
    }
}
