//! Does this kernel offer seccomp filters?

use std::fs;
use std::io;

use crate::{Action, Arch, Profile};
use cofferdam_sys::Errno;
use thiserror::Error;

/// What the kernel offers.
#[derive(Debug)]
pub enum Support {
    /// Filters can be put on, with every action this crate uses.
    Available,
    /// They cannot, and why.
    Unavailable(Missing),
}

/// Why filters cannot be put on, with the remedy.
#[derive(Debug, Error)]
#[error("{}: {}", self.reason(), self.remedy())]
#[non_exhaustive]
pub enum Missing {
    /// seccomp(2) does not exist.
    NoSyscall,
    /// Something refuses seccomp(2), such as the filter of an outer sandbox.
    Refused(#[source] Errno),
    /// The kernel lacks an action.
    NoAction(&'static str),
    /// The list of actions cannot be read.
    NoActionList(#[source] io::Error),
    /// A filter with a listener is refused: `EBUSY` where there is one already.
    NoListener(#[source] Errno),
}

impl Missing {
    /// Why filters cannot be put on.
    pub fn reason(&self) -> String {
        match self {
            Self::NoSyscall => "the kernel has no seccomp(2): it is older than 3.17 or built \
                without CONFIG_SECCOMP"
                .into(),
            Self::Refused(errno) => format!(
                "seccomp(2) is refused ({errno}): an outer sandbox or container forbids nested \
                 filters"
            ),
            Self::NoAction(action) => format!("the kernel's seccomp lacks the action {action:?}"),
            Self::NoActionList(error) => format!(
                "{ACTIONS} cannot be read ({error}): the kernel is older than 4.14, built without \
                 CONFIG_SECCOMP_FILTER, or /proc is not mounted"
            ),
            Self::NoListener(Errno(libc::EBUSY)) => {
                "an outer sandbox or container listens to system \
                calls already, and the kernel has one listener at most"
                    .into()
            }
            Self::NoListener(errno) => {
                format!("the kernel refuses a filter with a listener ({errno})")
            }
        }
    }

    /// What a person with the necessary rights on this machine can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoSyscall | Self::NoAction(_) => {
                "use Linux 4.14 or newer with CONFIG_SECCOMP_FILTER=y"
            }
            Self::Refused(_) => "allow the call there",
            Self::NoListener(_) => "start this outside of it, or use Linux 5.5 or newer",
            Self::NoActionList(_) => {
                "use Linux 4.14 or newer with CONFIG_SECCOMP_FILTER=y, and mount /proc"
            }
        }
    }
}

impl Support {
    /// Whether filters can be put on.
    pub const fn is_available(&self) -> bool {
        matches!(self, Self::Available)
    }
}

/// Asks the kernel, changing nothing.
///
/// It hands seccomp(2) an empty program, which every kernel with the call refuses with `EINVAL`
/// before it looks at anything else, and reads `/proc/sys/kernel/seccomp/actions_avail` (proc(5),
/// since Linux 4.14), which exists only with `CONFIG_SECCOMP_FILTER`. Under an outer filter that kills
/// on seccomp(2) the question kills too.
pub fn probe() -> Support {
    match missing() {
        None => Support::Available,
        Some(missing) => Support::Unavailable(missing),
    }
}

/// Asks the kernel for a filter with a listener, changing nothing: a thread of its own puts one on, and ends.
///
/// # Errors
/// Why there can be none.
pub fn probe_listener() -> Result<(), Missing> {
    let attempt = std::thread::Builder::new().spawn(|| {
        // Threads have filters, and this bit, each for itself.
        cofferdam_sys::process::set_no_new_privs()?;
        let filter = Profile::new(Action::Allow).observed(0);
        let filter = filter.compile(Arch::native());
        let filter = filter.map_err(|_| Errno(libc::EINVAL))?;
        let listener = filter.apply_with_listener()?;
        // close(2) is a call of this thread, which its filter lets through.
        cofferdam_sys::fd::close(listener)
    });
    let outcome = match attempt {
        Ok(attempt) => attempt.join().unwrap_or(Err(Errno(libc::EAGAIN))),
        Err(error) => Err(Errno(error.raw_os_error().unwrap_or(libc::EAGAIN))),
    };
    outcome.map_err(Missing::NoListener)
}

const ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";
const NEEDED: [&str; 5] = ["kill_process", "trap", "errno", "log", "allow"];

fn missing() -> Option<Missing> {
    match cofferdam_sys::seccomp::install(&[], 0) {
        Err(Errno(libc::ENOSYS)) => return Some(Missing::NoSyscall),
        // An empty program is never accepted; EINVAL is the answer of a working call.
        Ok(_) | Err(Errno(libc::EINVAL)) => {}
        Err(errno) => return Some(Missing::Refused(errno)),
    }
    match fs::read_to_string(ACTIONS) {
        Ok(actions) => lacking(&actions).map(Missing::NoAction),
        Err(error) => Some(Missing::NoActionList(error)),
    }
}

/// The first needed action that is not in the kernel's list.
fn lacking(actions: &str) -> Option<&'static str> {
    NEEDED
        .into_iter()
        .find(|needed| !actions.split_ascii_whitespace().any(|have| have == *needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_actions_are_read() {
        let all = "kill_process kill_thread trap errno user_notif trace log allow\n";
        assert_eq!(lacking(all), None);
        assert_eq!(
            lacking("kill_thread trap errno trace log allow"),
            Some("kill_process")
        );
        assert_eq!(lacking(""), Some("kill_process"));
    }

    #[test]
    fn a_second_listener_is_refused_and_this_thread_has_none() {
        probe_listener().expect("a listener");
        probe_listener().expect("a listener again");
        let under_one = std::thread::spawn(|| {
            cofferdam_sys::process::set_no_new_privs().unwrap();
            // Lets threads be made, as nothing but programs is heard of.
            let filter = Profile::new(Action::Allow).observed(0);
            let filter = filter.compile(Arch::native()).unwrap();
            let _listener = filter.apply_with_listener().unwrap();
            probe_listener()
        });
        let refused = under_one.join().unwrap().expect_err("a second listener");
        assert!(
            refused.to_string().contains("one listener at most"),
            "{refused}"
        );
    }

    #[test]
    fn probing_twice_says_the_same_and_changes_nothing() {
        let status = || {
            let text = fs::read_to_string("/proc/thread-self/status").unwrap();
            let lines = text.lines().filter(|line| line.starts_with("Seccomp"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = status();
        assert_eq!(probe().is_available(), probe().is_available());
        assert_eq!(status(), before);
    }
}
