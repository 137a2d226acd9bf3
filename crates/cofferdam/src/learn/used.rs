//! What a run used: facts, and nothing of what is made of them.

use super::links::{self, Met, Way};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a run used, as far as it was heard of.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Observations {
    /// The directory it ran in.
    pub workspace: PathBuf,
    /// The home of the user.
    pub home: PathBuf,
    /// What every sandbox shows without being asked.
    pub system: Vec<PathBuf>,
    /// What the preset `toolchains` shows here.
    pub toolchains: Vec<PathBuf>,
    /// The files it named that were there or that it made, by their absolute path inside.
    pub files: BTreeMap<PathBuf, Used>,
    /// The symbolic links on the way to these files and to what they led to, as they were when this was asked for: where
    /// each lies, and what it says; `None` where that cannot be told.
    pub links: BTreeMap<PathBuf, Option<PathBuf>>,
    /// The calls it was refused, with how often.
    pub refused: BTreeMap<String, u64>,
    /// The names it looked up.
    pub names: BTreeSet<String>,
    /// The hosts and TCP ports it asked for.
    pub connections: BTreeSet<(String, u16)>,
    /// The variables of the host it was given that a sandbox does not pass on by itself, by name.
    pub variables: BTreeSet<String>,
    /// The variables it was given with a value of their own, by name.
    pub values: BTreeSet<String>,
    /// More was used than is kept.
    pub cut: bool,
}

/// How a file was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Used {
    /// It was opened for reading. Where nothing is set, only its attributes were asked for.
    pub read: bool,
    /// It was written or made.
    pub written: bool,
    /// It was removed or renamed.
    pub removed: bool,
    /// It was executed.
    pub executed: bool,
    /// It was connected to.
    pub connected: bool,
    /// What it was when it was first named.
    pub before: Before,
    /// A socket was there when this was asked for.
    pub is_socket: bool,
    /// Where symbolic links led from here when it was first named, if there were any on the way.
    pub leads_to: Option<PathBuf>,
    /// The first symbolic link on that way.
    pub link: Option<PathBuf>,
    /// Names of the programs that used it, a few.
    pub by: BTreeSet<String>,
}

/// What was at a path before it was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// A file that is no directory.
    #[default]
    File,
    /// A program that takes its owner's rights (set-user-ID or set-group-ID).
    SetUserId,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// Nothing; the nearest directory above it that was there.
    Nothing(PathBuf),
}

impl Observations {
    /// Programs that were executed.
    pub fn programs(&self) -> impl Iterator<Item = &Path> {
        let executed = self.files.iter().filter(|(_, used)| used.executed);
        executed.map(|(path, _)| path.as_path())
    }

    /// Whether it was made during the run, or lies in what was.
    pub(super) fn is_new(&self, path: &Path) -> bool {
        self.above_new(path).is_some()
    }

    /// Of what was made during the run, the nearest directory that was there before.
    pub(super) fn before(&self, path: &Path) -> PathBuf {
        let mut directory = path;
        while let Some(above) = self.above_new(directory) {
            directory = above;
        }
        directory.to_owned()
    }

    /// Where it leads now; `None` where that cannot be told.
    pub(super) fn way(&self, path: &Path) -> Option<Way> {
        links::follow(path, |at| match self.links.get(at) {
            Some(text) => text.clone().map(Met::Link),
            None => Some(Met::Other),
        })
    }

    /// Whether no link is on the way there now.
    pub(super) fn is_plain(&self, path: &Path) -> bool {
        self.way(path).is_some_and(|way| way.links.is_empty())
    }

    /// Whether it was a socket, or became one.
    pub(super) fn is_socket(&self, path: &Path) -> bool {
        let used = self.files.get(path);
        used.is_some_and(|used| used.is_socket || used.before == Before::Socket)
    }

    fn above_new(&self, path: &Path) -> Option<&Path> {
        path.ancestors()
            .find_map(|at| match &self.files.get(at)?.before {
                // Upwards only, whatever was heard: this is to end.
                Before::Nothing(above) if at.starts_with(above) && at != above => {
                    Some(above.as_path())
                }
                _ => None,
            })
    }
}
