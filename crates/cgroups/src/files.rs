//! Reading and writing control files; every error is the kernel's number.

use cofferdam_sys::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The kernel's number in an error of std.
pub(crate) fn errno(error: &io::Error) -> Errno {
    // std makes errors of its own only for NUL bytes and text that is not UTF-8 here.
    Errno(error.raw_os_error().unwrap_or(libc::EINVAL))
}

pub(crate) fn read(path: &Path) -> Result<String, Errno> {
    fs::read_to_string(path).map_err(|error| errno(&error))
}

/// Opens for writing, without following a symbolic link, creating or cutting anything.
pub(crate) fn open_write(path: &Path) -> Result<File, Errno> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|error| errno(&error))
}

/// Writes in one write(2), as control files want it.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), Errno> {
    open_write(path)?
        .write_all(value.as_bytes())
        .map_err(|error| errno(&error))
}

/// A descriptor that stands for the directory and can read nothing of it (open(2), `O_PATH`).
pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(path)
        .map(OwnedFd::from)
        .map_err(|error| errno(&error))
}

/// Makes a directory; whether it is new.
pub(crate) fn mkdir(path: &Path) -> Result<bool, Errno> {
    match fs::create_dir(path) {
        Ok(()) => {
            #[cfg(test)]
            crate::mimic::populate(path);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(errno(&error)),
    }
}

pub(crate) fn rmdir(path: &Path) -> Result<(), Errno> {
    #[cfg(test)]
    crate::mimic::clear(path);
    fs::remove_dir(path).map_err(|error| errno(&error))
}

/// Whether this process may make directories in this one. Changes nothing: cgroupfs has no
/// unnamed files, so open(2) with `O_TMPFILE` stops with `EOPNOTSUPP`, but only after the checks
/// for permission and for a read-only mount that mkdir(2) would make.
pub(crate) fn may_make_in(directory: &Path) -> Result<(), Errno> {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(directory);
    match opened.map_err(|error| errno(&error)) {
        Ok(_) | Err(Errno(libc::EOPNOTSUPP)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The directories in this one; symbolic links are not among them.
pub(crate) fn directories_in(path: &Path) -> Result<Vec<PathBuf>, Errno> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| errno(&error))? {
        let entry = entry.map_err(|error| errno(&error))?;
        // The type of the entry itself: it does not follow links.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A value of a flat keyed file (`key value` per line).
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
}

/// The process ids in a `cgroup.procs` file.
pub(crate) fn pids(procs: &Path) -> Result<Vec<i32>, Errno> {
    Ok(read(procs)?
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect())
}
