//! Opening and looking at what is in a directory, without ever following a link.

use crate::state::{Id, Stat};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Links and mounts are never crossed: an overlay does not see what is mounted on its lower
/// directory either.
const WITHIN: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// What may be done to the mode of a directory or file of our own user that we cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// Nothing: it belongs to the host.
    Never,
    /// The bits for reading, until it is closed.
    Read,
    /// The bits for reading and writing: it is about to be removed.
    Write,
}

impl Repair {
    fn bits(self) -> u32 {
        match self {
            Repair::Never => 0,
            Repair::Read => 0o500,
            Repair::Write => 0o700,
        }
    }

    fn needs(self, stat: &Stat) -> bool {
        stat.mode & self.bits() != self.bits() && stat.uid == cofferdam_sys::cred::geteuid()
    }
}

/// An open directory. Its mode is put back when it is closed.
#[derive(Debug)]
pub(crate) struct Handle {
    pub fd: OwnedFd,
    pub id: Id,
    mode: Option<u32>,
}

impl Handle {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let id = stat(fd.as_fd())?.id;
        Ok(Self { fd, id, mode: None })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(mode) = self.mode {
            let _ = rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode));
        }
    }
}

/// The path by which the kernel reaches an open object, whatever its name is now (proc(5)).
pub(crate) fn proc_path(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// What is at `name`; `None` if there is nothing. A link is not followed.
pub(crate) fn stat_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<Stat>> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    match rustix::fs::statx(dir, name, flags, StatxFlags::BASIC_STATS) {
        Ok(raw) => Ok(Some(Stat::new(&raw))),
        // A name can be longer than the other file system allows.
        Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is open.
pub(crate) fn stat(fd: BorrowedFd<'_>) -> io::Result<Stat> {
    let raw = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    Ok(Stat::new(&raw))
}

/// Opens beneath `dir`, not following links.
pub(crate) fn open_within(
    dir: BorrowedFd<'_>,
    path: impl rustix::path::Arg,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat2(
        dir,
        path,
        flags,
        Mode::empty(),
        WITHIN,
    )?)
}

/// A descriptor of its own for an open directory, to list it.
pub(crate) fn reopen_directory(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    open_within(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens the directory at `name`, which is still the one in `seen`.
pub(crate) fn open_directory(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    seen: &Stat,
    repair: Repair,
) -> io::Result<Handle> {
    if !repair.needs(seen) {
        let fd = open_within(dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        same(stat(fd.as_fd())?.id, seen.id)?;
        return Ok(Handle {
            fd,
            id: seen.id,
            mode: None,
        });
    }
    let place = open_within(dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
    repaired_directory(place.as_fd(), seen.id, repair)
}

/// Opens the parent of an open directory, which is still the one of that identity.
pub(crate) fn open_parent(dir: BorrowedFd<'_>, id: Id, repair: Repair) -> io::Result<Handle> {
    // `..` of a directory that was moved is somewhere else, possibly outside: the identity decides.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat(dir, c"..", flags, Mode::empty())?;
    repaired_directory(place.as_fd(), id, repair)
}

/// Opens for listing what is open as a place only.
pub(crate) fn repaired_directory(
    place: BorrowedFd<'_>,
    id: Id,
    repair: Repair,
) -> io::Result<Handle> {
    let now = stat(place)?;
    same(now.id, id)?;
    let mut mode = None;
    if repair.needs(&now) {
        let bits = Mode::from_raw_mode(now.mode | repair.bits());
        rustix::fs::chmod(proc_path(place), bits)?;
        mode = Some(now.mode);
    }
    let opened = reopen_directory(place);
    if opened.is_err()
        && let Some(mode) = mode
    {
        let _ = rustix::fs::chmod(proc_path(place), Mode::from_raw_mode(mode));
    }
    Ok(Handle {
        fd: opened?,
        id,
        mode,
    })
}

/// A regular file, open for reading. Its mode is put back when it is closed, not before: the kernel
/// asks for the right to read it again for each of its attributes (xattr(7)).
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub file: File,
    mode: Option<u32>,
}

impl OpenFile {
    /// What it is now, with the mode that it has when it is closed.
    pub(crate) fn stat(&self) -> io::Result<Stat> {
        let now = stat(self.file.as_fd())?;
        Ok(Stat {
            mode: self.mode.unwrap_or(now.mode),
            ..now
        })
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(mode) = self.mode {
            let _ = rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode));
        }
    }
}

/// Opens the regular file at `name` for reading, which is still the one in `seen`.
pub(crate) fn open_file(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    seen: &Stat,
    repair: Repair,
) -> io::Result<OpenFile> {
    // Should a FIFO have taken its place, opening does not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = if repair != Repair::Never && seen.mode & 0o400 == 0 && Repair::Read.needs(seen) {
        let place = open_within(dir, name, OFlags::PATH)?;
        let now = stat(place.as_fd())?;
        same(now.id, seen.id)?;
        let path = proc_path(place.as_fd());
        rustix::fs::chmod(&path, Mode::from_raw_mode(now.mode | 0o400))?;
        let opened = rustix::fs::open(&path, flags | OFlags::CLOEXEC, Mode::empty());
        if opened.is_err() {
            let _ = rustix::fs::chmod(&path, Mode::from_raw_mode(now.mode));
        }
        OpenFile {
            file: opened?.into(),
            mode: Some(now.mode),
        }
    } else {
        OpenFile {
            file: open_within(dir, name, flags)?.into(),
            mode: None,
        }
    };
    let now = stat(opened.file.as_fd())?;
    same(now.id, seen.id)?;
    same(now.file_type, seen.file_type)?;
    Ok(opened)
}

/// What the symbolic link at `name` says.
pub(crate) fn read_link(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<PathBuf> {
    let text = rustix::fs::readlinkat(dir, name, Vec::new())?;
    Ok(Path::new(OsStr::from_bytes(text.as_bytes())).to_path_buf())
}

/// Opens a place of any depth beneath `root`. The kernel takes paths of up to 4095 bytes at once.
pub(crate) fn open_deep(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let mut rest = path.as_os_str().as_bytes();
    let mut here = open_within(root, c".", OFlags::PATH)?;
    while !rest.is_empty() {
        let end = if rest.len() < 4000 {
            rest.len()
        } else {
            let slash = rest[..4000].iter().rposition(|byte| *byte == b'/');
            slash.ok_or(io::ErrorKind::InvalidInput)?
        };
        here = open_within(here.as_fd(), OsStr::from_bytes(&rest[..end]), OFlags::PATH)?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(here)
}

/// An error unless the two are the same.
pub(crate) fn same<T: PartialEq>(now: T, before: T) -> io::Result<()> {
    if now == before {
        Ok(())
    } else {
        Err(io::Error::other("it changed while it was being read"))
    }
}
