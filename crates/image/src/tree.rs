//! The tree that layers are applied to.

use crate::Limit;
use crate::entry::Components;
use crate::error::{Fault, Step};
use crate::gate::Meter;
use crate::remove::remove_beneath;
use crate::resolve::{Directory, Missing, open_directory};
use rustix::fs::{AtFlags, FileType, Timespec, Timestamps, UTIME_OMIT, fstat, futimens, unlinkat};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// The tree that layers are applied to, in a directory that no other process writes to.
pub(crate) struct Tree {
    pub(crate) root: Rc<OwnedFd>,
    pub(crate) root_inode: u64,
    pub(crate) meter: Rc<Meter>,
    /// Whether others can reach the tree; they must not write to it.
    pub(crate) shared: bool,
    /// Where directories are moved to be deleted.
    trash: OwnedFd,
    /// What the layer at hand has named, as (inode of the directory, hash of the name): whiteouts spare it.
    /// A number that was given to a new file after its directory had gone is no lie: then the new
    /// directory is of this layer, and all that is in it.
    named: HashSet<(u64, u64)>,
    hash: RandomState,
    /// Times of directories are set when nothing is made in them any more.
    times: Vec<(Components, u64)>,
    times_bytes: u64,
    /// The inodes of directories that have a time to be set. Numbers may come to mean others, as above.
    timed: HashSet<u64>,
    /// The parent of the last entry: archives mostly go directory by directory.
    last_parent: Option<(Components, Directory)>,
}

impl Tree {
    pub(crate) fn new(
        root: OwnedFd,
        trash: OwnedFd,
        meter: Rc<Meter>,
        shared: bool,
    ) -> rustix::io::Result<Self> {
        let root_inode = fstat(&root)?.st_ino;
        Ok(Self {
            root: Rc::new(root),
            root_inode,
            meter,
            shared,
            trash,
            named: HashSet::new(),
            hash: RandomState::new(),
            times: Vec::new(),
            times_bytes: 0,
            timed: HashSet::new(),
            last_parent: None,
        })
    }

    /// The directory that an entry goes to, made if need be, and the entry's name in it.
    pub(crate) fn parent<'a>(
        &mut self,
        path: &'a [Vec<u8>],
    ) -> Result<(Directory, &'a [u8]), Fault> {
        let Some((name, parent)) = path.split_last() else {
            return Err(crate::Refusal::Nameless.into());
        };
        if path.len() > self.meter.limits().depth {
            return Err(Fault::Limit(Limit::Depth));
        }
        if let Some((last, directory)) = &self.last_parent
            && last == parent
        {
            return Ok((directory.clone(), name));
        }
        // Missing directories are made, so there is always one.
        let found = self.directory(parent, Missing::Create)?;
        let directory = found.ok_or(crate::Refusal::Nameless)?;
        if directory.path.len() >= self.meter.limits().depth {
            return Err(Fault::Limit(Limit::Depth));
        }
        self.last_parent = Some((parent.to_vec(), directory.clone()));
        Ok((directory, name))
    }

    /// The layer at hand has named this.
    pub(crate) fn note(&mut self, directory: u64, name: &[u8]) {
        let hash = self.hash.hash_one(name);
        self.named.insert((directory, hash));
    }

    /// Whether the layer at hand has named this.
    pub(crate) fn is_noted(&self, directory: u64, name: &[u8]) -> bool {
        self.named.contains(&(directory, self.hash.hash_one(name)))
    }

    /// Takes away what is at a name, whatever it is.
    pub(crate) fn remove(
        &mut self,
        at: &Directory,
        name: &[u8],
        kind: FileType,
    ) -> Result<(), Fault> {
        if kind == FileType::Directory {
            self.last_parent = None;
            return remove_beneath(at.fd.as_fd(), name, self.trash.as_fd())
                .step("remove a directory");
        }
        if kind == FileType::Symlink {
            self.last_parent = None;
        }
        unlinkat(&*at.fd, name, AtFlags::empty()).step("remove a file")
    }

    /// Has the time of a directory set at the end of the layer.
    pub(crate) fn set_time_later(
        &mut self,
        directory: &Directory,
        seconds: u64,
    ) -> Result<(), Fault> {
        self.timed.insert(directory.inode);
        self.push_time(directory.path.clone(), seconds)
    }

    /// Has a directory keep the time that it had before this layer, unless the layer gives it another:
    /// making something in it is no reason to change it.
    pub(crate) fn keep_time(
        &mut self,
        inode: u64,
        path: &Components,
        seconds: i64,
    ) -> Result<(), Fault> {
        if self.timed.insert(inode) {
            self.push_time(path.clone(), u64::try_from(seconds).unwrap_or(0))?;
        }
        Ok(())
    }

    fn push_time(&mut self, path: Components, seconds: u64) -> Result<(), Fault> {
        // What the vectors themselves take counts too.
        self.times_bytes += path.iter().map(|part| part.len() as u64 + 24).sum::<u64>();
        if self.times_bytes > self.meter.limits().directory_names {
            return Err(Fault::Limit(Limit::DirectoryNames));
        }
        self.times.push((path, seconds));
        Ok(())
    }

    /// A layer follows.
    pub(crate) fn begin_layer(&mut self) -> Result<(), Fault> {
        let seconds = fstat(&*self.root).step("look at the root")?.st_mtime;
        self.keep_time(self.root_inode, &Components::new(), seconds)
    }

    /// The layer at hand is through.
    pub(crate) fn end_layer(&mut self) -> Result<(), Fault> {
        for (path, seconds) in std::mem::take(&mut self.times) {
            // What a later entry has replaced has no time to be set.
            if path.is_empty() {
                futimens(&*self.root, &times(seconds)).step("set the time of a directory")?;
            } else if let Ok(fd) = open_directory(self.root.as_fd(), &path.join(&b'/')) {
                futimens(fd, &times(seconds)).step("set the time of a directory")?;
            }
        }
        self.times_bytes = 0;
        self.timed.clear();
        self.named.clear();
        self.last_parent = None;
        Ok(())
    }
}

/// This modification time; the time of access is left as it is.
pub(crate) fn times(seconds: u64) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: i64::try_from(seconds).unwrap_or(0),
            tv_nsec: 0,
        },
    }
}
