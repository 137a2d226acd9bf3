//! A bounded search for repositories nested in a workspace that git itself knows nothing of.

use super::Bound;
use super::note::Cut;
use super::resolve::Roots;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Directories of installed packages and built files: large, and made anew at will.
const SKIPPED: [&str; 14] = [
    ".git",
    ".hg",
    ".jj",
    ".svn",
    "node_modules",
    "bower_components",
    "target",
    ".venv",
    "venv",
    "__pycache__",
    ".tox",
    ".cache",
    ".gradle",
    ".terraform",
];

/// What may still be looked at.
#[derive(Debug)]
pub(super) struct Budget {
    entries: usize,
    left: usize,
    time: Option<(Instant, Duration)>,
}

impl Budget {
    /// So many directory entries, in whatever time.
    pub(super) fn entries(entries: usize) -> Self {
        Self {
            entries,
            left: entries,
            time: None,
        }
    }

    /// Takes one entry, unless the bound is reached.
    pub(super) fn spend(&mut self) -> Result<(), Cut> {
        if let Some((since, time)) = self.time
            && since.elapsed() > time
        {
            return Err(Cut::Time(time.as_millis()));
        }
        self.left = self.left.checked_sub(1).ok_or(Cut::Entries(self.entries))?;
        Ok(())
    }
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Nested {
    /// Directories with a `.git`.
    pub trees: Vec<PathBuf>,
    /// Directories with `HEAD`, `objects` and `refs`: bare repositories.
    pub bare: Vec<PathBuf>,
    /// What ended it before everything was seen.
    pub cut: Option<Cut>,
}

/// Looks for repositories below `workspace`, breadth first, following no link. What cannot be opened
/// is passed over.
pub(super) fn nested(roots: &Roots, workspace: &Path, bound: &Bound) -> Nested {
    let mut found = Nested::default();
    let mut budget = Budget {
        time: Some((Instant::now(), bound.time)),
        ..Budget::entries(bound.entries)
    };
    let mut queue = VecDeque::from([(workspace.to_owned(), 0)]);
    while let Some((directory, level)) = queue.pop_front() {
        let Ok(entries) = roots.open(&directory).and_then(|place| place.entries()) else {
            continue;
        };
        let mut bare = 0;
        for entry in entries.flatten() {
            if let Err(cut) = budget.spend() {
                found.cut = Some(cut);
                return found;
            }
            let name = entry.file_name();
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match name.to_str() {
                Some(".git") if level > 0 => found.trees.push(directory.clone()),
                Some("HEAD" | "objects" | "refs") => bare += 1,
                _ => {}
            }
            if !is_directory || name.to_str().is_some_and(|name| SKIPPED.contains(&name)) {
                continue;
            }
            if level < bound.depth {
                queue.push_back((directory.join(name), level + 1));
            } else {
                found.cut = Some(Cut::Depth(bound.depth));
            }
        }
        if bare == 3 && level > 0 {
            found.bare.push(directory);
        }
    }
    found
}
