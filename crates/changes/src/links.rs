//! Files with several names, remembered by their identity.

use crate::state::Id;
use std::collections::HashMap;
use std::path::PathBuf;

/// Bytes of paths that are remembered. Links beyond it are taken for files of their own.
const LIMIT: usize = 64 << 20;

/// Where the first name of each file with several was met.
#[derive(Debug, Default)]
pub(crate) struct Links {
    first: HashMap<Id, First>,
    bytes: usize,
}

/// The first name of a file.
#[derive(Debug)]
pub(crate) struct First {
    pub path: PathBuf,
    /// A file in the lower that is the same, because it was or because it was applied.
    pub lower: Option<(Id, PathBuf)>,
}

impl Links {
    /// The first name of the file, if it has been met.
    pub(crate) fn earlier(&self, id: Id) -> Option<&First> {
        self.first.get(&id)
    }

    pub(crate) fn add(&mut self, id: Id, first: First) {
        self.bytes += first.path.as_os_str().len() + 64;
        if self.bytes <= LIMIT {
            self.first.insert(id, first);
        }
    }

    /// Notes which file of the lower is the same now.
    pub(crate) fn applied(&mut self, id: Id, lower: Id, path: PathBuf) {
        if let Some(first) = self.first.get_mut(&id) {
            first.lower = Some((lower, path));
        }
    }
}
