//! Which added files are removed ones under another name.

use crate::change::{Change, Kind};
use crate::content;
use crate::error::ReadError;
use crate::state::FileType;
use crate::tree::Tree;
use crate::walk::{Event, Walk};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Removed files that are considered.
const FILES: usize = 100_000;
/// Comparisons for one added file.
const TRIES: usize = 8;
/// Bytes compared in all.
const BYTES: u64 = 1 << 30;

impl Tree {
    /// Sets [`Change::renamed_from`] of added files whose content is exactly that of a removed one,
    /// also of one in a removed directory; how many. Each removed file is used once, one of the same
    /// name before others. Empty files are left out.
    ///
    /// The effort is bounded: 100,000 removed files, 8 comparisons for each added file, 1 GiB of
    /// comparisons; what is beyond stays unpaired. It is a hint for a reader: [`Tree::apply`] takes
    /// no notice of it.
    ///
    /// # Errors
    /// [`ReadError`] when the roots cannot be opened. Files that cannot be read stay unpaired.
    pub fn find_renames(&self, changes: &mut [Change]) -> Result<usize, ReadError> {
        let mut removed = Removed::default();
        for change in changes.iter() {
            removed.collect(self, change)?;
        }
        let mut budget = BYTES;
        let mut paired = 0;
        for change in changes {
            let after = change
                .after
                .as_ref()
                .filter(|after| change.kind == Kind::Added && after.file_type == FileType::Regular);
            let Some(candidates) = after.and_then(|after| removed.by_size.get_mut(&after.size))
            else {
                continue;
            };
            let size = after.map_or(0, |after| after.size);
            let name = change.path.file_name();
            candidates.sort_by_key(|path| path.file_name() != name);
            let tries = candidates.len().min(TRIES);
            let mut found = None;
            for (index, candidate) in candidates[..tries].iter().enumerate() {
                if budget < size {
                    return Ok(paired);
                }
                budget -= size;
                if self.is_equal(candidate, &change.path).unwrap_or(false) {
                    found = Some(index);
                    break;
                }
            }
            if let Some(index) = found {
                change.renamed_from = Some(candidates.swap_remove(index));
                paired += 1;
            }
        }
        Ok(paired)
    }

    /// Whether a file of the lower has the content of one of the upper.
    fn is_equal(&self, old: &Path, new: &Path) -> io::Result<bool> {
        let find = |path| -> io::Result<(Walk, _)> {
            let mut walk = self.walk().map_err(io::Error::other)?.into_removed();
            let entry = walk.find(path).map_err(io::Error::other)?;
            Ok((walk, entry.ok_or(io::ErrorKind::NotFound)?))
        };
        let (walk, entry) = find(old)?;
        let found = entry.a.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let old = walk.open_file(&entry.name, found)?;
        let size = found.stat.size;
        let (walk, entry) = find(new)?;
        let found = entry.b.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let new = walk.open_file(&entry.name, found)?;
        Ok(size == found.stat.size && content::equal(&old.file, &new.file, size)?)
    }
}

/// Removed files by size.
#[derive(Default)]
struct Removed {
    by_size: HashMap<u64, Vec<PathBuf>>,
    count: usize,
}

impl Removed {
    fn add(&mut self, file_type: FileType, size: u64, path: impl FnOnce() -> PathBuf) {
        if file_type == FileType::Regular && size > 0 && self.count < FILES {
            self.count += 1;
            self.by_size.entry(size).or_default().push(path());
        }
    }

    /// The file that a change removed, or those in the directory.
    fn collect(&mut self, tree: &Tree, change: &Change) -> Result<(), ReadError> {
        let gone = matches!(change.kind, Kind::Removed | Kind::TypeChanged);
        let Some(before) = change.before.as_ref().filter(|_| gone) else {
            return Ok(());
        };
        self.add(before.file_type, before.size, || change.path.clone());
        if !before.file_type.is_directory() || self.count == FILES {
            return Ok(());
        }
        let mut walk = tree.walk()?.into_removed();
        let Ok(Some(entry)) = walk.find(&change.path) else {
            return Ok(());
        };
        let below = entry
            .a
            .and_then(|found| walk.below(&entry.name, &found).ok());
        let Some(mut below) = below else {
            return Ok(());
        };
        while let Some(event) = below.next() {
            if let Ok(Event::Entry(entry)) = event
                && let Some(found) = &entry.a
            {
                let path = || change.path.join(below.path_of(&entry.name));
                self.add(found.stat.file_type, found.stat.size, path);
            }
            if self.count == FILES {
                break;
            }
        }
        Ok(())
    }
}
