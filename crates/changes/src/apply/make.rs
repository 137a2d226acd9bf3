//! Making on the host what the upper has.

use super::open_unchanged;
use super::outcome::{ConflictReason, Problem, Refusal};
use super::place::{self, Place};
use crate::attributes;
use crate::content;
use crate::fs::{self, Handle};
use crate::state::{FileType, Id, Stat, State, Time};
use crate::tree::Tree;
use crate::walk::{Found, Walk};
use rustix::fs::{
    AtFlags, FlockOperation, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

const SET_ID: u32 = 0o6000;
const SET_GROUP_ID: u32 = 0o2000;
const OWNER: u32 = 0o700;

pub(super) struct Maker<'a> {
    pub tree: &'a Tree,
    pub place: &'a Place<'a>,
    pub walk: &'a Walk,
}

/// What a directory gets when all in it is done.
pub(super) struct Leaving {
    mode: Option<u32>,
    modified: Option<Time>,
}

impl Leaving {
    pub(super) fn finish(&self, dir: BorrowedFd<'_>) -> io::Result<Stat> {
        if let Some(mode) = self.mode {
            rustix::fs::fchmod(dir, Mode::from_raw_mode(mode))?;
        }
        if let Some(modified) = self.modified {
            rustix::fs::futimens(dir, &times(modified))?;
        }
        fs::stat(dir)
    }
}

impl Maker<'_> {
    /// A regular file.
    pub(super) fn file(&self, found: &Found, after: &State) -> Result<Stat, Problem> {
        let (from, opened) = open_unchanged(self.walk, self.place.name, found)?;
        let new = self.place.new_file()?;
        let result = self.fill(&new, &from.file, &opened, after);
        let result = result.and_then(|()| self.place.put_file(&new));
        if let Err(problem) = result {
            new.discard(self.place.dir);
            return Err(problem);
        }
        fs::stat(new.file.as_fd()).map_err(Problem::io("look"))
    }

    fn fill(
        &self,
        new: &place::NewFile,
        from: &File,
        opened: &Stat,
        after: &State,
    ) -> Result<(), Problem> {
        let to = File::from(
            new.file
                .try_clone()
                .map_err(Problem::io("copy the content"))?,
        );
        content::copy(from, &to, opened.size).map_err(Problem::io("copy the content"))?;
        attributes::copy(from.as_fd(), &fs::proc_path(to.as_fd()))
            .map_err(Problem::io("copy the extended attributes"))?;
        if let Some(old) = &self.place.expected
            && old.file_type == FileType::Regular
        {
            let path = fs::proc_path(self.place.dir).join(self.place.name);
            attributes::copy_acl(&path, to.as_fd())
                .map_err(Problem::io("keep the access control list"))?;
        }
        chown(to.as_fd(), after).map_err(Problem::io("set the owner"))?;
        let mode = self.file_mode(after);
        rustix::fs::fchmod(&to, Mode::from_raw_mode(mode)).map_err(Problem::io("set the mode"))?;
        rustix::fs::futimens(&to, &times(opened.modified)).map_err(Problem::io("set the times"))?;
        let now = fs::stat(from.as_fd()).map_err(Problem::io("look at the new file"))?;
        if now.changed != opened.changed {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        Ok(())
    }

    /// Another name of a file that has been applied, or a copy if that cannot be.
    pub(super) fn link(
        &self,
        lower: Id,
        path: &Path,
        found: &Found,
        after: &State,
    ) -> Result<Stat, Problem> {
        let open = || -> io::Result<_> {
            let fd = fs::open_deep(self.tree.lower.as_fd(), path)?;
            let stat = fs::stat(fd.as_fd())?;
            fs::same(stat.id, lower)?;
            // Changed by the host since it was applied or compared.
            if self.tree.is_newer(&stat) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(fd)
        };
        let Ok(file) = open() else {
            return self.file(found, after);
        };
        match self.place.put_link(file.as_fd()) {
            Ok(()) => fs::stat(file.as_fd()).map_err(Problem::io("look")),
            Err(Problem::Refused(_)) => self.file(found, after),
            Err(conflict) => Err(conflict),
        }
    }

    /// A symbolic link.
    pub(super) fn symlink(&self, after: &State) -> Result<Stat, Problem> {
        let Some(target) = &after.target else {
            return Err(Refusal::ChangedMeanwhile.into());
        };
        let dir = self.place.dir;
        let name = place::temporary_name();
        rustix::fs::symlinkat(target, dir, &name).map_err(Problem::io("make the link"))?;
        let finish = || -> io::Result<_> {
            let link = fs::open_within(dir, &name, OFlags::PATH)?;
            let stat = fs::stat(link.as_fd())?;
            fs::same(stat.file_type, FileType::Symlink)?;
            chown(link.as_fd(), after)?;
            let modified = times(after.modified.into());
            rustix::fs::utimensat(&link, c"", &modified, AtFlags::EMPTY_PATH)?;
            Ok(link)
        };
        match finish() {
            Ok(link) => {
                self.place.put(&name)?;
                fs::stat(link.as_fd()).map_err(Problem::io("look"))
            }
            Err(error) => {
                let _ = crate::remove::remove_at(dir, &name);
                Err(Problem::io("make the link")(error))
            }
        }
    }

    /// An empty directory, open for what is going to be in it.
    pub(super) fn directory(
        &self,
        found: &Found,
        after: &State,
    ) -> Result<(Handle, Leaving), Problem> {
        let dir = self.place.dir;
        let from = self
            .walk
            .open_directory(self.place.name, found)
            .map_err(Problem::io("open the new directory"))?;
        let name = place::temporary_name();
        rustix::fs::mkdirat(dir, &name, Mode::from_raw_mode(OWNER))
            .map_err(Problem::io("make the directory"))?;
        let mode = after.mode & !SET_ID;
        let finish = || -> io::Result<_> {
            let new = fs::open_within(dir, &name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let stat = fs::stat(new.as_fd())?;
            // Ours, and not one that was put in its place.
            fs::same(stat.uid, cofferdam_sys::cred::geteuid())?;
            rustix::fs::flock(&new, FlockOperation::NonBlockingLockExclusive)?;
            attributes::copy(from.fd.as_fd(), &fs::proc_path(new.as_fd()))?;
            chown(new.as_fd(), after)?;
            // A directory takes the bit from its parent.
            let bits = mode | OWNER | (stat.mode & SET_GROUP_ID);
            rustix::fs::fchmod(&new, Mode::from_raw_mode(bits))?;
            let last = (mode & OWNER != OWNER).then_some(mode | (stat.mode & SET_GROUP_ID));
            Ok((Handle::new(new)?, last))
        };
        match finish() {
            Ok((handle, mode)) => {
                self.place.put(&name)?;
                let modified = Some(after.modified.into());
                Ok((handle, Leaving { mode, modified }))
            }
            Err(error) => {
                let _ = crate::remove::remove_at(dir, &name);
                Err(Problem::io("make the directory")(error))
            }
        }
    }

    /// Mode, owner and attributes of what is there and stays.
    pub(super) fn metadata(
        &self,
        found: &Found,
        after: &State,
    ) -> Result<(Stat, Option<Leaving>), Problem> {
        let Some(expected) = &self.place.expected else {
            return Err(ConflictReason::Gone.into());
        };
        if after.file_type == FileType::Symlink {
            return self.symlink(after).map(|stat| (stat, None));
        }
        let flags = OFlags::PATH;
        let there = fs::open_within(self.place.dir, self.place.name, flags)
            .map_err(Problem::io("open it"))?;
        let now = fs::stat(there.as_fd()).map_err(Problem::io("look"))?;
        if (now.id, now.changed) != (expected.id, expected.changed) {
            return Err(ConflictReason::Changed.into());
        }
        let directory = after.file_type.is_directory();
        let mode = if directory {
            after.mode & !SET_ID | now.mode & SET_GROUP_ID
        } else {
            self.file_mode(after)
        };
        let path = fs::proc_path(there.as_fd());
        let chmod = |mode| {
            rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).map_err(Problem::io("set the mode"))
        };
        let (handle, opened);
        let from = if directory {
            let new = self.walk.open_directory(self.place.name, found);
            handle = new.map_err(Problem::io("open the new directory"))?;
            handle.fd.as_fd()
        } else {
            (opened, _) = open_unchanged(self.walk, self.place.name, found)?;
            opened.file.as_fd()
        };
        chown(there.as_fd(), after).map_err(Problem::io("set the owner"))?;
        // Attributes can be written only where the content can.
        chmod(mode | 0o600)?;
        let copied = attributes::copy(from, &path);
        let leaving = (directory && mode & OWNER != OWNER).then_some(Leaving {
            mode: Some(mode),
            modified: None,
        });
        chmod(if directory { mode | OWNER } else { mode })?;
        copied.map_err(Problem::io("copy the extended attributes"))?;
        let stat = fs::stat(there.as_fd()).map_err(Problem::io("look"))?;
        Ok((stat, leaving))
    }

    fn file_mode(&self, after: &State) -> u32 {
        if self.tree.set_id {
            after.mode
        } else {
            after.mode & !SET_ID
        }
    }
}

/// Sets the owner where it is another; only a privileged host can.
fn chown(object: BorrowedFd<'_>, after: &State) -> io::Result<()> {
    let now = fs::stat(object)?;
    if (now.uid, now.gid) != (after.uid, after.gid) {
        let (uid, gid) = (Uid::from_raw(after.uid), Gid::from_raw(after.gid));
        rustix::fs::chownat(object, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    }
    Ok(())
}

/// The time of the content; that of the last access stays.
fn times(modified: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: modified.seconds,
            tv_nsec: modified.nanoseconds.into(),
        },
    }
}
