//! Walls for AI agents: confined child processes on Linux from one builder.
//!
//! ```no_run
//! use cofferdam::Sandbox;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::builder()
//!     .workspace("./repo")
//!     .limits(|limits| limits.processes(256).wall_clock(Duration::from_secs(600)))
//!     .build()?;
//! let output = sandbox.command("git").arg("status").output()?;
//! println!("{}", String::from_utf8_lossy(&output.stdout));
//! # Ok(())
//! # }
//! ```
//!
//! What is not named does not exist inside: the file system is built from nothing, the network is
//! off, the environment is a short list. Each [`Layer`] is required unless the policy says
//! otherwise, and every child carries its [`Enforcement`]: what is in force, and why anything is not.
//!
//! Linux only, x86_64 and aarch64, from kernel 5.12 (`mount_setattr`) for the full wall.

#![forbid(unsafe_code)]

mod builder;
mod child;
mod command;
mod egress;
mod enforcement;
mod environment;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod identity;
#[cfg(feature = "image")]
pub mod image;
pub mod learn;
mod lower;
mod output;
mod pool;
mod preset;
mod protect;
mod pty;
mod record;
mod review;
mod sandbox;
mod session;
mod snapshot;
mod stdio;
mod store;
mod taken;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use builder::SandboxBuilder;
pub use child::Child;
pub use cofferdam_audit as audit;
pub use cofferdam_audit::{Audit, Confidence, Denial};
pub use cofferdam_changes::{
    Applied, ApplyError, Change, Conflict, ConflictReason, Diff, FileType, Kind as ChangeKind,
    ReadError, Refusal, Refused, Risk, State as FileState, UnifiedDiff,
};
#[cfg(feature = "egress")]
pub use cofferdam_egress::{
    Ask, Authority, Decision as NetworkDecision, Event as NetworkEvent,
    EventKind as NetworkEventKind, Host as NetworkHost, NoAddress, Question, Resolve, Verdict,
    decision::{Denial as NetworkDenial, Reason as NetworkReason},
    secret,
};
pub use cofferdam_policy as policy;
pub use cofferdam_policy::{
    Access, Bytes, Enforce, Environment, Filesystem, Identity, Layer, Layers, Limits, Network,
    NetworkMode, NetworkRule, PathRule, Policy, PolicyError, Secret, SecretPlace, SecretSource,
    SyscallIntent, SyscallProfile, Syscalls,
};
pub use command::Command;
pub use enforcement::{Enforcement, LayerReport, State, Weakness};
pub use error::{BuildError, ChangesError, RunError, SignalError, SpawnError, WaitError};
pub use host::{Host, LayerSupport};
pub use output::{ExitStatus, Output, Usage};
pub use pool::Pool;
pub use pty::{Pty, PtySize};
pub use review::{Changes, OverlayChanges};
pub use sandbox::Sandbox;
pub use session::{Session, SessionEnd};
pub use snapshot::{ComparedOverlay, Comparison, Snapshot, SnapshotError};
pub use stdio::Stdio;
pub use store::state_directory;
pub use taken::TakenAway;
