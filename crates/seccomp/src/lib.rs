//! seccomp profiles for sandboxes: named by intent, importable from OCI and Docker, compiled to a
//! compact search tree.
//!
//! A [`Profile`] is data: per system call an answer, or conditions on its arguments. It is compiled
//! once, in the parent, to a [`Filter`] (classic BPF). Putting the filter on is a single system
//! call that allocates nothing, so it can be done in a child that shares memory with its parent.
//!
//! ```
//! use cofferdam_seccomp::{Action, Arch, Intent, Profile};
//!
//! let filter = Profile::general().allow(Intent::Ptrace).compile(Arch::native())?;
//! // What would the kernel answer to mount(2)?
//! let mount = Arch::native().number("mount").unwrap();
//! let answer = filter.evaluate(Arch::native().audit(), mount, 0, [0; 6]);
//! assert_eq!(answer, Action::Errno(libc::EPERM as u16));
//! # Ok::<(), cofferdam_seccomp::CompileError>(())
//! ```
//!
//! In the child: set `no_new_privs` (prctl(2), `PR_SET_NO_NEW_PRIVS`), then [`Filter::apply`], then
//! execute the program. Linux 3.17 or newer; the action `KillProcess` needs 4.14.

#![forbid(unsafe_code)]

pub mod action;
pub mod arch;
pub mod error;
pub mod filter;
pub mod probe;
pub mod profile;
pub mod reason;
pub mod rule;

mod compile;
mod interpret;
#[cfg(feature = "oci")]
mod oci;
mod reference;
mod table;

pub use action::Action;
pub use arch::Arch;
pub use error::CompileError;
#[cfg(feature = "oci")]
pub use error::OciError;
pub use filter::Filter;
pub use probe::{Missing, Support, probe, probe_listener};
pub use profile::Profile;
pub use profile::intents::Intent;
pub use profile::observe::TRACED;
pub use reason::{Reason, reason};
pub use rule::{Condition, Operator, Rule, Width};
