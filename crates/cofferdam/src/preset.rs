//! What the presets show of the host.

pub(crate) mod system;
pub(crate) mod toolchains;
