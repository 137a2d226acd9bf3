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

/// Directories for temporary files: every sandbox has its own.
const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

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
    let folded = fold::fold(both, &all.home);
    for (path, entry) in folded {
        match entry.written {
            true => proposal.write.insert(path, entry),
            false => proposal.read.insert(path, entry),
        };
    }
    proposal
}

impl Proposal {
    fn add(&mut self, all: &Observations, named: &Path, used: &Used) {
        // A link that lies in what is given anyway leads on inside as well; any other one has to be given by its name.
        let given = |path: &Path| {
            path.starts_with(&all.workspace) || all.is_of_system(path) || all.is_of_toolchains(path)
        };
        let path = match (&used.leads_to, &used.link) {
            (Some(real), Some(link)) if given(link) || all.is_new(named) => real.as_path(),
            _ => named,
        };
        let real = used.leads_to.as_deref().unwrap_or(path);
        if real.starts_with("/proc") {
            return;
        }
        if real.starts_with("/sys") {
            self.kernel.insert(path.to_owned());
            return;
        }
        if real.starts_with(&all.workspace) {
            return self.in_workspace(all, real, used);
        }
        if !is_readable(path) {
            self.odd.insert(path.to_owned());
            return;
        }
        if all.is_new(path) {
            return self.made(all, path, used);
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
            if !is_usual && !is_listed && !all.workspace.starts_with(path) {
                self.asked.insert(path.to_owned());
            }
            return;
        }
        let entry = Entry {
            written,
            executed: used.executed,
            connected: used.connected,
            listed: used.before == Before::Directory && used.read,
            pinned: used.leads_to.is_some() && path == named,
            files: 1,
            made: 0,
            by: used.by.clone(),
        };
        if used.connected || used.before == Before::Socket {
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
        if !written && all.is_of_system(real) || danger::is_own_device(real) {
            return;
        }
        // The home is a directory, whatever was heard of it, and so are those that a sandbox has of its own.
        let is_directory = used.before == Before::Directory
            || used.removed
            || all.home.starts_with(path)
            || is_temporary(path);
        let cache = fold::cache(path, &all.home);
        if !written && all.is_of_toolchains(real) {
            self.toolchains += 1;
            return;
        }
        if MADE_ANEW.iter().any(|name| path == all.home.join(name)) {
            self.home += 1;
            return;
        }
        if is_directory && (fold::is_wide(path, &all.home) || all.workspace.starts_with(path)) {
            // Made if it is not there, as `mkdir -p` does, or its names listed.
            if !all.workspace.starts_with(path) && !is_temporary(path) {
                self.wide.insert(path.to_owned());
            }
            return;
        }
        let path = cache.unwrap_or_else(|| path.to_owned());
        self.give(all, path, real, is_directory, entry);
    }

    /// Gives a path, or says why not.
    fn give(&mut self, all: &Observations, path: PathBuf, real: &Path, whole: bool, entry: Entry) {
        let home = &all.home;
        let (list, warning) = match entry.written {
            true => {
                let warning =
                    danger::of_writing(&path, home).or_else(|| danger::of_writing(real, home));
                (&mut self.not_written, warning)
            }
            false => {
                let warning =
                    danger::of_reading(&path, home).or_else(|| danger::of_reading(real, home));
                (&mut self.not_read, warning)
            }
        };
        let holds = || {
            (whole && danger::is_below(&path, home)).then(|| Warning {
                why: "there are keys, tokens or passwords in it".into(),
                instead: "name the files that are needed",
            })
        };
        match warning.or_else(holds) {
            Some(warning) => {
                list.entry(path)
                    .or_insert((warning, Entry::default()))
                    .1
                    .add(&entry);
            }
            None => self.read.entry(path).or_default().add(&entry),
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

    /// What was made where nothing was.
    fn made(&mut self, all: &Observations, path: &Path, used: &Used) {
        let directory = all.before(path);
        let directory = directory.as_path();
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
        if fold::is_wide(directory, &all.home) {
            self.wide.insert(directory.to_owned());
            return;
        }
        let place = cache
            .filter(|cache| !all.is_new(cache))
            .unwrap_or_else(|| directory.to_owned());
        let entry = Entry {
            written: true,
            executed: used.executed,
            connected: false,
            listed: false,
            pinned: false,
            files: 1,
            made: 1,
            by: used.by.clone(),
        };
        // What it is called may be what is dangerous about it.
        let (path, whole) = match danger::of_writing(path, &all.home) {
            Some(_) => (path.to_owned(), false),
            None => (place, true),
        };
        let real = path.clone();
        self.give(all, path, &real, whole, entry);
    }
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
    TEMPORARY
        .iter()
        .any(|directory| path == Path::new(directory))
}

/// Whether a person sees what a path says: text without control characters and marks of direction.
fn is_readable(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| !text.chars().any(write::is_hidden))
}
