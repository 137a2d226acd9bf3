//! Dangerous names that a command made in a workspace, and that were taken away again.

use crate::protect::{Caught, Outcome};
use cofferdam_policy::Danger;
use std::fmt;
use std::path::{Path, PathBuf};

/// A dangerous name that a command made in a directly written workspace
/// ([`Protect`](crate::policy::Protect)), and what was done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenAway {
    path: PathBuf,
    what: Danger,
    removed: bool,
    below: Vec<PathBuf>,
    text: String,
}

impl TakenAway {
    /// The path on the host. As hostile as the command; `Display` escapes it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it would have been.
    pub fn what(&self) -> Danger {
        self.what
    }

    /// What was in it, if it was a directory: the first thousand paths, relative to it.
    pub fn below(&self) -> &[PathBuf] {
        &self.below
    }

    /// It is gone. Otherwise it, or a part of it, is still there and should be removed by hand.
    pub fn is_removed(&self) -> bool {
        self.removed
    }
}

impl From<Caught> for TakenAway {
    fn from(caught: Caught) -> Self {
        Self {
            text: caught.to_string(),
            removed: !matches!(caught.outcome, Outcome::Left(_)),
            what: caught.what,
            below: caught.below,
            path: caught.path,
        }
    }
}

impl fmt::Display for TakenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
