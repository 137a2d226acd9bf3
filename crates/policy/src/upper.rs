//! Where an overlay keeps what is written.

use std::path::PathBuf;

use crate::units::Bytes;

/// Where the upper layer of every overlay lies: what the program writes, and what it deletes.
///
/// In the order of policies memory comes before the disk (it is bounded and leaves nothing behind),
/// and a disk place is within the same place only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Upper {
    /// In memory, at most this much for all overlays of the sandbox together. It is taken as it
    /// fills and counts against the memory limit.
    Memory(Bytes),
    /// On disk, in a directory of the sandbox's own below this host path; `None` is a place chosen
    /// when the sandbox is built. Nothing bounds it but the disk.
    Disk(Option<PathBuf>),
}

impl Upper {
    /// The size of an upper layer in memory unless the policy says another: 1 GiB.
    pub const DEFAULT_MEMORY: Bytes = Bytes::gib(1);

    pub(crate) fn is_within(&self, other: &Upper) -> bool {
        match (self, other) {
            (Upper::Memory(size), Upper::Memory(other)) => size <= other,
            (Upper::Memory(_), Upper::Disk(_)) => true,
            (Upper::Disk(path), Upper::Disk(other)) => path == other,
            (Upper::Disk(_), Upper::Memory(_)) => false,
        }
    }

    pub(crate) fn restrict(&self, other: &Upper) -> Upper {
        if self.is_within(other) {
            self.clone()
        } else if other.is_within(self) {
            other.clone()
        } else {
            // Two places on disk: memory is within both.
            Upper::default()
        }
    }
}

impl Default for Upper {
    /// In memory, [`Upper::DEFAULT_MEMORY`].
    fn default() -> Self {
        Upper::Memory(Self::DEFAULT_MEMORY)
    }
}
