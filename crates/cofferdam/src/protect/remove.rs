//! Removing a directory that a sandbox made, beneath descriptors, while it may still be changing.

use super::place::{Kind, Place};
use cofferdam_sys::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::ReadDir;
use std::io;
use std::path::PathBuf;

/// Entries removed in one go. A program that makes them as fast as they go must not keep the host.
const MAX_ENTRIES: u64 = 1_000_000;
/// Directories in one another.
const MAX_DEPTH: usize = 100_000;
/// Directories of which the listing is kept open while one in them is emptied. Some file systems
/// (overlayfs) read all of a directory each time it is opened.
const MAX_LISTED: usize = 32;
/// Paths that are kept for the report.
const MAX_PATHS: usize = 1_000;
/// Above this a path is not kept (bytes).
const MAX_PATH: usize = 4_096;

/// What was removed in a directory.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// The first ones, relative to the directory.
    pub paths: Vec<PathBuf>,
    /// How many in all.
    pub count: u64,
}

/// Removes the directory `name` with all in it. Needs memory for the depth alone: a directory is left
/// through its `..`, if that is still the one it was entered from.
///
/// # Errors
/// `ESTALE` when a directory was moved away meanwhile; `E2BIG` at the limit; `EXDEV` at a mount; as
/// unlinkat(2). What was removed by then stays removed.
pub(super) fn directory(dir: &Place, name: &OsStr, removed: &mut Removed) -> io::Result<()> {
    match dir.rmdir(name) {
        Err(Errno(libc::ENOTEMPTY | libc::EEXIST)) => {}
        Err(errno) => return Err(errno.into()),
        Ok(()) => return Ok(()),
    }
    let mut here = enter(dir, name)?;
    let mut entries = here.entries()?;
    let mut above: Vec<Level> = Vec::new();
    let mut trail = Trail::default();
    // A file system could keep a directory from being empty and list nothing in it.
    let mut steps = 0;
    loop {
        if let Some(below) = clear(&here, &mut entries, &trail, removed)? {
            steps += 1;
            if above.len() == MAX_DEPTH || steps > MAX_ENTRIES {
                return Err(Errno(libc::E2BIG).into());
            }
            let next = enter(&here, &below)?;
            let listed = std::mem::replace(&mut entries, next.entries()?);
            trail.down(&below);
            above.push(Level {
                identity: here.identity(),
                rest: (above.len() < MAX_LISTED).then_some((listed, below)),
            });
            here = next;
            continue;
        }
        let Some(level) = above.pop() else {
            return Ok(dir.rmdir(name)?);
        };
        let parent = here.parent()?;
        if parent.identity() != level.identity {
            return Err(Errno(libc::ESTALE).into());
        }
        here = parent;
        trail.up();
        entries = match level.rest {
            Some((rest, below)) if here.rmdir(&below).is_ok() => {
                removed.add(&trail, &below);
                rest
            }
            // From the start: what was just emptied is now the first that is there.
            _ => here.entries()?,
        };
    }
}

/// A directory that is being emptied, while what is in it is.
struct Level {
    identity: ((u32, u32), u64),
    /// What is still to be looked at in it, and the directory that comes first.
    rest: Option<(ReadDir, OsString)>,
}

impl Removed {
    fn add(&mut self, trail: &Trail, name: &OsStr) {
        self.count += 1;
        if self.paths.len() < MAX_PATHS {
            self.paths.extend(trail.here().map(|path| path.join(name)));
        }
    }
}

/// Removes what is in a directory up to the first directory that is not empty: its name.
fn clear(
    here: &Place,
    entries: &mut ReadDir,
    trail: &Trail,
    removed: &mut Removed,
) -> io::Result<Option<OsString>> {
    for entry in entries {
        let name = entry?.file_name();
        if removed.count >= MAX_ENTRIES {
            return Err(Errno(libc::E2BIG).into());
        }
        let gone = match here.unlink(&name) {
            Err(Errno(libc::EISDIR)) => here.rmdir(&name),
            other => other,
        };
        match gone {
            Ok(()) => removed.add(trail, &name),
            // Somebody else was faster.
            Err(Errno(libc::ENOENT)) => {}
            Err(Errno(libc::ENOTEMPTY | libc::EEXIST)) => return Ok(Some(name)),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(None)
}

/// Opens a directory to empty it; a mode that would keep the host out is changed, as it goes anyway.
fn enter(dir: &Place, name: &OsStr) -> io::Result<Place> {
    let place = dir.open_same_mount(name)?;
    if place.kind() != Kind::Directory {
        return Err(Errno(libc::ESTALE).into());
    }
    place.unlock()?;
    Ok(place)
}

/// The path of a directory for the report, as far down as it is worth keeping.
#[derive(Debug, Default)]
struct Trail {
    path: PathBuf,
    kept: usize,
    depth: usize,
}

impl Trail {
    fn down(&mut self, name: &OsStr) {
        if self.kept == self.depth && self.path.as_os_str().len() + name.len() < MAX_PATH {
            self.path.push(name);
            self.kept += 1;
        }
        self.depth += 1;
    }

    fn up(&mut self) {
        self.depth -= 1;
        if self.kept > self.depth {
            self.path.pop();
            self.kept -= 1;
        }
    }

    fn here(&self) -> Option<&PathBuf> {
        (self.kept == self.depth).then_some(&self.path)
    }
}
