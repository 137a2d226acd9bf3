//! From what a run used to what a policy is to give.

use super::danger::{self, Warning};
use super::fold::{self, Entries, Entry};
use super::used::{Before, Observations, Used};
use super::write;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is proposed, and what is not.
#[derive(Debug, Default)]
pub(super) struct Proposal {
    /// Files of the workspace that were read, and written.
    pub workspace: (usize, usize),
    /// Files of the toolchains that were used.
    pub toolchains: usize,
    /// Files that were written where a sandbox has directories of its own.
    pub temporary: usize,
    pub home: usize,
    /// Caches that were made, and are thrown away in a sandbox unless they are there.
    pub new_caches: BTreeSet<PathBuf>,
    pub read: Entries,
    pub write: Entries,
    /// What is dangerous to read and to write.
    pub not_read: BTreeMap<PathBuf, (Warning, Entry)>,
    pub not_written: BTreeMap<PathBuf, (Warning, Entry)>,
    /// Names of the workspace that are protected and were written.
    pub protected: BTreeMap<PathBuf, Warning>,
    /// Directories that are too much to give, and were listed or written to.
    pub wide: BTreeSet<PathBuf>,
    /// What was asked for and not opened.
    pub asked: BTreeSet<PathBuf>,
    /// Files of the kernel that were asked for; there are none in a sandbox.
    pub kernel: BTreeSet<PathBuf>,
    /// Paths that a person could not read.
    pub odd: BTreeSet<PathBuf>,
}

/// Files in a home that tools make anew in a home that is empty.
const MADE_ANEW: [&str; 5] = [
    ".cargo/.crates.toml",
    ".cargo/.crates2.json",
    ".cargo/.global-cache",
    ".cargo/.package-cache",
    ".cargo/.package-cache-mutate",
];

pub(super) fn propose(all: &Observations) -> Proposal {
    let mut proposal = Proposal::default();
    for (path, used) in &all.files {
        proposal.add(all, path, used);
    }
    let both = std::mem::take(&mut proposal.read);
    proposal.settle(all, fold::fold(both, &all.home, &all.workspace));
    proposal
}

impl Proposal {
    fn add(&mut self, all: &Observations, named: &Path, used: &Used) {
        // A link is removed itself, and not what it leads to.
        if used.removed && used.link.as_deref() == Some(named) {
            let removed = Used {
                removed: true,
                before: match &used.before {
                    Before::Nothing(above) => Before::Nothing(above.clone()),
                    _ => Before::File,
                },
                by: used.by.clone(),
                ..Used::default()
            };
            self.add(all, named, &removed);
            if used.read || used.written || used.executed || used.connected {
                let rest = Used {
                    removed: false,
                    ..used.clone()
                };
                self.add(all, named, &rest);
            }
            return;
        }
        // A link that lies in what is given anyway leads on inside as well; any other one has to be given by its name.
        let given = |path: &Path| {
            path.starts_with(&all.workspace) || all.is_of_system(path) || all.is_of_toolchains(path)
        };
        let path = match (&used.leads_to, &used.link) {
            (Some(real), Some(link)) if given(link) || all.is_new(link) => real.as_path(),
            _ => named,
        };
        let real = used.leads_to.as_deref().unwrap_or(path);
        let is_own = |path| danger::is_own_device(path);
        if real.starts_with("/proc") || is_own(path) || is_own(real) {
            return;
        }
        if real.starts_with("/sys") {
            self.kernel.insert(path.to_owned());
            return;
        }
        if real.starts_with(&all.workspace) {
            return self.in_workspace(all, real, used);
        }
        if !is_readable(path) || !is_readable(real) {
            self.odd.insert(path.to_owned());
            return;
        }
        let directory = match &used.before {
            _ if all.is_new(path) => Some(all.before(path)),
            Before::Nothing(above) => Some(as_far_above(path, named, above).to_owned()),
            _ => None,
        };
        if let Some(directory) = directory {
            return self.made(all, path, real, &directory, used);
        }
        // A name is removed from the directory that it is in.
        let (path, real) = match (used.removed, path.parent(), real.parent()) {
            (true, Some(path), Some(real)) => (path, real),
            _ => (path, real),
        };
        let written = used.written || used.removed;
        if !written && !used.read && !used.executed && !used.connected {
            let given =
                all.is_of_system(real) || all.is_of_toolchains(real) || real.starts_with("/dev");
            let is_usual =
                given || used.before == Before::Directory && fold::is_wide(path, &all.home);
            let is_listed = path.parent().is_some_and(|parent| {
                let listed = all.files.get(parent).is_some_and(|used| used.read);
                listed && fold::is_wide(parent, &all.home)
            });
            let is_harmless = danger::of_reading(path, &all.home).is_none()
                && danger::of_reading(real, &all.home).is_none();
            if !is_usual && !is_listed && is_harmless && !all.workspace.starts_with(path) {
                self.asked.insert(path.to_owned());
            }
            return;
        }
        let entry = Entry {
            written,
            executed: used.executed,
            connected: used.connected,
            listed: used.before == Before::Directory && used.read,
            files: 1,
            by: used.by.clone(),
            ..Entry::default()
        };
        if used.connected || all.is_socket(named) {
            let warning = danger::of_socket(path);
            self.not_read.insert(path.to_owned(), (warning, entry));
            return;
        }
        let is_setuid = used.before == Before::SetUserId && used.executed;
        if is_setuid && !all.is_of_system(real) {
            let warning = danger::of_set_user_id();
            self.not_read.insert(path.to_owned(), (warning, entry));
            return;
        }
        if !written && all.is_of_system(real) {
            return;
        }
        // The home is a directory, whatever was heard of it, and so are those that a sandbox has of its own.
        let is_directory = used.before == Before::Directory
            || used.removed
            || [path, real]
                .iter()
                .any(|path| fold::is_tree(path, &all.home) || is_temporary(path));
        let cache = fold::cache(path, &all.home);
        if !written && all.is_of_toolchains(real) {
            self.toolchains += 1;
            return;
        }
        if MADE_ANEW.iter().any(|name| path == all.home.join(name)) {
            self.home += 1;
            return;
        }
        let is_wide = |path| fold::is_wide(path, &all.home) || all.workspace.starts_with(path);
        if is_directory && (is_wide(path) || is_wide(real)) {
            // Made if it is not there, as `mkdir -p` does, or its names listed.
            if !all.workspace.starts_with(path) && !is_temporary(path) {
                self.wide.insert(path.to_owned());
            }
            return;
        }
        let place = cache.unwrap_or_else(|| path.to_owned());
        let real = as_far_above(real, path, &place);
        self.give(all, place, real, entry);
    }

    /// Gives a path, or says why not.
    fn give(&mut self, all: &Observations, path: PathBuf, real: &Path, mut entry: Entry) {
        let home = &all.home;
        let warning = match entry.written {
            true => danger::of_writing(&path, home),
            false => danger::of_reading(&path, home),
        };
        let holds = || {
            danger::is_below(&path, home).then(|| Warning {
                why: "there are keys, tokens or passwords in it".into(),
                instead: "name the files that are needed",
            })
        };
        let is_link = real != path;
        let of_link = || danger::of_link(&path, real, entry.written, home).filter(|_| is_link);
        match warning.or_else(holds).or_else(of_link) {
            Some(warning) => self.withhold(path, entry, warning),
            None => {
                entry.leads_to.extend(is_link.then(|| real.to_owned()));
                fold::put(&mut self.read, path, entry);
            }
        }
    }

    fn in_workspace(&mut self, all: &Observations, path: &Path, used: &Used) {
        self.workspace.0 += usize::from(used.read && used.before != Before::Directory);
        let written = used.written || used.removed;
        self.workspace.1 += usize::from(written);
        let Ok(below) = path.strip_prefix(&all.workspace) else {
            return;
        };
        if !written || below.as_os_str().is_empty() {
            return;
        }
        if !is_readable(below) {
            self.odd.insert(path.to_owned());
            return;
        }
        let names = danger::names();
        let Some(danger) = names.of(below) else {
            return;
        };
        // As the list calls it: that is what can be left writable.
        let tree = names.protected().filter(|name| !name.is_of_home());
        let tree = tree.filter(|name| match name.is_anywhere() {
            true => is_in(below, name.path()),
            false => below.starts_with(name.path()),
        });
        let git = names.protected_in_git_directory();
        let git = git.map(|name| Path::new(".git").join(name.path()));
        let git = git.filter(|name| is_in(below, name));
        if let Some(name) = tree.map(|name| name.path().to_owned()).chain(git).next() {
            let warning = Warning {
                why: danger.to_string(),
                instead: "make the change outside, or leave the name writable",
            };
            self.protected.entry(name).or_insert(warning);
        }
    }

    /// What was made where nothing was, below a directory that was there.
    fn made(
        &mut self,
        all: &Observations,
        path: &Path,
        real: &Path,
        directory: &Path,
        used: &Used,
    ) {
        if is_temporary(directory) {
            self.temporary += 1;
            return;
        }
        if MADE_ANEW
            .iter()
            .any(|name| path.starts_with(all.home.join(name)))
        {
            self.home += 1;
            return;
        }
        // What a tool keeps beside its own files, such as the journal of a database.
        let anew = MADE_ANEW.iter().map(|name| all.home.join(name));
        let text = path.as_os_str().as_encoded_bytes();
        let beside = anew
            .into_iter()
            .any(|name| text.starts_with(name.as_os_str().as_encoded_bytes()));
        let cache = fold::cache(path, &all.home);
        if beside
            || directory == all.home
            || fold::is_wide(directory, &all.home) && directory.starts_with(&all.home)
        {
            self.home += 1;
            if let Some(cache) = cache {
                self.new_caches.insert(cache);
            }
            return;
        }
        if fold::is_wide(directory, &all.home) || all.workspace.starts_with(directory) {
            self.wide.insert(directory.to_owned());
            return;
        }
        let place = cache
            .filter(|cache| !all.is_new(cache))
            .unwrap_or_else(|| directory.to_owned());
        let entry = Entry {
            written: true,
            executed: used.executed,
            files: 1,
            made: 1,
            by: used.by.clone(),
            ..Entry::default()
        };
        // What it is called may be what is dangerous about it.
        let of_name = |path: &Path| danger::of_writing(path, &all.home).is_some();
        match of_name(path) || of_name(real) {
            true => self.give(all, path.to_owned(), real, entry),
            false => {
                let real = as_far_above(real, path, &place);
                self.give(all, place, real, entry);
            }
        }
    }
}

/// Of the path that `below` leads to, the directory that is as far above it as `directory` is above `below`: where that
/// leads, but for a link between the two, for which it is the directory that the path is in.
fn as_far_above<'a>(real: &'a Path, below: &Path, directory: &Path) -> &'a Path {
    let rest = below.strip_prefix(directory).ok();
    let above = rest
        .filter(|rest| real.ends_with(rest))
        .and_then(|rest| real.ancestors().nth(rest.components().count()));
    above.or_else(|| real.parent()).unwrap_or(real)
}

/// Whether a path is a name at any depth, or lies in one.
fn is_in(path: &Path, name: &Path) -> bool {
    let mut rest = path.components();
    loop {
        if rest.as_path().starts_with(name) {
            return true;
        }
        if rest.next().is_none() {
            return false;
        }
    }
}

fn is_temporary(path: &Path) -> bool {
    danger::TEMPORARY
        .iter()
        .any(|directory| path == Path::new(directory))
}

/// Whether a person sees what a path says: text without control characters and marks of direction.
fn is_readable(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| !text.chars().any(write::is_hidden))
}
