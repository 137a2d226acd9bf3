//! How much an image may ask for.

use std::fmt;

/// Bounds on what an image may make this process read, write and hold. Each is checked while reading,
/// before the space is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together, and of all layers' tar streams together. 20 GiB.
    pub total_bytes: u64,
    /// Entries of all layers together, with the directories that had to be made on the way to one.
    /// 2,000,000.
    pub entries: u64,
    /// Bytes of one file, holes included. 10 GiB.
    pub file_bytes: u64,
    /// How many bytes one byte of a compressed layer may unpack to, once a layer has unpacked to more
    /// than 64 MiB. 300; gzip reaches 1,032 and zstd far more, real layers seldom 20.
    pub ratio: u64,
    /// Components of a path. 128.
    pub depth: usize,
    /// Bytes of each index, manifest and config, and of all headers that describe one entry. 4 MiB.
    pub metadata_bytes: u64,
    /// Layers. 256.
    pub layers: usize,
    /// Bytes of the paths of all directories of one layer: they are kept until the layer is through, for
    /// their times. 64 MiB.
    pub directory_names: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: 20 << 30,
            entries: 2_000_000,
            file_bytes: 10 << 30,
            ratio: 300,
            depth: 128,
            metadata_bytes: 4 << 20,
            layers: 256,
            directory_names: 64 << 20,
        }
    }
}

/// Which of the [`Limits`] an image went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::total_bytes`]
    TotalBytes,
    /// [`Limits::entries`]
    Entries,
    /// [`Limits::file_bytes`]
    FileBytes,
    /// [`Limits::ratio`]
    Ratio,
    /// [`Limits::depth`]
    Depth,
    /// [`Limits::metadata_bytes`]
    MetadataBytes,
    /// [`Limits::layers`]
    Layers,
    /// [`Limits::directory_names`]
    DirectoryNames,
}

impl Limit {
    /// What these limits allow of it.
    pub(crate) fn allowed(self, limits: &Limits) -> u64 {
        match self {
            Limit::TotalBytes => limits.total_bytes,
            Limit::Entries => limits.entries,
            Limit::FileBytes => limits.file_bytes,
            Limit::Ratio => limits.ratio,
            Limit::Depth => limits.depth as u64,
            Limit::MetadataBytes => limits.metadata_bytes,
            Limit::Layers => limits.layers as u64,
            Limit::DirectoryNames => limits.directory_names,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::TotalBytes => "total_bytes",
            Limit::Entries => "entries",
            Limit::FileBytes => "file_bytes",
            Limit::Ratio => "ratio",
            Limit::Depth => "depth",
            Limit::MetadataBytes => "metadata_bytes",
            Limit::Layers => "layers",
            Limit::DirectoryNames => "directory_names",
        })
    }
}
