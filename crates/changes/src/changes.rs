//! Listing: from what two views have at a name to a change, or none.

use crate::attributes;
use crate::change::{Change, Kind};
use crate::content;
use crate::error::ReadError;
use crate::escape;
use crate::fs;
use crate::links::{First, Links};
use crate::risk::{self, Risk};
use crate::state::{FileType, Stat, State};
use crate::tree::Tree;
use crate::walk::{Entry, Event, Found, Walk};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

/// What changed, entry by entry; from [`Tree::changes`] or [`compare`](crate::compare).
#[derive(Debug)]
pub struct Changes<'t> {
    judge: Judge<'t>,
    walk: Walk,
}

impl<'t> Changes<'t> {
    pub(crate) fn new(other: Option<&'t Tree>, tree: &'t Tree, walk: Walk) -> Self {
        let judge = Judge::new(other, tree);
        Self { judge, walk }
    }
}

impl Iterator for Changes<'_> {
    type Item = Result<Change, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.next()? {
                Err(error) => return Some(Err(error)),
                Ok(Event::Leave { .. }) => {}
                Ok(Event::Entry(entry)) => match self.judge.change(&self.walk, &entry) {
                    Ok(Some(change)) => return Some(Ok(change)),
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

/// Decides about single entries.
#[derive(Debug)]
pub(crate) struct Judge<'t> {
    other: Option<&'t Tree>,
    tree: &'t Tree,
    pub links: Links,
}

impl<'t> Judge<'t> {
    /// `other` is the tree of the first view, if that is not the lower alone.
    pub(crate) fn new(other: Option<&'t Tree>, tree: &'t Tree) -> Self {
        let links = Links::default();
        Self { other, tree, links }
    }

    /// The change at an entry, if it is one.
    pub(crate) fn change(
        &mut self,
        walk: &Walk,
        entry: &Entry,
    ) -> Result<Option<Change>, ReadError> {
        self.try_change(walk, entry)
            .map_err(|error| walk.read_error(Some(&entry.name), "compare", error))
    }

    fn try_change(&mut self, walk: &Walk, entry: &Entry) -> io::Result<Option<Change>> {
        let name = &entry.name;
        let state = |found: &Option<Found>, tree: &Tree| {
            let found = found.as_ref();
            found
                .map(|found| state(walk, name, found, tree))
                .transpose()
        };
        let before = state(&entry.a, self.other.unwrap_or(self.tree))?;
        let after = state(&entry.b, self.tree)?;
        let mut unreadable = false;
        let kind = match (&entry.a, &entry.b, &before, &after) {
            (Some(a), Some(b), Some(before), Some(after)) => {
                let compared = Compared::of(walk, name, [a, b], [before, after])?;
                unreadable = compared.unreadable;
                compared.kind
            }
            (None, Some(_), ..) => Some(Kind::Added),
            (Some(_), None, ..) => Some(Kind::Removed),
            _ => None,
        };
        let mut hard_link_of = None;
        let linked = entry.b.as_ref().filter(|found| {
            found.stat.links > 1
                && found.stat.file_type == FileType::Regular
                && walk.is_upper(found.layer)
        });
        if let Some(found) = linked {
            hard_link_of = self
                .links
                .earlier(found.stat.id)
                .map(|first| first.path.clone());
            if hard_link_of.is_none() {
                // Equal to what the lower has: later links can be made to that.
                let lower = entry.a.as_ref().filter(|_| kind.is_none());
                let path = walk.path_of(name);
                let lower = lower.map(|lower| (lower.stat.id, path.clone()));
                self.links.add(found.stat.id, First { path, lower });
            }
        }
        let Some(kind) = kind else {
            return Ok(None);
        };
        let mut entries = 0;
        if let Some(gone) = &entry.a
            && gone.stat.file_type.is_directory()
            && matches!(kind, Kind::Removed | Kind::TypeChanged)
        {
            entries = count(walk.below(name, gone)?);
        }
        let path = walk.path_of(name);
        let risks = self.risks(walk, entry, &path, before.as_ref(), after.as_ref());
        Ok(Some(Change {
            path,
            kind,
            before,
            after,
            risks,
            hard_link_of,
            entries,
            unreadable,
            renamed_from: None,
        }))
    }

    fn risks(
        &self,
        walk: &Walk,
        entry: &Entry,
        path: &Path,
        before: Option<&State>,
        after: Option<&State>,
    ) -> Vec<Risk> {
        let mut risks = Vec::new();
        let in_git = walk.path_in_git(&entry.name);
        let link = after.is_some_and(|after| after.file_type == FileType::Symlink);
        let named = self.tree.names.of(path, in_git.as_deref(), link);
        risks.extend(named.map(Risk::Named));
        if escape::is_odd_name(&entry.name) {
            risks.push(Risk::OddName);
        }
        let (Some(after), Some(found)) = (after, &entry.b) else {
            return risks;
        };
        let had = before.filter(|before| before.file_type == after.file_type);
        let gained =
            |bits| after.mode & bits != 0 && had.is_none_or(|before| before.mode & bits == 0);
        match after.file_type {
            FileType::Regular => {
                if after.mode & 0o4000 != 0 {
                    risks.push(Risk::SetUserId);
                }
                if after.mode & 0o2000 != 0 {
                    risks.push(Risk::SetGroupId);
                }
                let dir = walk.directory(found.layer);
                let path = dir.map(|dir| fs::proc_path(dir).join(&entry.name));
                // An answer that cannot be had counts as the worse one.
                if path.is_some_and(|path| attributes::has_capabilities(&path).unwrap_or(true)) {
                    risks.push(Risk::FileCapability);
                }
                if gained(0o111) {
                    risks.push(Risk::NewlyExecutable);
                }
                if found.stat.links > 1 && walk.is_upper(found.layer) {
                    risks.push(Risk::HardLink);
                }
            }
            FileType::Symlink => {
                let target = after.target.as_deref();
                if target.is_some_and(|target| risk::leads_out(target, walk.depth())) {
                    risks.push(Risk::SymlinkOut);
                }
            }
            FileType::Directory => {}
            _ => risks.push(Risk::SpecialFile),
        }
        if after.file_type != FileType::Symlink && gained(0o002) {
            risks.push(Risk::WorldWritable);
        }
        risks
    }
}

/// How much there is below a directory. What cannot be read counts as one entry.
fn count(mut walk: Walk) -> u64 {
    let mut count = 0;
    while let Some(event) = walk.next() {
        count += u64::from(!matches!(event, Ok(Event::Leave { .. })));
    }
    count
}

fn state(walk: &Walk, name: &OsStr, found: &Found, tree: &Tree) -> io::Result<State> {
    let Stat {
        file_type,
        mode,
        size,
        ..
    } = found.stat;
    let (uid, gid) = if walk.is_upper(found.layer) {
        tree.owners.translate(found.stat.uid, found.stat.gid)
    } else {
        (found.stat.uid, found.stat.gid)
    };
    let target = if file_type == FileType::Symlink {
        Some(fs::read_link(walk.directory_of(found)?, name)?)
    } else {
        None
    };
    Ok(State {
        file_type,
        mode,
        uid,
        gid,
        size,
        modified: found.stat.modified.into(),
        changed: found.stat.changed.into(),
        target,
    })
}

/// What is different between two objects at the same name.
struct Compared {
    kind: Option<Kind>,
    unreadable: bool,
}

impl Compared {
    fn of(walk: &Walk, name: &OsStr, found: [&Found; 2], states: [&State; 2]) -> io::Result<Self> {
        let [before, after] = states;
        let kind = |kind| Self {
            kind,
            unreadable: false,
        };
        if before.file_type != after.file_type {
            return Ok(kind(Some(Kind::TypeChanged)));
        }
        let owned = |state: &State| (state.uid, state.gid);
        let modes = before.mode != after.mode || owned(before) != owned(after);
        let metadata = |differs: bool| differs.then_some(Kind::Metadata);
        match after.file_type {
            FileType::Directory => {
                if modes {
                    return Ok(kind(metadata(true)));
                }
                let [a, b] = found.map(|found| walk.open_directory(name, found));
                let (Ok(a), b) = (a, b?) else {
                    return Ok(kind(None));
                };
                let equal = attributes::equal(a.fd.as_fd(), b.fd.as_fd())?;
                Ok(kind(metadata(!equal)))
            }
            FileType::Regular if before.size != after.size => Ok(kind(Some(Kind::Modified))),
            FileType::Regular => {
                let [a, b] = found.map(|found| walk.open_file(name, found));
                let b = b?;
                let Ok(a) = a else {
                    return Ok(Self {
                        kind: Some(Kind::Modified),
                        unreadable: true,
                    });
                };
                if !content::equal(&a.file, &b.file, after.size)? {
                    return Ok(kind(Some(Kind::Modified)));
                }
                let differs = modes || !attributes::equal(a.file.as_fd(), b.file.as_fd())?;
                Ok(kind(metadata(differs)))
            }
            FileType::Symlink if before.target != after.target => Ok(kind(Some(Kind::Modified))),
            FileType::Symlink => Ok(kind(metadata(owned(before) != owned(after)))),
            _ if found[0].stat.device != found[1].stat.device => Ok(kind(Some(Kind::Modified))),
            _ => Ok(kind(metadata(modes))),
        }
    }
}
