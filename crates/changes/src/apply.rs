//! Applying a chosen part to the host's directory.

mod make;
mod outcome;
mod place;

pub use outcome::{Applied, Conflict, ConflictReason, Refusal, Refused};

use crate::attributes;
use crate::change::{Change, Kind};
use crate::changes::Judge;
use crate::error::ApplyError;
use crate::fs;
use crate::state::{FileType, Id, Stat};
use crate::tree::Tree;
use crate::walk::{Entry, Event, Found, Walk};
use make::{Leaving, Maker};
use outcome::Problem;
use place::Place;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

impl Tree {
    /// Applies the changes for which `filter` says so. They are shown to it in the order of
    /// [`Tree::changes`], each just before it is applied; it may take its time, and look at the
    /// content with [`Tree::diff`].
    ///
    /// A file is written completely before it gets its name, and takes the place of another in one
    /// step: a kill at any point leaves the old or the new file. At most one temporary name
    /// (`.cofferdam-apply.` and 16 hexadecimal digits) is left, which the next apply to that
    /// directory removes. Nothing is forced to the disk: call `sync` where that matters.
    ///
    /// An added directory must be applied for what is in it to be. What changed on the host since
    /// the session began is a [`Conflict`] and stays as it is; what this tree applied itself is none.
    /// Just before the step that counts the host's object is looked at once more, and if another
    /// one came out of the exchange it is put back. Set-user-ID and set-group-ID bits, file
    /// capabilities and access control lists of the upper are never applied (a file that replaces
    /// one keeps the list of the old one; a directory its set-group-ID bit); devices, FIFOs and
    /// sockets are refused, the FIFO because programs of the host would wait on it.
    ///
    /// # Errors
    /// [`ApplyError`] when nothing could be begun. What happened to single changes is in
    /// [`Applied`].
    pub fn apply(&self, mut filter: impl FnMut(&Change) -> bool) -> Result<Applied, ApplyError> {
        // Held until the end: it keeps a second apply from taking our temporary names for old ones.
        let _lock = self.lock()?;
        let walk = self.walk()?;
        let mut run = Run {
            tree: self,
            walk,
            judge: Judge::new(None, self),
            leaving: Vec::new(),
            swept: Vec::new(),
            applied: Applied::default(),
        };
        while let Some(event) = run.walk.next() {
            match event {
                Err(error) => run.applied.unread(error),
                Ok(Event::Leave { handles, .. }) => run.leave(&handles),
                Ok(Event::Entry(entry)) => match run.judge.change(&run.walk, &entry) {
                    Err(error) => run.applied.unread(error),
                    Ok(Some(change)) if filter(&change) => match run.change(&entry, &change) {
                        Ok(()) => run.applied.applied += 1,
                        Err(problem) => run.applied.problem(change.path, problem),
                    },
                    Ok(_) => {}
                },
            }
        }
        Ok(run.applied)
    }

    fn lock(&self) -> Result<Lock, ApplyError> {
        let origin = || self.origin.clone();
        let failed = |source| ApplyError::Lock {
            origin: origin(),
            source,
        };
        let root = fs::reopen_directory(self.lower.as_fd()).map_err(failed)?;
        match rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(root)),
            Err(Errno::WOULDBLOCK) => Err(ApplyError::Busy { origin: origin() }),
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// Keeps other applications out of a directory.
struct Lock(OwnedFd);

impl Drop for Lock {
    fn drop(&mut self) {
        // Not by closing alone: a process that is just being started elsewhere in this program has a
        // copy of the descriptor until it executes.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// One application in progress.
struct Run<'t> {
    tree: &'t Tree,
    walk: Walk,
    judge: Judge<'t>,
    /// What directories get when all in them is done, with their depths.
    leaving: Vec<(usize, Leaving)>,
    /// The directories on the way down in which old temporary names were looked for.
    swept: Vec<Option<Id>>,
    applied: Applied,
}

impl Run<'_> {
    /// Applies one change.
    fn change(&mut self, entry: &Entry, change: &Change) -> Result<(), Problem> {
        let name = entry.name.as_os_str();
        if place::is_temporary(name) {
            return Err(Refusal::ReservedName.into());
        }
        if let Some(after) = &change.after
            && after.file_type.is_special()
        {
            return Err(Refusal::SpecialFile.into());
        }
        let dir = self.walk.shared().ok_or(Refusal::Parent)?;
        let before = fs::stat(dir).map_err(Problem::io("look at the directory"))?;
        let ours = !self.tree.is_newer(&before);
        let expected = self.check(dir, entry, ours)?;
        sweep(&mut self.swept, self.walk.depth(), dir, before.id);
        let place = Place {
            tree: self.tree,
            dir,
            name,
            expected,
        };
        let maker = Maker {
            tree: self.tree,
            place: &place,
            walk: &self.walk,
        };
        // A file with other names on the host has one mode for all of them, and in the overlay the
        // program has changed this name's alone.
        let kind = match (change.kind, &place.expected) {
            (Kind::Metadata, Some(before))
                if before.links > 1 && before.file_type == FileType::Regular =>
            {
                Kind::Modified
            }
            (kind, _) => kind,
        };
        let mut made = None;
        let mut result = Ok(None);
        match (kind, &entry.b, &change.after) {
            (Kind::Removed, ..) | (_, None, _) | (_, _, None) => place.remove()?,
            (Kind::Metadata, Some(found), Some(after)) => {
                result = maker.metadata(found, after).map(|(stat, leaving)| {
                    self.leaving
                        .extend(leaving.map(|leaving| (self.walk.depth() + 1, leaving)));
                    Some(stat)
                });
            }
            (_, Some(found), Some(after)) => match after.file_type {
                FileType::Directory => {
                    let (handle, leaving) = maker.directory(found, after)?;
                    self.leaving.push((self.walk.depth() + 1, leaving));
                    made = Some(handle);
                }
                FileType::Symlink => result = maker.symlink(after).map(Some),
                _ => {
                    let id = found.stat.id;
                    let stat = match self
                        .judge
                        .links
                        .earlier(id)
                        .and_then(|first| first.lower.as_ref())
                    {
                        Some((lower, path)) => maker.link(*lower, path, found, after),
                        None => maker.file(found, after),
                    };
                    result = stat.map(Some);
                    if let Ok(Some(stat)) = &result
                        && found.stat.links > 1
                    {
                        self.judge.links.applied(id, stat.id, change.path.clone());
                    }
                }
            },
        }
        if let Some(stat) = result? {
            self.tree.note(&stat);
        }
        if ours && let Ok(stat) = fs::stat(dir) {
            self.tree.note(&stat);
        }
        if let Some(handle) = made {
            if let Ok(stat) = fs::stat(handle.fd.as_fd()) {
                self.tree.note(&stat);
            }
            self.walk.made(handle);
        }
        Ok(())
    }

    /// What the host has at the name, if that is what the session began with.
    fn check(
        &self,
        dir: BorrowedFd<'_>,
        entry: &Entry,
        ours: bool,
    ) -> Result<Option<Stat>, Problem> {
        let now = fs::stat_at(dir, &entry.name).map_err(Problem::io("look"))?;
        match (&entry.a, now) {
            (None, Some(_)) => Err(ConflictReason::Appeared.into()),
            (None, None) if !ours && self.was_copied_up(entry) => Err(ConflictReason::Gone.into()),
            (None, None) => Ok(None),
            (Some(_), None) if entry.b.is_none() => Ok(None),
            (Some(_), None) => Err(ConflictReason::Gone.into()),
            (Some(seen), Some(now)) => {
                let same = (seen.stat.id, seen.stat.changed) == (now.id, now.changed);
                if same && !self.tree.is_newer(&now) {
                    Ok(Some(now))
                } else {
                    Err(ConflictReason::Changed.into())
                }
            }
        }
    }

    /// Whether the overlay took the file from the lower, where it is no more. A file that the
    /// program renamed has that mark too, so it decides only where the host changed the directory.
    fn was_copied_up(&self, entry: &Entry) -> bool {
        let Some(found) = &entry.b else {
            return false;
        };
        match found.stat.file_type {
            FileType::Regular => self
                .walk
                .open_file(&entry.name, found)
                .and_then(|opened| attributes::has_origin(opened.file.as_fd()))
                .unwrap_or(true),
            FileType::Directory => self
                .walk
                .open_directory(&entry.name, found)
                .and_then(|directory| attributes::has_origin(directory.fd.as_fd()))
                .unwrap_or(true),
            _ => false,
        }
    }

    /// Gives a directory what it could not have while it was being filled.
    fn leave(&mut self, handles: &[Option<fs::Handle>]) {
        let depth = self.walk.depth() + 1;
        while let Some((at, leaving)) = self.leaving.pop_if(|(at, _)| *at >= depth) {
            if at == depth
                && let Some(handle) = self.walk.shared_of(handles)
                && let Ok(stat) = leaving.finish(handle.fd.as_fd())
            {
                self.tree.note(&stat);
            }
        }
    }
}

/// Removes old temporary names, once in each directory on the way.
fn sweep(swept: &mut Vec<Option<Id>>, depth: usize, dir: BorrowedFd<'_>, id: Id) {
    swept.truncate(depth + 1);
    swept.resize(depth + 1, None);
    if swept[depth] != Some(id) {
        swept[depth] = Some(id);
        place::sweep(dir);
    }
}

/// The file of the upper as it was when the change was shown.
fn open_unchanged(
    walk: &Walk,
    name: &OsStr,
    found: &Found,
) -> Result<(fs::OpenFile, Stat), Problem> {
    let opened = walk
        .open_file(name, found)
        .map_err(Problem::io("open the new file"))?;
    let now = opened.stat().map_err(Problem::io("look at the new file"))?;
    let seen = &found.stat;
    // Making a file readable changes its ctime.
    let touched = seen.mode & 0o400 != 0 && seen.changed != now.changed;
    if touched || (seen.size, seen.modified) != (now.size, now.modified) {
        return Err(Refusal::ChangedMeanwhile.into());
    }
    Ok((opened, now))
}
