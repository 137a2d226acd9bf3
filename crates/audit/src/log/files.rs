//! The files of a log: `NAME`, then `NAME.1`, `NAME.2` and so on. None is ever renamed.

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The path of a file, by its number.
pub(super) fn path(base: &Path, number: u64) -> PathBuf {
    if number == 0 {
        return base.to_owned();
    }
    let mut name = OsString::from(base);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The name of a file, by its number, as the record before has it.
pub(super) fn name(base: &Path, number: u64) -> String {
    let path = path(base, number);
    let name = path.file_name().unwrap_or(path.as_os_str());
    crate::text(name.as_encoded_bytes())
}

/// The largest number that a file of the log has; none where there is no file.
pub(super) fn last(base: &Path) -> io::Result<Option<u64>> {
    let directory = match base.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = base.file_name() else {
        return Err(io::ErrorKind::IsADirectory.into());
    };
    let mut last = None;
    for entry in std::fs::read_dir(directory)? {
        let found = entry?.file_name();
        let Some(rest) = found
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes())
        else {
            continue;
        };
        let number = match rest {
            b"" => Some(0),
            [b'.', digits @ ..] => str::from_utf8(digits)
                .ok()
                .filter(|text| text.starts_with(|c: char| ('1'..='9').contains(&c)))
                .and_then(|text| text.parse().ok()),
            _ => None,
        };
        last = last.max(number);
    }
    Ok(last)
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Read,
    /// To be added to; made with this mode where it does not exist.
    Append(u32),
}

/// Opens a regular file, following no link; none if it is something else.
pub(super) fn regular(path: &Path, how: How) -> io::Result<Option<File>> {
    // Not blocking: the path may be a pipe that nobody writes to.
    let common = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let (flags, mode) = match how {
        How::Read => (OFlags::RDONLY, Mode::empty()),
        How::Append(mode) => (
            OFlags::RDWR | OFlags::APPEND | OFlags::CREATE,
            Mode::from_raw_mode(mode),
        ),
    };
    let file = match open(path, flags | common, mode) {
        // A link, a socket, a pipe without a reader, a directory.
        Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
        opened => opened?,
    };
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    Ok(kind.is_file().then(|| File::from(file)))
}

/// Whether the file could be locked for this writer alone (flock(2)); it holds until all descriptors of this opening
/// are closed.
pub(super) fn lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
