//! What git's configuration makes dangerous: hooks directories and included files in the workspace.

use super::config::{self, Entry, MAX_CONFIG};
use super::git::Finder;
use super::note::Note;
use super::place::{Place, path_of};
use super::pointer;
use super::resolve::End;
use cofferdam_policy::Danger;
use std::path::{Path, PathBuf};

/// Entries of a hooks directory that are looked at, each of which may be a link.
const MAX_HOOKS: usize = 256;
/// Files that one configuration file includes, and all files that are read.
const MAX_INCLUDED: usize = 64;
const MAX_CONFIGURATIONS: usize = 1_000;
/// Configuration files that include one another (git's own limit is 10).
const MAX_INCLUDES: usize = 10;

impl Finder<'_> {
    /// What the configuration of a git directory names in the workspace.
    pub(super) fn configured(&mut self, directory: &Path, tree: Option<&Path>) {
        let tree = tree.unwrap_or(directory);
        for name in ["config", "config.worktree"] {
            self.configuration(&directory.join(name), tree, MAX_INCLUDES);
        }
    }

    pub(super) fn configuration(&mut self, file: &Path, tree: &Path, depth: usize) {
        let (real, bytes) = match self.roots.resolve(file).end {
            // Of the host, where no sandbox writes.
            End::Outside(real) => (real.clone(), outside(&real)),
            End::Found(real, _) => (real.clone(), self.roots.read(&real, MAX_CONFIG)),
            End::Missing(_) => return,
            End::Failed(_, error) => return self.unreadable(file.to_owned(), &error),
        };
        // Files can include one another over and over.
        if !self.configurations.insert((real, tree.to_owned())) {
            return;
        }
        if self.configurations.len() > MAX_CONFIGURATIONS {
            let path = file.to_owned();
            return self.note(Note::Includes { path });
        }
        let entries = match bytes {
            Ok(None) => return,
            Ok(Some(bytes)) => config::parse(&bytes),
            Err(error) => return self.unreadable(file.to_owned(), &error),
        };
        let Some(entries) = entries else {
            let path = file.to_owned();
            return self.note(Note::BadConfig { path });
        };
        if self.protects(Danger::GitHook)
            && let Some(entry) = config::last(&entries, "core", "hookspath")
        {
            self.hooks_path(entry, file, tree);
        }
        if depth == 0 || !self.protects(Danger::GitConfig) {
            return;
        }
        let here = file.parent().unwrap_or(file);
        let includes = entries
            .iter()
            .filter(|entry| entry.is("include", "path") || entry.is("includeif", "path"));
        let mut included: Vec<_> = includes
            .filter_map(|entry| path_value(entry, here))
            .collect();
        if included.len() > MAX_INCLUDED {
            included.truncate(MAX_INCLUDED);
            let path = file.to_owned();
            self.note(Note::Includes { path });
        }
        for path in included {
            if !matches!(self.roots.resolve(&path).end, End::Outside(_)) {
                self.name(&path, Danger::GitConfig);
            }
            self.configuration(&path, tree, depth - 1);
        }
    }

    pub(super) fn hooks_path(&mut self, entry: &Entry, file: &Path, tree: &Path) {
        let Some(path) = path_value(entry, tree) else {
            return;
        };
        match self.roots.resolve(&path).end {
            End::Found(real, _) | End::Outside(real)
                if self.workspace.starts_with(&real) || self.trees.contains(&real) =>
            {
                let config = file.to_owned();
                self.note(Note::HooksPath { config, path: real });
            }
            End::Outside(_) => {}
            _ => {
                if let Some(real) = self.name(&path, Danger::GitHook) {
                    self.hooks(&real);
                }
            }
        }
    }

    /// Hooks that are links to scripts in the tree.
    pub(super) fn hooks(&mut self, directory: &Path) {
        let Ok(entries) = self.roots.open(directory).and_then(|dir| dir.entries()) else {
            return;
        };
        for entry in entries.flatten().take(MAX_HOOKS) {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                let hook = directory.join(entry.file_name());
                if !matches!(self.roots.resolve(&hook).end, End::Outside(_)) {
                    self.name(&hook, Danger::GitHook);
                }
            }
        }
    }

    /// The repository that the workspace is a directory of: its hooks may be in the workspace.
    pub(super) fn around(&mut self, workspace: &Path) {
        let above = workspace.ancestors().skip(1);
        let Some(tree) = above
            .into_iter()
            .find(|tree| tree.join(".git").symlink_metadata().is_ok())
        else {
            return self.note(Note::NoRepository);
        };
        self.note(Note::Subdirectory {
            repository: tree.to_owned(),
        });
        // A pointer there was made outside of the sandbox; following it protects more, never less.
        let git = tree.join(".git");
        let target = Place::root(tree).and_then(|dir| dir.open(".git".as_ref()));
        let target = target.ok().and_then(|file| pointer::gitfile(&file));
        let git = target.map_or(git, |target| tree.join(target));
        self.configured(&git, Some(tree));
        let real = std::fs::canonicalize(&git).and_then(|real| Place::root(&real));
        if let Ok(Some(common)) = real.and_then(|real| pointer::path_in(&real, "commondir")) {
            self.configured(&git.join(common), Some(tree));
        }
    }
}

/// A path in configuration (git-config(1), "pathname").
fn path_value(entry: &Entry, base: &Path) -> Option<PathBuf> {
    let value = entry.value.as_deref()?;
    let value = value.strip_prefix(b":(optional)").unwrap_or(value);
    if value.is_empty() || value.contains(&0) {
        return None;
    }
    let path = path_of(value);
    match path.strip_prefix("~") {
        Ok(below) => Some(Path::new(&std::env::var_os("HOME")?).join(below)),
        Err(_) => Some(base.join(path)),
    }
}

/// A file of the host that no sandbox writes, `None` where there is none.
fn outside(file: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let Ok(real) = std::fs::canonicalize(file) else {
        return Ok(None);
    };
    let name = real.file_name().unwrap_or_default();
    let directory = Place::root(real.parent().unwrap_or(&real))?;
    directory.open(name.as_ref())?.read(MAX_CONFIG).map(Some)
}
