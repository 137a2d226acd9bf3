//! How far an unpacking is.

/// Passed to the callback of [`Cache::unpack`](crate::Cache::unpack): at each stage, and about once for
/// each 256 KiB of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// The layer at hand, from 1; 0 before the first.
    pub layer: usize,
    /// How many layers there are; 0 before the manifest is read.
    pub layers: usize,
    /// Bytes of this layer's blob that were read.
    pub bytes: u64,
    /// Bytes of this layer's blob.
    pub total: u64,
}

/// What an unpacking is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reads and verifies index, manifest and config.
    Metadata,
    /// Verifies and applies a layer.
    Layer,
    /// Brings the tree to the disk, so that a power failure cannot leave an entry with empty files.
    Sync,
    /// The tree is in the cache: unpacked just now, or there before.
    Done,
}

impl Progress {
    pub(crate) fn stage(stage: Stage, layers: usize) -> Self {
        let layer = if stage == Stage::Metadata { 0 } else { layers };
        Self {
            stage,
            layer,
            layers,
            bytes: 0,
            total: 0,
        }
    }
}
