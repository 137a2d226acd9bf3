//! What of a workspace that is written to directly must not change: found before the sandbox is
//! built, and looked at again after each command.
//!
//! What exists is to be mounted read-only ([`Protection::read_only`]). What does not exist cannot be
//! covered without leaving a file on the host, so it is looked for afterwards and removed
//! ([`Watch::take_away`]). Where git's own directory lies outside of the workspace (a linked
//! worktree, a submodule) it is shown if it says itself that it belongs to this workspace
//! ([`Protection::shown`]): the pointer in the workspace alone proves nothing, as an earlier run may
//! have written it.
//!
//! Every file here may be the work of an earlier run: opened beneath a descriptor, never through a
//! link, read up to a limit. No tree is walked: submodules and worktrees are known from git's own
//! files, other nested repositories from a bounded search.
//!
//! What is not covered, and only seen by the review of an overlay: a repository that the sandbox
//! makes anew (its configuration and hooks are its own), nested repositories beyond the search, what
//! tracked files make commands do that a person runs knowingly, and a name below a directory that
//! did not exist either, between two looks. Names are compared as the file system compares them.

mod config;
mod configured;
mod git;
mod lists;
mod note;
mod place;
mod pointer;
mod remove;
mod resolve;
mod search;
mod watch;

#[cfg(test)]
mod tests;

use cofferdam_policy::{Danger, DangerousNames};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use note::Note;
pub(crate) use watch::{Caught, Outcome, Watch};

use resolve::{Link, Roots};

/// How far nested repositories are searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Directories between the workspace and a nested repository, that one included.
    pub depth: usize,
    /// Directory entries looked at, in all.
    pub entries: usize,
    /// How long the search may take.
    pub time: Duration,
    /// Working trees and git directories protected; each costs some mounts.
    pub repositories: usize,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            depth: 3,
            entries: 4_000,
            time: Duration::from_millis(20),
            repositories: 128,
        }
    }
}

/// What to protect. Paths are absolute, on the host, and without symbolic links.
#[derive(Clone, Debug)]
pub(crate) struct Protection {
    /// Existing files and directories to mount read-only, none below another: in the workspace or in
    /// a shown git directory.
    pub read_only: Vec<PathBuf>,
    /// Git's directories outside of the workspace to show.
    pub shown: Vec<ShownGitDir>,
    /// Names that do not exist, each with what it would be.
    pub absent: Vec<(PathBuf, Danger)>,
    /// What a person should know.
    pub notes: Vec<Note>,
    /// Symbolic links on the way to a dangerous name, and what they read: they cannot be mounted over.
    links: Vec<Link>,
    roots: Arc<Roots>,
}

/// A directory or file of git outside of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownGitDir {
    /// Where it is, on the host and inside.
    pub path: PathBuf,
    /// Whether git inside has to write to it.
    pub writable: bool,
}

/// Why nothing could be decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProtectError {
    /// The workspace cannot be opened.
    #[error("the workspace {path:?} cannot be opened; name an existing directory: {source}")]
    Workspace {
        /// The workspace as it was given.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// Something in it could not be looked at for a lack of the host's: descriptors, memory, a disk that works.
    #[error("{path:?} cannot be looked at: {source}")]
    Unread {
        /// The file or directory.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The kernel or a filter around this process refuses openat2(2), or /proc is missing.
    #[error(
        "files of {path:?} cannot be opened safely; openat2 (Linux 5.6) and a mounted /proc are needed: {source}"
    )]
    Unsupported {
        /// The workspace.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
}

/// Decides what to protect in a workspace.
///
/// Where the workspace is a directory inside of a repository, that repository's git directory is in a
/// parent, outside of the view: git inside does not find it, and there is nothing of it to protect
/// but the hooks directory that its configuration may name in the workspace.
///
/// # Errors
/// Where the workspace cannot be opened; whatever else cannot be read is a note.
pub(crate) fn find(
    workspace: &Path,
    names: &DangerousNames,
    bound: &Bound,
) -> Result<Protection, ProtectError> {
    let unopened = |source| ProtectError::Workspace {
        path: workspace.to_owned(),
        source,
    };
    let real = std::fs::canonicalize(workspace).map_err(unopened)?;
    let roots = match Roots::new(&real) {
        Err(source) => {
            let unsafe_only = matches!(
                source.raw_os_error(),
                Some(libc::ENOSYS | libc::EPERM | libc::EINVAL)
            );
            return Err(match unsafe_only {
                true => ProtectError::Unsupported { path: real, source },
                false => unopened(source),
            });
        }
        Ok(roots) => roots,
    };
    let mut finder = git::Finder::new(&real, roots, names, *bound);
    finder.run();
    if let Some((path, errno)) = finder.lacking {
        let source = io::Error::from_raw_os_error(errno);
        return Err(ProtectError::Unread { path, source });
    }
    Ok(finder.finish())
}

impl Protection {
    /// The workspace without links on the way.
    pub(crate) fn workspace(&self) -> &Path {
        self.roots.workspace()
    }

    /// What looks for the absent names. The descriptors it looks beneath were opened by [`find`]:
    /// nothing that happens to the path of the workspace leads it elsewhere.
    pub(crate) fn watch(&self) -> Watch {
        Watch::new(
            Arc::clone(&self.roots),
            self.absent.clone(),
            self.links.clone(),
        )
    }
}
