//! Where a `.git` file leads, and whether what is there says that it belongs to this workspace.

use super::config::{self, MAX_CONFIG};
use super::note::Unproven;
use super::place::{Kind, Place, path_of};
use std::fs;
use std::path::{Path, PathBuf};

/// Above this a file that holds one path is not read (bytes).
const MAX_POINTER: u64 = 8 << 10;

/// A git directory outside of the workspace that names the workspace as its working tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proven {
    /// gitrepository-layout(5), "worktrees": the directory of this worktree alone, and the one that
    /// all worktrees share, which it lies in.
    Worktree { private: PathBuf, common: PathBuf },
    /// The directory of a submodule, by `core.worktree`.
    Submodule { directory: PathBuf },
}

/// The path in a `.git` file, as it is written there.
pub(super) fn gitfile(file: &Place) -> Option<PathBuf> {
    let bytes = file.read(MAX_POINTER).ok()?;
    let text = bytes.strip_prefix(b"gitdir: ")?;
    one_path(text)
}

/// The path that a file consists of, without the line end.
pub(super) fn one_path(bytes: &[u8]) -> Option<PathBuf> {
    let end = bytes.iter().rposition(|c| !matches!(c, b'\n' | b'\r'))?;
    let text = &bytes[..=end];
    (!text.contains(&0)).then(|| path_of(text))
}

/// The same of a file in an open directory; `Ok(None)` where there is no such name.
pub(super) fn path_in(directory: &Place, name: &str) -> std::io::Result<Option<PathBuf>> {
    match directory.open(name.as_ref()) {
        Ok(file) => Ok(one_path(&file.read(MAX_POINTER)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a directory outside of the workspace belongs to it: the workspace's own pointer is not
/// asked, what lies there must name the workspace.
///
/// A `commondir` is believed only if the directory with it lies in the `worktrees` of the one that it
/// leads to: anybody can write a directory whose `gitdir` names the workspace and whose `commondir`
/// names some repository of the user; nobody in a sandbox can put it in there.
pub(super) fn prove(workspace: &Path, target: &Path) -> Result<Proven, Unproven> {
    let real = fs::canonicalize(target).map_err(|_| Unproven::Missing)?;
    let place = Place::root(&real).map_err(|_| Unproven::NoGitDirectory)?;
    let common = path_in(&place, "commondir").map_err(|_| Unproven::NoGitDirectory)?;
    let proven = match common {
        Some(common) => {
            let common = fs::canonicalize(real.join(common)).map_err(|_| Unproven::Missing)?;
            if real.parent() != Some(common.join("worktrees").as_path()) {
                return Err(Unproven::NotItsWorktree);
            }
            let shared = Place::root(&common).map_err(|_| Unproven::NoGitDirectory)?;
            if !is_git_directory(&shared) {
                return Err(Unproven::NoGitDirectory);
            }
            let back = path_in(&place, "gitdir").ok().flatten();
            let back = back.ok_or(Unproven::NoWayBack)?;
            if !names(&real.join(back), workspace) {
                return Err(Unproven::OtherWayBack);
            }
            Proven::Worktree {
                private: real,
                common,
            }
        }
        None => {
            if !is_git_directory(&place) {
                return Err(Unproven::NoGitDirectory);
            }
            let back = working_tree(&place).ok_or(Unproven::NoWayBack)?;
            if fs::canonicalize(real.join(back)).ok().as_deref() != Some(workspace) {
                return Err(Unproven::OtherWayBack);
            }
            if workspace.starts_with(&real) {
                return Err(Unproven::HoldsWorkspace);
            }
            Proven::Submodule { directory: real }
        }
    };
    Ok(proven)
}

/// Whether a path is the workspace's `.git`.
fn names(back: &Path, workspace: &Path) -> bool {
    let tree = back.parent().and_then(|tree| fs::canonicalize(tree).ok());
    back.file_name().is_some_and(|name| name == ".git") && tree.as_deref() == Some(workspace)
}

/// What git asks before it takes a directory for its own.
pub(super) fn is_git_directory(place: &Place) -> bool {
    let kind = |name: &str| place.open(name.as_ref()).map(|found| found.kind()).ok();
    matches!(kind("HEAD"), Some(Kind::File | Kind::Link))
        && kind("objects") == Some(Kind::Directory)
        && kind("refs") == Some(Kind::Directory)
}

/// `core.worktree` of a git directory, as it is written.
pub(super) fn working_tree(directory: &Place) -> Option<PathBuf> {
    let read = |name: &str| {
        let bytes = directory.open(name.as_ref()).ok()?.read(MAX_CONFIG).ok()?;
        config::parse(&bytes)
    };
    let mut entries = read("config")?;
    // git-worktree(1), "CONFIGURATION FILE": read after the other, and only if that one says so.
    let own = config::last(&entries, "extensions", "worktreeconfig");
    if own.is_some_and(config::Entry::is_true) {
        entries.extend(read("config.worktree").unwrap_or_default());
    }
    let value = config::last(&entries, "core", "worktree")?
        .value
        .as_deref()?;
    (!value.is_empty() && !value.contains(&0)).then(|| path_of(value))
}
