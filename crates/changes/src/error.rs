//! The errors, one enum per operation.

use crate::escape::Escaped;
use std::io;
use std::path::PathBuf;

/// A part of the tree that could not be read; the listing goes on with the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ReadError {
    #[error(
        "`{}` could not be read ({step}: {source}), so what changed there is not listed; look at \
         it by hand before anything of it is used",
        Escaped::from(path.as_path())
    )]
    Entry {
        path: PathBuf,
        step: &'static str,
        source: io::Error,
    },
    #[error("the directories of the overlay cannot be opened; check that {origin} still exists")]
    Root { origin: String, source: io::Error },
    #[error("the two trees have different lower directories; compare sessions over the same one")]
    DifferentLower,
}

impl ReadError {
    /// The path that could not be read, relative to the tree, if it is one in particular.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            ReadError::Entry { path, .. } => Some(path),
            ReadError::Root { .. } | ReadError::DifferentLower => None,
        }
    }
}

/// Why nothing was applied at all. What happened to single entries is in
/// [`Applied`](crate::Applied).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ApplyError {
    #[error("another apply is writing to {origin}; wait until it is through")]
    Busy { origin: String },
    #[error("{origin} cannot be locked against another apply; check that it is a directory")]
    Lock { origin: String, source: io::Error },
    #[error("nothing was applied")]
    Read(#[from] ReadError),
    #[error(
        "a change could not be recorded, so that it and those after it were not applied: {source}"
    )]
    Record { source: io::Error },
}

/// Why a tree could not be removed to the last entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum RemoveError {
    #[error(
        "{count} entries could not be removed, the first of them `{}`; remove what is left by \
         hand, as its owner",
        Escaped::from(path.as_path())
    )]
    Left {
        path: PathBuf,
        count: u64,
        source: io::Error,
    },
    #[error("the directory cannot be opened")]
    Root { source: io::Error },
}

/// Why a layer could not be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum CopyError {
    #[error("`{}` cannot be copied: {source}", Escaped::from(path.as_path()))]
    Entry { path: PathBuf, source: io::Error },
    #[error("one of the two directories cannot be opened: {source}")]
    Root { source: io::Error },
    #[error(transparent)]
    Read(ReadError),
}
