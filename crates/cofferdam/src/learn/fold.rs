//! Many paths as few that are still narrow.

use super::danger;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Paths of one directory that become the directory.
const MANY: usize = 4;

/// Directories of the system that no policy is to give as a whole.
const TREES: [&str; 21] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
];

/// Those whose every directory is one of them too.
const PARENTS: [&str; 3] = ["/home", "/run", "/var"];

/// The same of a home.
const OF_HOME: [&str; 11] = [
    ".cache",
    ".cargo",
    ".config",
    ".local",
    ".local/lib",
    ".local/share",
    ".local/state",
    ".rustup",
    "Desktop",
    "Documents",
    "Downloads",
];

/// Caches of tools, below a home; `*` stands for any one name.
const CACHES: [&str; 15] = [
    ".bundle/cache",
    ".bun/install/cache",
    ".cache/*",
    ".cargo/git",
    ".cargo/registry",
    ".conda/pkgs",
    ".gradle/caches",
    ".ivy2/cache",
    ".local/share/pnpm/store",
    ".m2/repository",
    ".npm",
    ".nuget/packages",
    ".pnpm-store",
    ".yarn/berry/cache",
    "go/pkg/mod",
];

/// What a line of the policy stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub written: bool,
    pub executed: bool,
    pub connected: bool,
    /// It is a directory whose names were asked for.
    pub listed: bool,
    /// A link is on the way to it, so it is given under this name and no other: where it led when it was used.
    pub leads_to: BTreeSet<PathBuf>,
    /// How many files.
    pub files: usize,
    /// How many of them were made.
    pub made: usize,
    /// By which programs.
    pub by: BTreeSet<String>,
}

pub(super) type Entries = BTreeMap<PathBuf, Entry>;

impl Entry {
    /// Adds what is given by the same path or below it; where that leads is kept apart.
    pub(super) fn add(&mut self, other: &Entry) {
        self.written |= other.written;
        self.executed |= other.executed;
        self.connected |= other.connected;
        self.listed |= other.listed;
        self.files += other.files;
        self.made += other.made;
        self.by.extend(other.by.iter().cloned());
    }
}

/// Whether a directory is too much to give.
pub(super) fn is_wide(path: &Path, home: &Path) -> bool {
    let parent = path.parent().unwrap_or(path);
    is_tree(path, home)
        || PARENTS.iter().any(|tree| parent == Path::new(tree))
        || OF_HOME.iter().any(|name| path == home.join(name))
}

/// Whether it is one of those that are a directory whatever was heard of them.
pub(super) fn is_tree(path: &Path, home: &Path) -> bool {
    TREES.iter().any(|tree| path == Path::new(tree)) || home.starts_with(path)
}

/// The cache that a path lies in.
pub(super) fn cache(path: &Path, home: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(home).ok()?;
    CACHES.iter().find_map(|cache| {
        let (root, any) = match cache.strip_suffix("/*") {
            Some(root) => (root, true),
            None => (*cache, false),
        };
        let rest = below.strip_prefix(root).ok()?;
        let name = rest.components().next();
        match any {
            true => Some(home.join(root).join(name?)),
            false => Some(home.join(root)),
        }
    })
}

/// Folds paths: those below another that gives as much go, and many of one directory become it where that is
/// narrow, and gives nothing dangerous.
pub(super) fn fold(mut entries: Entries, home: &Path, workspace: &Path) -> Entries {
    loop {
        entries = covered(entries);
        let mut counts: BTreeMap<(PathBuf, bool), usize> = BTreeMap::new();
        for (path, entry) in entries
            .iter()
            .filter(|(_, entry)| entry.leads_to.is_empty())
        {
            if let Some(parent) = path.parent() {
                *counts
                    .entry((parent.to_owned(), entry.written))
                    .or_default() += 1;
            }
        }
        let full: BTreeSet<(PathBuf, bool)> = counts
            .into_iter()
            .filter(|((directory, written), count)| {
                *count >= MANY
                    && !workspace.starts_with(directory)
                    && can_be_whole(directory, *written, home)
            })
            .map(|(key, _)| key)
            .collect();
        if full.is_empty() {
            return entries;
        }
        let mut folded = Entries::new();
        for (path, entry) in entries {
            let parent = path.parent().unwrap_or(&path).to_owned();
            let key = (parent, entry.written);
            match full.contains(&key) && entry.leads_to.is_empty() {
                true => folded.entry(key.0).or_default().add(&entry),
                false => put(&mut folded, path, entry),
            }
        }
        entries = folded;
    }
}

fn can_be_whole(directory: &Path, written: bool, home: &Path) -> bool {
    let top = directory.components().count() <= 2;
    let danger = match written {
        true => danger::of_writing(directory, home),
        false => danger::of_reading(directory, home),
    };
    !top && !is_wide(directory, home) && danger.is_none() && !danger::is_below(directory, home)
}

/// Without paths that another one gives already.
fn covered(entries: Entries) -> Entries {
    let mut kept: Entries = BTreeMap::new();
    for (path, entry) in entries {
        let above = path.ancestors().skip(1);
        let mut above = above.filter(|above| {
            kept.get(*above)
                .is_some_and(|one| one.written >= entry.written)
        });
        match above.next().map(Path::to_owned) {
            Some(above) => kept.entry(above).or_default().add(&entry),
            None => put(&mut kept, path, entry),
        }
    }
    kept
}

/// Adds what is given by a path, with where that leads.
pub(super) fn put(entries: &mut Entries, path: PathBuf, entry: Entry) {
    let known = entries.entry(path).or_default();
    known.add(&entry);
    known.leads_to.extend(entry.leads_to);
}
