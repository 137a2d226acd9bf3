//! The gate of a sandbox whose policy has rules for the network.
//!
//! With the feature `egress` it is `live.rs`; without it there is none, and a policy with rules is
//! refused when the sandbox is built.

#[cfg(not(feature = "egress"))]
mod absent;
#[cfg(feature = "egress")]
mod builder;
#[cfg(feature = "egress")]
mod hooks;
#[cfg(feature = "egress")]
mod live;
#[cfg(feature = "egress")]
mod sockets;
#[cfg(feature = "egress")]
mod variables;

#[cfg(not(feature = "egress"))]
pub(crate) use absent::{Attachment, Egress, Hooks, Published};
#[cfg(feature = "egress")]
pub(crate) use hooks::Hooks;
#[cfg(feature = "egress")]
pub(crate) use live::Egress;
#[cfg(feature = "egress")]
pub(crate) use sockets::{Attachment, Published};
