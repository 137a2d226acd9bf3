//! What became of the changes that were to be applied.

use crate::error::ReadError;
use crate::escape::Escaped;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Conflicts and refusals that are listed; a hostile upper can hold any number.
const LISTED: usize = 10_000;

/// What [`Tree::apply`](crate::Tree::apply) did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Applied {
    /// Changes that are on the host now.
    pub applied: u64,
    /// Changes that are not, because the host's side is not what the session began with.
    pub conflicts: Vec<Conflict>,
    /// Changes that could not be applied or never are.
    pub refused: Vec<Refused>,
    /// Conflicts and refusals beyond the 10,000 that are listed of each.
    pub unlisted: u64,
}

impl Applied {
    /// Whether everything that was to be applied is.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.conflicts.is_empty() && self.refused.is_empty() && self.unlisted == 0
    }

    pub(super) fn problem(&mut self, path: PathBuf, problem: Problem) {
        match problem {
            Problem::Conflict(reason) if self.conflicts.len() < LISTED => {
                self.conflicts.push(Conflict { path, reason });
            }
            Problem::Refused(reason) if self.refused.len() < LISTED => {
                self.refused.push(Refused { path, reason });
            }
            _ => self.unlisted += 1,
        }
    }

    pub(super) fn unread(&mut self, error: ReadError) {
        let (path, step, source) = match error {
            ReadError::Entry { path, step, source } => (path, step, source),
            other => (PathBuf::new(), "read", io::Error::other(other)),
        };
        self.problem(path, Refusal::Io { step, source }.into());
    }
}

/// A change that was not applied because of what the host has there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The path relative to the tree.
    pub path: PathBuf,
    /// What is different.
    pub reason: ConflictReason,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Escaped::from(self.path.as_path()), self.reason)
    }
}

/// How the host's side differs from what the session began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ConflictReason {
    #[error("the host has something of this name now; merge the two by hand")]
    Appeared,
    #[error("the host changed it since the session began; merge the two by hand")]
    Changed,
    #[error("the host removed it since the session began; copy it by hand if it is wanted")]
    Gone,
}

/// A change that could not be applied.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// The path relative to the tree.
    pub path: PathBuf,
    /// Why not.
    pub reason: Refusal,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Escaped::from(self.path.as_path()), self.reason)
    }
}

/// Why a change could not be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum Refusal {
    #[error("devices, FIFOs and sockets are never applied; make it by hand if it is wanted")]
    SpecialFile,
    #[error("the directory it is in was not applied; apply that as well")]
    Parent,
    #[error("the name is one of those used while applying; rename the file")]
    ReservedName,
    #[error("the program changed it after it was shown; look at it again")]
    ChangedMeanwhile,
    #[error("cannot {step}: {source}")]
    Io {
        step: &'static str,
        source: io::Error,
    },
}

/// Either.
#[derive(Debug)]
pub(super) enum Problem {
    Conflict(ConflictReason),
    Refused(Refusal),
}

impl Problem {
    /// For `map_err`: an error of the system while doing `step`.
    pub(super) fn io<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |source| {
            let source = source.into();
            Problem::Refused(Refusal::Io { step, source })
        }
    }
}

impl From<ConflictReason> for Problem {
    fn from(reason: ConflictReason) -> Self {
        Problem::Conflict(reason)
    }
}

impl From<Refusal> for Problem {
    fn from(reason: Refusal) -> Self {
        Problem::Refused(reason)
    }
}
