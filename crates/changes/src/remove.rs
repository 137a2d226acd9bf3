//! Removing a whole tree that a program made.

use crate::error::RemoveError;
use crate::fs::{self, Repair};
use crate::walk::{Event, Layer, Plan, Walk};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Removes all that is in a directory, not the directory itself.
///
/// No link is followed and no mount entered. Memory grows with the depth alone, which can be any,
/// as can the length of the paths. Directories that their mode closes are opened up if they belong
/// to the calling user. What cannot be removed is left, and the rest removed nevertheless.
///
/// # Errors
/// [`RemoveError`] with the first entry that was left and how many there are.
pub fn remove_upper(directory: &OwnedFd) -> Result<(), RemoveError> {
    let root = fs::open_within(directory.as_fd(), c".", OFlags::PATH)
        .map_err(|source| RemoveError::Root { source })?;
    let mut walk = Walk::new(Plan {
        layers: vec![Layer {
            root,
            repair: Repair::Write,
            upper: false,
        }],
        a: vec![0],
        b: Vec::new(),
        shared: None,
        into_removed: true,
    })
    .map_err(|source| RemoveError::Root { source })?;
    let mut count = 0;
    let mut first: Option<(PathBuf, io::Error)> = None;
    while let Some(event) = walk.next() {
        let (name, result) = match event {
            Err(error) => {
                count += 1;
                let path = error.path().unwrap_or(Path::new(".")).to_path_buf();
                first.get_or_insert((path, io::Error::other(error)));
                continue;
            }
            Ok(Event::Leave { name, handles }) => {
                drop(handles);
                let result = unlink(&walk, &name, AtFlags::REMOVEDIR);
                (name, result)
            }
            Ok(Event::Entry(entry)) => {
                let directory = |stat: &crate::walk::Found| stat.stat.file_type.is_directory();
                if entry.a.as_ref().is_some_and(directory) {
                    continue;
                }
                let result = unlink(&walk, &entry.name, AtFlags::empty());
                (entry.name, result)
            }
        };
        if let Err(error) = result {
            count += 1;
            first.get_or_insert_with(|| (walk.path_of(&name), error));
        }
    }
    match first {
        None => Ok(()),
        Some((path, source)) => Err(RemoveError::Left {
            path,
            count,
            source,
        }),
    }
}

/// Removes what is at `name`, whatever it is.
pub(crate) fn remove_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let first = match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Err(error @ (Errno::ISDIR | Errno::PERM)) => error,
        result => return Ok(result?),
    };
    let place = match fs::open_within(dir, name, OFlags::PATH | OFlags::DIRECTORY) {
        // It is no directory, so that was not why it could not be removed.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(first.into()),
        place => place?,
    };
    remove_upper(&place).map_err(io::Error::other)?;
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

fn unlink(walk: &Walk, name: &OsStr, flags: AtFlags) -> io::Result<()> {
    let dir = walk.directory(0).ok_or(io::ErrorKind::NotFound)?;
    match rustix::fs::unlinkat(dir, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
