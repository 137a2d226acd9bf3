//! Git's own lists of what belongs to a repository: worktrees, submodules, stores of objects.

use super::config::{self, MAX_CONFIG};
use super::git::Finder;
use super::note::Note;
use super::place::{Kind, path_of};
use super::pointer;
use super::resolve::End;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Lines of `objects/info/alternates` that are noted.
const MAX_ALTERNATES: usize = 5;
/// Directories between `modules` and a submodule's git directory: a name may have slashes.
pub(super) const MAX_MODULE_DEPTH: usize = 8;

impl Finder<'_> {
    /// The private directories of linked worktrees. Those of worktrees elsewhere are read-only as a
    /// whole: shown, or `git gc` would take away what only they refer to; not writable, since each says
    /// where git finds the configuration of that worktree. The price is that `git gc` fails inside: it
    /// prunes the reflogs of every worktree.
    pub(super) fn worktrees(&mut self, directory: &Path, own: Option<&Path>) {
        for name in self.subdirectories(&directory.join("worktrees")) {
            let private = directory.join("worktrees").join(name);
            if own == Some(private.as_path()) {
                continue;
            }
            let place = self.roots.open(&private);
            let back = place
                .ok()
                .and_then(|place| pointer::path_in(&place, "gitdir").ok()?);
            let tree = back.and_then(|back| Some(private.join(back).parent()?.to_owned()));
            let inside = tree.and_then(|tree| match self.roots.resolve(&tree).end {
                End::Found(real, Kind::Directory) => Some(real),
                _ => None,
            });
            match inside.filter(|tree| tree.starts_with(&self.workspace) && *tree != self.workspace)
            {
                Some(tree) => {
                    self.git_directory(&private, Some(&tree));
                    self.tree(&tree);
                }
                None => {
                    self.read_only.insert(private);
                }
            }
        }
    }

    /// The git directories of submodules, below any number of names.
    pub(super) fn modules(&mut self, directory: &Path, depth: usize) {
        for name in self.subdirectories(directory) {
            let below = directory.join(name);
            let Ok(place) = self.roots.open(&below) else {
                continue;
            };
            if !pointer::is_git_directory(&place) {
                if depth > 0 {
                    self.modules(&below, depth - 1);
                }
                continue;
            }
            let tree = pointer::working_tree(&place).map(|tree| below.join(tree));
            let tree = tree.and_then(|tree| match self.roots.resolve(&tree).end {
                End::Found(real, Kind::Directory) => Some(real),
                _ => None,
            });
            self.git_directory(&below, tree.as_deref());
            if let Some(tree) = tree.filter(|tree| tree.starts_with(&self.workspace)) {
                self.tree(&tree);
            }
        }
    }

    /// Working trees of submodules that have their git directory in themselves, from `.gitmodules`.
    pub(super) fn gitmodules(&mut self, tree: &Path) {
        let Ok(Some(bytes)) = self.roots.read(&tree.join(".gitmodules"), MAX_CONFIG) else {
            return;
        };
        for entry in config::parse(&bytes).unwrap_or_default() {
            let path = entry
                .value
                .as_deref()
                .filter(|_| entry.is("submodule", "path"));
            let Some(path) = path.map(path_of).filter(|path| is_below(path)) else {
                continue;
            };
            let path = tree.join(path);
            if let Err(cut) = self.budget.spend() {
                return self.note(Note::SearchEnded(cut));
            }
            if self.roots.open(&path.join(".git")).is_ok() {
                self.tree(&path);
            }
        }
    }

    pub(super) fn alternates(&mut self, directory: &Path) {
        let file = directory.join("objects/info/alternates");
        let Ok(Some(bytes)) = self.roots.read(&file, MAX_CONFIG) else {
            return;
        };
        let lines = bytes.split(|c| *c == b'\n');
        let stores = lines.filter(|line| !line.is_empty() && line[0] != b'#');
        for store in stores.take(MAX_ALTERNATES) {
            let store = directory.join("objects").join(path_of(store));
            if matches!(self.roots.resolve(&store).end, End::Outside(_)) {
                self.note(Note::Alternates {
                    file: file.clone(),
                    store,
                });
            }
        }
    }

    pub(super) fn subdirectories(&mut self, directory: &Path) -> Vec<OsString> {
        let entries = match self.roots.open(directory) {
            Ok(place) if place.kind() == Kind::Directory => place.entries(),
            Ok(_) => return Vec::new(),
            Err(error) => Err(error),
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.unreadable(directory.to_owned(), &error);
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            if let Err(cut) = self.budget.spend() {
                self.note(Note::SearchEnded(cut));
                break;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.push(entry.file_name());
            }
        }
        names
    }
}

/// Whether a path is relative and goes down only.
fn is_below(path: &Path) -> bool {
    let mut parts = path.components();
    !path.as_os_str().as_bytes().contains(&0)
        && !path.as_os_str().is_empty()
        && parts.all(|part| matches!(part, Component::Normal(_)))
}
