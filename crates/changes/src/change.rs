//! One entry of a listing.

use crate::escape::Escaped;
use crate::risk::Risk;
use crate::state::State;
use std::fmt;
use std::path::PathBuf;

/// How a path changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// It is new.
    Added,
    /// The content of the file, or what the symbolic link says, is another.
    Modified,
    /// It is gone; of a directory, with all that was in it.
    Removed,
    /// It is something else now, such as a link in the place of a file. A directory that was there
    /// is gone with all that was in it.
    TypeChanged,
    /// Only mode, owner or the user's extended attributes are others. Times alone are no change.
    Metadata,
}

impl Kind {
    /// The word used in text: `added`, `modified` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Modified => "modified",
            Kind::Removed => "removed",
            Kind::TypeChanged => "type changed",
            Kind::Metadata => "metadata",
        }
    }
}

/// One path that is not what it was.
///
/// Its [`Display`](fmt::Display) is one line without anything that steers a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The path relative to the tree.
    pub path: PathBuf,
    /// How it changed.
    pub kind: Kind,
    /// What it was; `None` if there was nothing.
    pub before: Option<State>,
    /// What it is; `None` if there is nothing.
    pub after: Option<State>,
    /// What to look at twice.
    pub risks: Vec<Risk>,
    /// An earlier path of the same listing order whose file this is, too.
    pub hard_link_of: Option<PathBuf>,
    /// For a directory that is gone, how many entries were in it at any depth. They are not listed
    /// one by one, and are applied as a whole.
    pub entries: u64,
    /// The file on the host could not be read, so that it is taken for modified without a
    /// comparison.
    pub unreadable: bool,
    /// The removed path whose content this is, once [`Tree::find_renames`](crate::Tree::find_renames)
    /// has looked.
    pub renamed_from: Option<PathBuf>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Escaped::from(self.path.as_path());
        write!(f, "{:<12}  {path}", self.kind.name())?;
        let directory = |state: &State| state.file_type.is_directory();
        if self
            .after
            .as_ref()
            .or(self.before.as_ref())
            .is_some_and(directory)
        {
            f.write_str("/")?;
        }
        if let Some(target) = self.after.as_ref().and_then(|after| after.target.as_ref()) {
            write!(f, " -> {}", Escaped::from(target.as_path()))?;
        }
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before.file_type != after.file_type => {
                write!(
                    f,
                    " ({} to {})",
                    before.file_type.name(),
                    after.file_type.name()
                )?;
            }
            (Some(before), Some(after)) => {
                if before.mode != after.mode {
                    write!(f, " (mode {:04o} to {:04o})", before.mode, after.mode)?;
                }
                if (before.uid, before.gid) != (after.uid, after.gid) {
                    let (old, new) = (before.uid, after.uid);
                    write!(f, " (owner {old}:{} to {new}:{})", before.gid, after.gid)?;
                }
            }
            _ => {}
        }
        if self.before.as_ref().is_some_and(directory) && self.entries > 0 {
            write!(f, " (with {} entries)", self.entries)?;
        }
        if let Some(from) = &self.renamed_from {
            write!(f, " (renamed from {})", Escaped::from(from.as_path()))?;
        }
        if let Some(other) = &self.hard_link_of {
            write!(f, " (same file as {})", Escaped::from(other.as_path()))?;
        }
        if self.unreadable {
            f.write_str(" (not compared: the host's file cannot be read)")?;
        }
        for (index, risk) in self.risks.iter().enumerate() {
            write!(f, "{}{risk}", if index == 0 { "  ! " } else { "; " })?;
        }
        Ok(())
    }
}
