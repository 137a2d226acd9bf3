//! Control groups for sandboxes: limits, figures, kill and removal, on cgroup v2, v1 and hybrid hosts.
//!
//! ```no_run
//! use cofferdam_cgroups::{CpuQuota, Limits, Parent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = Limits {
//!     memory: Some(512 << 20),
//!     processes: Some(64),
//!     cpus: Some(CpuQuota::cpus(1.5)),
//!     ..Limits::default()
//! };
//! let parent = Parent::prepare(&limits)?; // once per host process
//! let group = parent.create(&limits)?; // once per command
//! // In the child: clone3 with CLONE_INTO_CGROUP and `group.v2_dir()`, then `group.join()`.
//! let stats = group.remove()?; // ends what is left inside, and reads the figures
//! println!("peak: {:?} bytes", stats.memory_peak);
//! # Ok(())
//! # }
//! ```
//!
//! # Where groups are made
//! `<base>/cofferdam/<host process>/<n>`, in each hierarchy that is needed and in no other:
//!
//! - **v1**: the base is the caller's own group in that hierarchy. Never one above it: the limits
//!   that bind the caller go on binding what it starts.
//! - **v2**: a group that holds processes cannot hand controllers to groups below it (the
//!   no-internal-process rule), and the caller's own group holds the caller. So the base is the
//!   nearest group from the caller's own upwards that this process may write to and that can hand
//!   out what is asked for. A group above the caller's own is taken only if none of the groups left
//!   behind has a limit set, so that no outer limit is evaded.
//! - **Hybrid** hosts: limits on v1, life and death (`CLONE_INTO_CGROUP`, `cgroup.kill`) on v2.
//!
//! In the base, controllers missing from `cgroup.subtree_control` are enabled if a limit needs
//! them. None is ever disabled again: a sibling may have come to rely on it.
//!
//! # Two phases
//! All but [`Cgroup::join`] and [`Cgroup::join_all`] is *prepare*: it allocates and may fail. Those
//! two are *apply*: one write(2) per hierarchy, no allocation, no lock, fit for a child that shares
//! memory with its parent.
#![forbid(unsafe_code)]

mod cgroup;
mod error;
mod files;
mod host;
mod kill;
mod limits;
mod mounts;
mod parent;
mod probe;
mod stats;
mod sweep;
#[cfg(feature = "systemd")]
pub mod systemd;
mod v1;
mod v2;

#[cfg(test)]
mod mimic;

pub use cgroup::{Applied, Cgroup, InForce, Swap};
pub use cofferdam_sys::Errno;
pub use error::{
    CreateError, KillError, LimitError, MoveError, PrepareError, Reason, Remedy, RemoveError,
    Unavailable,
};
pub use limits::{Controller, CpuQuota, Figures, Limits, Version};
pub use parent::Parent;
pub use probe::{Mode, Place, Support, SystemdPresence, probe};
pub use stats::Stats;
pub use sweep::{SweepReport, sweep};
pub use v2::danger_move_self_into_leaf;
