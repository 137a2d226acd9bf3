//! Why a session was not frozen, or a snapshot not found or removed.

use crate::session::Session;
use std::io;
use std::path::{Path, PathBuf};

/// Why a session was not frozen, or a snapshot not found or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The name cannot be one.
    #[error(
        "{0:?} is no name for a snapshot: use up to 64 letters, digits, `.`, `_` and `-`, beginning with none of `.` and `-`"
    )]
    Name(String),
    /// The name is taken.
    #[error("there is a snapshot {0:?} already: remove it, or choose another name")]
    Exists(String),
    /// There is none of that name.
    #[error("there is no snapshot {0:?}: `cofferdam snapshot list` shows those there are")]
    NotFound(String),
    /// Another snapshot is based on it.
    #[error("the snapshot {by:?} is based on {name:?}: remove that one first")]
    InUse {
        /// The one to be removed.
        name: String,
        /// The other.
        by: String,
    },
    /// The session has no overlay, so there is nothing to freeze.
    #[error("the session has no overlay to freeze: show the workspace as an overlay")]
    NoOverlay,
    /// What is kept about it makes no sense.
    #[error("the snapshot {name:?} cannot be used: {what}; remove its directory")]
    Broken {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// There is no directory for what outlives a process.
    #[error("there is no place for snapshots: {0}; set HOME")]
    NoDirectory(&'static str),
    /// It was refused before anything was done: the session goes on.
    #[error("{error}")]
    Refused {
        /// Why.
        #[source]
        error: Box<SnapshotError>,
        /// The session.
        session: Box<Session>,
    },
    /// A file or directory cannot be read or made.
    #[error("{} cannot be used: {error}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
    /// A layer cannot be copied.
    #[error("a layer cannot be copied: {0}")]
    Copy(#[source] cofferdam_changes::CopyError),
    /// A layer cannot be opened.
    #[error(transparent)]
    Layer(#[from] crate::error::ChangesError),
}

impl SnapshotError {
    /// The session, if it was refused before anything was done to it.
    pub fn into_session(self) -> Option<Session> {
        match self {
            Self::Refused { session, .. } => Some(*session),
            _ => None,
        }
    }

    pub(super) fn with_session(self, session: Session) -> Self {
        Self::Refused {
            error: Box::new(self),
            session: Box::new(session),
        }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}
