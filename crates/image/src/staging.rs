//! Directories that are not entries of the cache yet, or no longer.

use crate::CacheError;
use crate::remove::empty;
use crate::resolve::open_directory;
use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, flock, fstat, mkdirat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What the names of all of them begin with. A lock (flock(2)) on the directory says that somebody is at
/// work there; the kernel takes it back when that process ends, however it ends.
const PREFIX: &str = ".temporary-";

/// A directory beside the entries, deleted on drop unless it became one.
pub(crate) struct Staging {
    cache: OwnedFd,
    path: PathBuf,
    name: String,
    directory: OwnedFd,
    finished: bool,
}

impl Staging {
    /// Makes one.
    pub(crate) fn new(cache: BorrowedFd<'_>, path: &Path) -> Result<Self, CacheError> {
        let failed = |errno: Errno| system("make a directory in", path, errno);
        let cache = cache.try_clone_to_owned().map_err(|e| CacheError::System {
            step: "open",
            path: path.into(),
            error: e,
        })?;
        loop {
            let name = fresh_name();
            match mkdirat(&cache, &*name, Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                other => other.map_err(failed)?,
            }
            // Between its making and its locking it looks abandoned and may be swept away: then again.
            let directory = match open_directory(cache.as_fd(), name.as_bytes()) {
                Err(Errno::NOENT) => continue,
                other => other.map_err(failed)?,
            };
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_linked(cache.as_fd(), &name, &directory) => {}
                Ok(()) | Err(Errno::WOULDBLOCK) => continue,
                Err(errno) => {
                    let _ = unlinkat(&cache, &*name, AtFlags::REMOVEDIR);
                    return Err(system("lock a directory in", path, errno));
                }
            }
            let path = path.join(&name);
            return Ok(Self {
                cache,
                path,
                name,
                directory,
                finished: false,
            });
        }
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Makes it the entry of this name. False if there is one already: another process was faster.
    pub(crate) fn become_entry(mut self, name: &str) -> Result<bool, CacheError> {
        match renameat(&self.cache, &*self.name, &self.cache, name) {
            Ok(()) => {
                self.finished = true;
                Ok(true)
            }
            // rename(2) replaces a directory only if it is empty, and no entry is.
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
            Err(errno) => Err(system("rename", &self.path, errno)),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be deleted now is swept later.
            let _ = empty(self.directory.as_fd());
            let _ = unlinkat(&self.cache, &*self.name, AtFlags::REMOVEDIR);
        }
    }
}

/// Moves an entry out of the way and deletes it. The caller holds its lock.
pub(crate) fn discard(
    cache: BorrowedFd<'_>,
    path: &Path,
    name: &str,
    entry: &OwnedFd,
) -> Result<(), CacheError> {
    let fresh = fresh_name();
    let full = path.join(name);
    renameat(cache, name, cache, &*fresh).map_err(|e| system("rename", &full, e))?;
    empty(entry.as_fd()).map_err(|e| system("delete what is in", &path.join(&fresh), e))?;
    unlinkat(cache, &*fresh, AtFlags::REMOVEDIR)
        .map_err(|e| system("delete", &path.join(&fresh), e))
}

/// Deletes what killed processes left behind. What cannot be deleted is no hindrance, and stays.
pub(crate) fn sweep(cache: BorrowedFd<'_>, path: &Path) -> Result<(), CacheError> {
    let failed = |errno| system("read", path, errno);
    for entry in Dir::read_from(cache).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if !name.starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(directory) = open_directory(cache, name) else {
            continue;
        };
        if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok()
            && empty(directory.as_fd()).is_ok()
        {
            let _ = unlinkat(cache, name, AtFlags::REMOVEDIR);
        }
    }
    Ok(())
}

/// Whether the descriptor is what goes by this name.
pub(crate) fn is_linked(cache: BorrowedFd<'_>, name: &str, directory: &OwnedFd) -> bool {
    match (
        statat(cache, name, AtFlags::SYMLINK_NOFOLLOW),
        fstat(directory),
    ) {
        (Ok(named), Ok(opened)) => (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino),
        _ => false,
    }
}

pub(crate) fn system(step: &'static str, path: &Path, errno: Errno) -> CacheError {
    CacheError::System {
        step,
        path: path.into(),
        error: errno.into(),
    }
}

/// Unlike that of any other process; nobody else can write here, so it need not be a secret.
fn fresh_name() -> String {
    let number = RandomState::new().hash_one(std::process::id());
    format!("{PREFIX}{number:016x}")
}
