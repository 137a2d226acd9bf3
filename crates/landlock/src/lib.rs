//! Landlock rulesets for sandboxes: probed, prepared in the parent, applied without allocating.
//!
//! Landlock (landlock(7), Linux 5.13) lets a thread give up rights without any privilege: on files
//! by path, on TCP by port, on signals and abstract unix sockets by who made them. What a thread
//! gave up is gone for it and for everything it starts.
//!
//! 1. [`probe`] asks the running kernel what it offers: one system call.
//! 2. [`Ruleset`] says what to restrict. [`Ruleset::prepare`] resolves it against the answer: paths
//!    are opened, rights that the kernel lacks are listed in [`Prepared::missing`].
//! 3. [`Prepared::apply`] restricts **the calling thread only**. It makes bare system calls: no
//!    allocation, no lock, no panic, no `errno`. It may be called in a `CLONE_VM` child, as often
//!    as needed, from any thread.
//!
//! ```no_run
//! use cofferdam_landlock::{Access, Ruleset, probe};
//!
//! let prepared = Ruleset::new()
//!     .path("/usr", Access::ReadExec)
//!     .path("/home/me/repo", Access::Write)
//!     .connect_tcp([])
//!     .scope_signals()
//!     .prepare(&probe())?;
//! for missing in prepared.missing() {
//!     eprintln!("{missing}");
//! }
//! # Ok::<(), cofferdam_landlock::PrepareError>(())
//! ```
//!
//! # What the caller sees to
//! - `no_new_privs` is set on the thread before [`Prepared::apply`].
//! - Mounts are in place before: a thread under file rules can neither mount nor unmount, nor
//!   change its root.
//! - What is in [`Prepared::missing`] is decided upon. Nothing here falls back in silence, and
//!   nothing here fails for it either.
//!
//! # How path rules cover files
//! A rule is tied to the file or directory itself (its inode), not to its name. An access is
//! allowed if the file, or a directory on the way from it up to the root that the file's mount
//! hangs from, carries a rule that allows it. The way up crosses mount points, so a rule on `/` of
//! a new root covers every mount below it and nothing that hangs elsewhere. For the same reason a
//! rule on a directory holds wherever that directory is mounted too.
//!
//! # What Landlock does not see
//! Changes of mode, owner, times and extended attributes, stat(2), chdir(2). UDP and every other
//! protocol but TCP, so MPTCP too; a TCP connection that sendto(2) opens with `MSG_FASTOPEN`.
//! Descriptors that were open before. Priorities, affinity and resource limits of other processes.
//! Landlock is one layer of several.

#![forbid(unsafe_code)]

mod abi;
mod feature;
mod log;
mod prepared;
mod right;
mod ruleset;
mod support;

pub use abi::Abi;
pub use cofferdam_sys::Errno;
pub use feature::{Feature, Missing};
pub use log::{DenialLog, Denied, Domain, LogEvent, Object, OpenLogError};
pub use prepared::{ApplyError, ApplyStep, Prepared};
pub use right::{Access, Right, Rights};
pub use ruleset::{PrepareError, Ruleset};
pub use support::{Support, Unavailable, probe};
