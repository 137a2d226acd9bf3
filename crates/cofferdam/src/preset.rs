//! What the presets show of the host.

#[cfg(feature = "egress")]
pub(crate) mod package_clients;
pub(crate) mod system;
pub(crate) mod toolchains;
