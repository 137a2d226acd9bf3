//! No file gets the set-user-ID bit.
//!
//! Inside a sandbox the bit has no effect. But what a program makes in a shared directory belongs, on
//! the host, to the user it is mapped to, on a root host often root; and whichever of the host's users
//! executes a file with that bit becomes its owner.
//!
//! The set-group-ID bit stays: on directories it is in common use, and chmod(2) does not tell which.

use super::Profile;
use crate::Action;
use crate::rule::{Condition, Rule};

/// Adds the rules to a profile that allows these calls otherwise, or to one that allows everything.
///
/// openat2(2) has its mode in memory, where a filter cannot look: it answers `ENOSYS`, after which
/// callers take openat(2).
pub(super) fn rules(profile: Profile) -> Profile {
    profile
        .rules(["chmod", "fchmod", "creat"], &without(1))
        .rules(["fchmodat", "fchmodat2"], &without(2))
        .rule("open", creating(1, 2))
        .rule("openat", creating(2, 3))
        .rule("openat2", Rule::always(Action::ENOSYS))
}

/// The condition that a mode has no such bit.
pub(super) fn absent(mode: u8) -> Condition {
    Condition::dword_masked(mode, libc::S_ISUID, 0)
}

fn without(mode: u8) -> Rule {
    Rule::allow_if([absent(mode)]).otherwise(Action::EPERM)
}

/// The kernel reads the mode of an open only if it makes a file, and it may be anything otherwise.
fn creating(flags: u8, mode: u8) -> Rule {
    let making = (libc::O_CREAT | libc::O_TMPFILE) & !libc::O_DIRECTORY;
    let making_nothing = Condition::dword_masked(flags, making as u32, 0);
    without(mode).when([making_nothing], Action::Allow)
}
