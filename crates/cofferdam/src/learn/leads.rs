//! Paths of a policy are names, and a program can change where a name leads: by a link in the place of what it used, of
//! a directory above that, or of what another link says. Given is only what leads where it did.

use super::danger::{self, Warning};
use super::fold::{self, Entries, Entry};
use super::links::Way;
use super::propose::Proposal;
use super::used::Observations;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl Proposal {
    /// Takes what is to be given, and gives or withholds it.
    pub(super) fn settle(&mut self, all: &Observations, folded: Entries) {
        let mut fit = Vec::new();
        for (path, mut entry) in folded {
            // As it was said of this very name, too, where it is given on account of others.
            let heard = all.files.get(&path);
            let heard = heard.and_then(|used| used.leads_to.clone());
            entry.leads_to.extend(heard.filter(|real| *real != path));
            match now(all, &path, &entry) {
                Ok(way) => fit.push((path, entry, way)),
                Err(warning) => self.withhold(path, entry, warning),
            }
        }
        let writable = writable(all, &fit);
        for (path, entry, way) in fit {
            if path.starts_with(&all.workspace) || is_open(&path, &entry, &way, &writable) {
                self.withhold(path, entry, danger::of_change_to_come());
                continue;
            }
            let list = match entry.written {
                true => &mut self.write,
                false => &mut self.read,
            };
            fold::put(list, path, entry);
        }
        // These are hints, which a person is to follow.
        self.new_caches.retain(|cache| all.is_plain(cache));
        self.asked.retain(|path| {
            let heard = all.files.get(path);
            let heard = heard.and_then(|used| used.leads_to.as_ref());
            let way = all.way(path);
            way.is_some_and(|way| way.links.is_empty() || Some(&way.real) == heard)
        });
    }

    /// Keeps what is not given, and why.
    pub(super) fn withhold(&mut self, path: PathBuf, entry: Entry, warning: Warning) {
        let list = match entry.written {
            true => &mut self.not_written,
            false => &mut self.not_read,
        };
        let (_, known) = list
            .entry(path)
            .or_insert_with(|| (warning, Entry::default()));
        known.add(&entry);
    }
}

/// Where a path leads now, or why it is not given.
fn now(all: &Observations, path: &Path, entry: &Entry) -> Result<Way, Warning> {
    let way = all.way(path).ok_or_else(danger::of_unknown)?;
    let mut every = entry.leads_to.iter().map(PathBuf::as_path).chain([path]);
    if every.any(|path| all.workspace.starts_with(path)) {
        return Err(danger::of_workspace());
    }
    // What it leads to may have been a link itself.
    let further = all.files.get(&way.real);
    let further = further.and_then(|used| used.leads_to.as_ref());
    let reals = entry.leads_to.iter().chain(further);
    let mut warnings = reals
        .filter(|real| *real != path)
        .filter_map(|real| danger::of_link(path, real, entry.written, &all.home));
    if let Some(warning) = warnings.next() {
        return Err(warning);
    }
    if all.is_socket(path) || all.is_socket(&way.real) {
        return Err(danger::of_socket(path));
    }
    match way.links.is_empty() || entry.leads_to.contains(&way.real) {
        true => Ok(way),
        false => Err(danger::of_change()),
    }
}

/// What a program can write under the policy, by each of its paths: what is in it leads where the program likes.
fn writable(all: &Observations, given: &[(PathBuf, Entry, Way)]) -> BTreeSet<PathBuf> {
    let mut writable = BTreeSet::from([all.workspace.clone()]);
    for (path, entry, way) in given.iter().filter(|(_, entry, _)| entry.written) {
        writable.extend(entry.leads_to.iter().cloned());
        writable.extend([path.clone(), way.real.clone()]);
    }
    writable
}

/// Whether a program can make a path lead elsewhere under the policy.
fn is_open(path: &Path, entry: &Entry, way: &Way, writable: &BTreeSet<PathBuf>) -> bool {
    let on_way = way.links.iter().chain(&entry.leads_to);
    let on_way = on_way.map(PathBuf::as_path).chain([path, &way.real]);
    on_way
        .flat_map(|one| one.ancestors().skip(1))
        .any(|above| writable.contains(above))
}
