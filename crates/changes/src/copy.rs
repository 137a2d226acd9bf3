//! Copying a layer to another place: its whiteouts, opaque directories and marks included.

use crate::error::CopyError;
use crate::fs::{self, Repair};
use crate::links::{First, Links};
use crate::state::{FileType, Stat};
use crate::tree::Owners;
use crate::walk::{Event, Found, Layer, Plan, Walk};
use crate::{attributes, content};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RawMode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Directories in each other, each of which is held open; more is no tree that a person works in.
const DEPTH: usize = 400;

/// Copies all that is in one upper directory into another, empty one, so that an overlay above the copy
/// shows the same. Nothing may write to either meanwhile.
///
/// Modes, times, the user's and the overlay's extended attributes, holes and hard links stay, and owners
/// as `owners` translates them; of whiteouts that they are there. Set-user-ID and set-group-ID bits of
/// files are dropped; sockets, which nobody listens on any more, are left out. Directories may lie 400
/// deep.
///
/// # Errors
/// [`CopyError`] with the entry that failed; what was copied so far is left to the caller to remove.
pub fn copy_upper(from: &OwnedFd, to: &OwnedFd, owners: Owners) -> Result<(), CopyError> {
    let root = |source| CopyError::Root { source };
    // Not `.` in it, which its mode may keep from being opened.
    let place = from.try_clone().map_err(root)?;
    let whole = fs::stat(place.as_fd()).map_err(root)?;
    let attributes_of = fs::repaired_directory(place.as_fd(), whole.id, Repair::Read);
    let attributes_of = attributes_of.map_err(root)?;
    let mut walk = Walk::new(Plan {
        layers: vec![Layer {
            root: place,
            repair: Repair::Read,
            upper: false,
        }],
        a: vec![0],
        b: Vec::new(),
        shared: None,
        into_removed: true,
    })
    .map_err(root)?;
    let target = fs::open_within(to.as_fd(), c".", OFlags::PATH).map_err(root)?;
    let mut copy = Copy {
        owners,
        target: fs::reopen_directory(target.as_fd()).map_err(root)?,
        open: Vec::new(),
        linked: Links::default(),
        closed: Vec::new(),
    };
    while let Some(event) = walk.next() {
        let (name, done) = match event.map_err(CopyError::Read)? {
            Event::Leave { name, .. } => {
                let done = copy.leave(|| walk.path_of(&name));
                (name, done)
            }
            Event::Entry(entry) => match &entry.a {
                Some(found) => {
                    let done = copy.entry(&walk, &entry.name, found);
                    (entry.name, done)
                }
                None => continue,
            },
        };
        done.map_err(|source| CopyError::Entry {
            path: walk.path_of(&name),
            source,
        })?;
    }
    copy.close()?;
    attributes::copy_all(
        attributes_of.fd.as_fd(),
        &fs::proc_path(copy.target.as_fd()),
    )
    .and_then(|()| copy.finish(copy.target.as_fd(), &whole))
    .map_err(root)
}

/// What the owner of a directory needs to reach what is in it.
const OWNER: u32 = 0o700;

struct Copy {
    owners: Owners,
    target: OwnedFd,
    /// The copies of the directories that the walk is in, and what they are to look like.
    open: Vec<(OwnedFd, Stat)>,
    linked: Links,
    /// Directories that get a mode last with which nothing could be linked to what is in them.
    closed: Vec<(PathBuf, Stat)>,
}

impl Copy {
    fn here(&self) -> BorrowedFd<'_> {
        let last = self.open.last();
        last.map_or(self.target.as_fd(), |(fd, _)| fd.as_fd())
    }

    /// The times of a directory are its own again when nothing more is put into it.
    fn leave(&mut self, path: impl FnOnce() -> PathBuf) -> io::Result<()> {
        let Some((fd, stat)) = self.open.pop() else {
            return Ok(());
        };
        if stat.mode & OWNER == OWNER {
            return self.finish(fd.as_fd(), &stat);
        }
        self.closed.push((path(), stat));
        let mode = stat.mode | OWNER;
        self.finish(fd.as_fd(), &Stat { mode, ..stat })
    }

    /// Closes the directories that have to be, those within others first.
    fn close(&mut self) -> Result<(), CopyError> {
        for (path, stat) in std::mem::take(&mut self.closed) {
            let mode = Mode::from_raw_mode((stat.mode & 0o7777) as RawMode);
            let done = fs::open_deep(self.target.as_fd(), &path)
                .and_then(|dir| Ok(rustix::fs::chmod(fs::proc_path(dir.as_fd()), mode)?));
            done.map_err(|source| CopyError::Entry { path, source })?;
        }
        Ok(())
    }

    fn entry(&mut self, walk: &Walk, name: &OsStr, found: &Found) -> io::Result<()> {
        let stat = &found.stat;
        match stat.file_type {
            FileType::Directory => self.directory(walk, name, found),
            _ if stat.links > 1 && self.link(walk, name, stat)? => Ok(()),
            FileType::Regular => self.file(walk, name, found),
            FileType::Symlink => {
                let text = fs::read_link(walk.directory_of(found)?, name)?;
                rustix::fs::symlinkat(text.as_os_str(), self.here(), name)?;
                self.own(name, stat)
            }
            FileType::CharacterDevice if stat.device == (0, 0) => {
                let whiteout = rustix::fs::FileType::CharacterDevice;
                rustix::fs::mknodat(self.here(), name, whiteout, Mode::empty(), 0)?;
                Ok(())
            }
            FileType::Fifo => {
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(self.here(), name, fifo, Mode::empty(), 0)?;
                self.own(name, stat)?;
                // The mask of this process does not count (umask(2)).
                let made = fs::open_within(self.here(), name, OFlags::PATH)?;
                let mode = Mode::from_raw_mode((stat.mode & 0o1777) as RawMode);
                Ok(rustix::fs::chmod(fs::proc_path(made.as_fd()), mode)?)
            }
            FileType::Socket => Ok(()),
            _ => Err(io::Error::other("a device, which no sandbox can make")),
        }
    }

    fn directory(&mut self, walk: &Walk, name: &OsStr, found: &Found) -> io::Result<()> {
        if self.open.len() >= DEPTH {
            return Err(io::Error::other("directories are too deep in each other"));
        }
        let from = walk.open_directory(name, found)?;
        rustix::fs::mkdirat(self.here(), name, Mode::from_raw_mode(0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let to = fs::open_within(self.here(), name, flags)?;
        attributes::copy_all(from.fd.as_fd(), &fs::proc_path(to.as_fd()))?;
        self.open.push((to, found.stat));
        Ok(())
    }

    /// Whether the name is a further one of what was copied before, and is that now.
    fn link(&mut self, walk: &Walk, name: &OsStr, stat: &Stat) -> io::Result<bool> {
        let Some(first) = self.linked.earlier(stat.id) else {
            let path = walk.path_of(name);
            self.linked.add(stat.id, First { path, lower: None });
            return Ok(false);
        };
        let to = self.here();
        let linked = rustix::fs::linkat(&self.target, &*first.path, to, name, AtFlags::empty());
        match linked {
            Ok(()) => Ok(true),
            // A path longer than the kernel takes, or more names than the file system does, or a first
            // name of a kind that is not copied: a copy of its own.
            Err(Errno::NAMETOOLONG | Errno::MLINK | Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn file(&mut self, walk: &Walk, name: &OsStr, found: &Found) -> io::Result<()> {
        let stat = &found.stat;
        let from = walk.open_file(name, found)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let to: File = rustix::fs::openat(
            self.here(),
            name,
            flags | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        )?
        .into();
        content::copy(&from.file, &to, stat.size)?;
        attributes::copy_all(from.file.as_fd(), &fs::proc_path(to.as_fd()))?;
        self.finish(to.as_fd(), stat)
    }

    /// Owner and times of what cannot be opened.
    fn own(&self, name: &OsStr, stat: &Stat) -> io::Result<()> {
        let (uid, gid) = self.ids(stat);
        let link = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(self.here(), name, uid, gid, link)?;
        rustix::fs::utimensat(self.here(), name, &times(stat), link)?;
        Ok(())
    }

    /// Owner, mode and times, in the order in which none undoes another.
    fn finish(&self, fd: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
        let (uid, gid) = self.ids(stat);
        let kept = match stat.file_type {
            FileType::Directory => 0o7777,
            _ => 0o1777,
        };
        rustix::fs::fchown(fd, uid, gid)?;
        rustix::fs::fchmod(fd, Mode::from_raw_mode((stat.mode & kept) as RawMode))?;
        rustix::fs::futimens(fd, &times(stat))?;
        Ok(())
    }

    fn ids(&self, stat: &Stat) -> (Option<Uid>, Option<Gid>) {
        let (uid, gid) = self.owners.translate(stat.uid, stat.gid);
        (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
    }
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: stat.modified.seconds,
            tv_nsec: stat.modified.nanoseconds.into(),
        },
    }
}
