//! Collecting what to protect: dangerous names in working trees and git directories, and git's own
//! knowledge of where further ones are.

use super::lists::MAX_MODULE_DEPTH;
use super::note::{Cut, Note, Unproven};
use super::place::{Kind, text};
use super::pointer::{self, Proven};
use super::resolve::{End, Link, Roots};
use super::{Bound, Protection, ShownGitDir, search};
use cofferdam_policy::{Danger, DangerousNames};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Entries of git's own lists of submodules and worktrees that are looked at.
const MAX_KNOWN: usize = 20_000;

/// Read-only paths above which no further repository is protected: a tree full of them, left by an
/// earlier run, must not keep the next sandbox from being built.
const MAX_READ_ONLY: usize = 4_000;
/// Notes for a person; those beyond are counted.
const MAX_NOTES: usize = 200;

pub(super) struct Finder<'a> {
    pub(super) workspace: PathBuf,
    pub(super) roots: Roots,
    pub(super) names: &'a DangerousNames,
    pub(super) bound: Bound,
    pub(super) read_only: BTreeSet<PathBuf>,
    pub(super) absent: Vec<(PathBuf, Danger)>,
    pub(super) links: BTreeMap<PathBuf, Link>,
    pub(super) shown: Vec<ShownGitDir>,
    pub(super) notes: Vec<Note>,
    /// Notes that were too many.
    pub(super) unsaid: usize,
    /// What could not be looked at for a lack of the host's, which says nothing about it.
    pub(super) lacking: Option<(PathBuf, i32)>,
    /// Configuration files read, each for the tree that its hooks run in.
    pub(super) configurations: HashSet<(PathBuf, PathBuf)>,
    pub(super) trees: HashSet<PathBuf>,
    pub(super) git_directories: HashSet<PathBuf>,
    /// Entries of git's own lists of submodules and worktrees.
    pub(super) budget: search::Budget,
}

impl<'a> Finder<'a> {
    pub(super) fn new(
        workspace: &Path,
        roots: Roots,
        names: &'a DangerousNames,
        bound: Bound,
    ) -> Self {
        Self {
            workspace: workspace.to_owned(),
            roots,
            names,
            bound,
            read_only: BTreeSet::new(),
            absent: Vec::new(),
            links: BTreeMap::new(),
            shown: Vec::new(),
            notes: Vec::new(),
            unsaid: 0,
            lacking: None,
            configurations: HashSet::new(),
            trees: HashSet::new(),
            git_directories: HashSet::new(),
            budget: search::Budget::entries(MAX_KNOWN),
        }
    }

    pub(super) fn run(&mut self) {
        let workspace = self.workspace.clone();
        self.tree(&workspace);
        if !self.about_git() {
            return;
        }
        if let Ok(place) = self.roots.open(&workspace)
            && pointer::is_git_directory(&place)
        {
            self.git_directory(&workspace, None);
        }
        if self.git_directories.is_empty() && self.shown.is_empty() {
            self.around(&workspace);
        }
        self.gitmodules(&workspace);
        let found = search::nested(&self.roots, &workspace, &self.bound);
        for tree in found.trees {
            self.tree(&tree);
        }
        for bare in found.bare {
            self.git_directory(&bare, None);
        }
        if let Some(cut) = found.cut {
            self.note(Note::SearchEnded(cut));
        }
    }

    pub(super) fn finish(self) -> Protection {
        let mut read_only: Vec<PathBuf> = Vec::new();
        for path in self.read_only {
            // In the order of components a directory comes right before all that is in it.
            if read_only.last().is_none_or(|last| !path.starts_with(last)) {
                read_only.push(path);
            }
        }
        // Found in their order for the most part, which this sort makes use of; the first danger counts.
        let mut absent = self.absent;
        absent.sort_by(|(one, _), (other, _)| one.cmp(other));
        absent.dedup_by(|(one, _), (other, _)| one == other);
        retain_uncovered(&mut absent, &read_only);
        let mut links = Vec::from_iter(self.links);
        retain_uncovered(&mut links, &read_only);
        let links = links.into_iter().map(|(_, link)| link).collect();
        let mut notes = self.notes;
        if self.unsaid > 0 {
            notes.push(Note::More(self.unsaid));
        }
        Protection {
            read_only,
            shown: self.shown,
            absent,
            links,
            notes,
            roots: Arc::new(self.roots),
        }
    }

    /// Whether the policy protects anything of git.
    pub(super) fn about_git(&self) -> bool {
        self.names.protected_in_git_directory().next().is_some()
    }

    pub(super) fn protects(&self, danger: Danger) -> bool {
        let mut of_git = self.names.protected_in_git_directory();
        of_git.any(|name| name.danger() == danger)
    }

    pub(super) fn note(&mut self, note: Note) {
        if self.notes.len() == MAX_NOTES {
            self.unsaid += 1;
        } else if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn unreadable(&mut self, path: PathBuf, error: &std::io::Error) {
        if let Some(errno @ (libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EIO)) =
            error.raw_os_error()
        {
            self.lacking.get_or_insert((path, errno));
            return;
        }
        let reason = error.to_string();
        self.note(Note::Unreadable { path, reason });
    }

    /// Whether one more may be added to those that cost mounts.
    pub(super) fn room(&mut self, known: usize) -> bool {
        let room = known < self.bound.repositories && self.read_only.len() < MAX_READ_ONLY;
        if !room {
            self.note(Note::SearchEnded(Cut::Repositories(known)));
        }
        room
    }

    /// A working tree: the workspace, or one nested in it.
    pub(super) fn tree(&mut self, tree: &Path) {
        let root = tree == self.workspace;
        if !self.roots.contain(tree) || self.trees.contains(tree) || !self.room(self.trees.len()) {
            return;
        }
        self.trees.insert(tree.to_owned());
        let home = std::env::var_os("HOME");
        let home = is_home(tree, home.as_deref().map(Path::new));
        let place = self.roots.open(tree).ok();
        // Most names are not there, and many have the first part in common.
        let mut lacked: Option<&OsStr> = None;
        for name in self.names.protected() {
            if !root && !name.is_anywhere() {
                continue;
            }
            let first = name.path().iter().next();
            let lacks = first.is_some() && first == lacked || {
                let place = place.as_ref();
                let text = first.and_then(|first| text(first).ok());
                text.is_some_and(|first| place.is_some_and(|place| place.lacks(&first)))
            };
            // A tree of startup files that a home links to keeps those it has.
            let expected = !name.is_of_home() || home;
            if lacks {
                lacked = first;
                if expected {
                    self.absent.push((tree.join(name.path()), name.danger()));
                }
                continue;
            }
            let path = tree.join(name.path());
            if expected || !matches!(self.roots.resolve(&path).end, End::Missing(_)) {
                self.name(&path, name.danger());
            }
        }
        if self.about_git() {
            self.git_entry(tree);
        }
    }

    /// One dangerous name: read-only if it exists, looked for again if it does not. Where links lead
    /// there, it is what they lead to that counts, and that they stay.
    pub(super) fn name(&mut self, path: &Path, danger: Danger) -> Option<PathBuf> {
        let resolved = self.roots.resolve(path);
        for (path, text) in resolved.links {
            self.links
                .entry(path.clone())
                .or_insert(Link { path, text, danger });
        }
        match resolved.end {
            End::Found(real, Kind::File) => {
                match self.roots.open(&real).and_then(|file| file.names()) {
                    Ok(1) => {}
                    Ok(names) => self.note(Note::HardLinks {
                        path: real.clone(),
                        names,
                    }),
                    Err(error) => self.unreadable(real.clone(), &error),
                }
                self.read_only.insert(real.clone());
                return Some(real);
            }
            // A whole working tree would be read-only.
            End::Found(real, Kind::Directory)
                if self.workspace.starts_with(&real) || self.trees.contains(&real) =>
            {
                let path = path.to_owned();
                self.note(Note::LeadsToTree { path });
            }
            End::Found(real, Kind::Directory) => {
                self.read_only.insert(real.clone());
                return Some(real);
            }
            End::Found(path, _) => self.note(Note::OddType { path }),
            End::Missing(real) => {
                self.absent.push((real, danger));
            }
            End::Outside(target) => self.note(Note::LeadsOutside {
                path: path.to_owned(),
                target,
            }),
            End::Failed(path, error) => self.unreadable(path, &error),
        }
        None
    }

    /// `.git` of a working tree, whatever it is.
    pub(super) fn git_entry(&mut self, tree: &Path) {
        let path = tree.join(".git");
        let place = match self.roots.open(&path) {
            Ok(place) => place,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(path, &error),
        };
        // Without its `.git`, git takes a directory with HEAD, objects and refs for a repository, and
        // a sandbox can take away the HEAD of the one in `.git`.
        if let End::Missing(head) = self.roots.resolve(&tree.join("HEAD")).end {
            self.absent.push((head, Danger::GitConfig));
        }
        let (target, why) = match place.kind() {
            Kind::Directory => return self.git_directory(&path, Some(tree)),
            Kind::File => (pointer::gitfile(&place), None),
            Kind::Link => {
                let text = self
                    .roots
                    .open(tree)
                    .and_then(|dir| dir.read_link(".git".as_ref()));
                (text.ok(), Some(Unproven::Link))
            }
            Kind::Other => return self.note(Note::OddType { path }),
        };
        self.name(&path, Danger::GitConfig);
        let Some(target) = target.map(|target| tree.join(target)) else {
            let why = Unproven::NoGitDirectory;
            let (pointer, target) = (path.clone(), path);
            return self.note(Note::NotShown {
                pointer,
                target,
                why,
            });
        };
        let why = match self.roots.resolve(&target).end {
            End::Found(real, Kind::Directory) => return self.git_directory(&real, Some(tree)),
            End::Found(..) | End::Failed(..) => Unproven::NoGitDirectory,
            End::Missing(..) => Unproven::Missing,
            End::Outside(_) if tree != self.workspace => Unproven::Nested,
            End::Outside(_) => match why.map_or_else(|| pointer::prove(tree, &target), Err) {
                Ok(proven) => return self.show(proven),
                Err(why) => why,
            },
        };
        self.note(Note::NotShown {
            pointer: path,
            target,
            why,
        });
    }

    /// A git directory outside of the workspace that belongs to it.
    pub(super) fn show(&mut self, proven: Proven) {
        let workspace = self.workspace.clone();
        let (root, private) = match proven {
            Proven::Submodule { directory } => (directory, None),
            Proven::Worktree { private, common } => (common, Some(private)),
        };
        if let Err(error) = self.roots.add(&root) {
            return self.unreadable(root, &error);
        }
        let shown = |path: PathBuf, writable| ShownGitDir { path, writable };
        let Some(private) = private else {
            self.shown.push(shown(root.clone(), true));
            return self.git_directory(&root, Some(&workspace));
        };
        if workspace.starts_with(&root) {
            // A bare repository with its worktrees in it: other working trees would be shown too.
            for (name, writable) in PARTS {
                let part = root.join(name);
                if self
                    .roots
                    .open(&part)
                    .is_ok_and(|part| part.kind() != Kind::Link)
                {
                    self.shown.push(shown(part, writable));
                }
            }
            self.git_directories.insert(root.clone());
            self.note(Note::PartlyShown {
                common: root.clone(),
            });
            self.configured(&root, Some(&workspace));
            self.worktrees(&root, Some(&private));
        } else {
            self.shown.push(shown(root.clone(), true));
            self.git_directories.insert(root.clone());
            self.git_names(&root, &workspace);
            // The state of the main working tree, and its submodules: no business of this one.
            for name in ["HEAD", "index", "modules"] {
                if self.roots.open(&root.join(name)).is_ok() {
                    self.name(&root.join(name), Danger::GitConfig);
                }
            }
            self.worktrees(&root, Some(&private));
        }
        self.git_directory(&private, Some(&workspace));
    }

    /// A git directory that the sandbox can write to; hooks run in `tree`.
    pub(super) fn git_directory(&mut self, directory: &Path, tree: Option<&Path>) {
        if self.git_directories.contains(directory) || !self.room(self.git_directories.len()) {
            return;
        }
        self.git_directories.insert(directory.to_owned());
        self.git_names(directory, tree.unwrap_or(directory));
        let way_back = directory.join("gitdir");
        if self.roots.open(&way_back).is_ok() {
            self.name(&way_back, Danger::GitConfig);
        }
        // A tree whose directory leads on to another one: that one holds its configuration.
        if let Ok(Some(common)) = self
            .roots
            .open(directory)
            .and_then(|dir| pointer::path_in(&dir, "commondir"))
            && let End::Found(real, Kind::Directory) =
                self.roots.resolve(&directory.join(common)).end
        {
            self.git_directory(&real, None);
        }
        self.worktrees(directory, None);
        self.modules(&directory.join("modules"), MAX_MODULE_DEPTH);
    }

    pub(super) fn git_names(&mut self, directory: &Path, tree: &Path) {
        for name in self.names.protected_in_git_directory() {
            let real = self.name(&directory.join(name.path()), name.danger());
            if let Some(hooks) = real.filter(|_| name.danger() == Danger::GitHook) {
                self.hooks(&hooks);
            }
        }
        self.configured(directory, Some(tree));
        self.alternates(directory);
    }
}

/// Keeps the paths that are not in one of these, nor one of them. Both are in order, and of these none is
/// below another: only the last one before a path can be above it.
fn retain_uncovered<T>(paths: &mut Vec<(PathBuf, T)>, read_only: &[PathBuf]) {
    let mut rest = read_only.iter().peekable();
    let mut last: Option<&PathBuf> = None;
    paths.retain(|(path, _)| {
        while let Some(next) = rest.next_if(|one| *one <= path) {
            last = Some(next);
        }
        !last.is_some_and(|last| path.starts_with(last))
    });
}

/// Whether a tree is somebody's home.
pub(super) fn is_home(tree: &Path, home: Option<&Path>) -> bool {
    let home = home.and_then(|home| std::fs::canonicalize(home).ok());
    home.as_deref() == Some(tree)
        || tree == Path::new("/root")
        || tree.parent() == Some(Path::new("/home"))
}

/// What git needs of a shared directory, and whether it writes there.
const PARTS: [(&str, bool); 13] = [
    ("objects", true),
    ("refs", true),
    ("reftable", true),
    ("logs", true),
    ("worktrees", true),
    ("HEAD", false),
    ("config", false),
    ("config.worktree", false),
    ("packed-refs", false),
    ("shallow", false),
    ("info", false),
    ("hooks", false),
    ("description", false),
];
