//! Files of a tree that a sandbox can change, reached beneath a descriptor and never through a link.

use cofferdam_sys::mount::{
    self, FileId, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};
use cofferdam_sys::{Errno, fd};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions, ReadDir};
use std::io::{self, Read};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file of any type, held by an `O_PATH` descriptor: what it is cannot change any more, whatever
/// happens to its name.
#[derive(Debug)]
pub(super) struct Place {
    /// Opened by this value and closed with it.
    number: RawFd,
    id: FileId,
}

/// What a [`Place`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    Other,
}

impl Place {
    /// Opens a directory by a path that no symbolic link is in.
    ///
    /// # Errors
    /// As openat2(2); `ENOSYS` where /proc does not show this process's descriptors: reading goes
    /// through there, and a missing /proc must not look like missing files.
    pub(super) fn root(path: &Path) -> io::Result<Self> {
        let resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        let place = Self::opened(libc::AT_FDCWD, path, libc::O_DIRECTORY, resolve)?;
        let seen = fs::metadata(place.proc_path()).map_err(|_| Errno(libc::ENOSYS))?;
        match seen.ino() == place.id.ino {
            true => Ok(place),
            false => Err(Errno(libc::ENOSYS).into()),
        }
    }

    /// Opens what is at a path below this directory; a link at its end is opened itself, one on the
    /// way is `ELOOP`.
    pub(super) fn open(&self, path: &Path) -> io::Result<Self> {
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        Self::opened(self.number, path, libc::O_NOFOLLOW, resolve)
    }

    /// Whether there certainly is nothing at a name in this directory, not even a link. Who gets `false`
    /// knows nothing, and has to open it.
    pub(super) fn lacks(&self, name: &CStr) -> bool {
        let bytes = name.to_bytes();
        let one = !bytes.is_empty() && !bytes.contains(&b'/');
        one && mount::exists(self.number, name) == Ok(false)
    }

    /// As [`Place::open`] for one name, on the same mount only.
    pub(super) fn open_same_mount(&self, name: &OsStr) -> io::Result<Self> {
        let resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
        Self::opened(self.number, name.as_ref(), libc::O_NOFOLLOW, resolve)
    }

    /// The same, as it is now.
    pub(super) fn again(&self) -> io::Result<Self> {
        Self::known(fd::dup_from(self.number, 3)?)
    }

    /// The directory that this one is in now.
    pub(super) fn parent(&self) -> io::Result<Self> {
        let resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        Self::opened(self.number, "..".as_ref(), libc::O_DIRECTORY, resolve)
    }

    fn opened(dir: RawFd, path: &Path, flags: i32, resolve: u64) -> io::Result<Self> {
        let path = text(path.as_os_str())?;
        let number = loop {
            match mount::openat2(dir, &path, libc::O_PATH | flags, 0, resolve) {
                // A name changed while the kernel followed the path beneath a directory.
                Err(Errno(libc::EAGAIN | libc::EINTR)) => {}
                other => break other?,
            }
        };
        Self::known(number)
    }

    fn known(number: RawFd) -> io::Result<Self> {
        match mount::identify(number) {
            Ok(id) => Ok(Self { number, id }),
            Err(errno) => {
                let _ = fd::close(number);
                Err(errno.into())
            }
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.id.mode & libc::S_IFMT {
            libc::S_IFREG => Kind::File,
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => Kind::Link,
            _ => Kind::Other,
        }
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> ((u32, u32), u64) {
        (self.id.dev, self.id.ino)
    }

    /// Names that lead to it.
    pub(super) fn names(&self) -> io::Result<u64> {
        Ok(fs::metadata(self.proc_path())?.nlink())
    }

    /// The contents of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// `EINVAL` for what is no regular file; `EFBIG` above the limit; as openat(2) and read(2).
    pub(super) fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.kind() != Kind::File {
            return Err(Errno(libc::EINVAL).into());
        }
        // Somebody may hold a lease on the file (fcntl(2)), for which a plain open would wait.
        let file: File = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(self.proc_path())?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > limit {
            true => Err(Errno(libc::EFBIG).into()),
            false => Ok(bytes),
        }
    }

    /// The names in this directory.
    pub(super) fn entries(&self) -> io::Result<ReadDir> {
        fs::read_dir(self.proc_path())
    }

    /// What the symbolic link `name` in this directory reads.
    pub(super) fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        fs::read_link(self.proc_path().join(single(name)?))
    }

    /// Makes the symbolic link `name` in this directory.
    pub(super) fn make_link(&self, name: &OsStr, link: &Path) -> io::Result<()> {
        let (name, link) = (text(single(name)?)?, text(link.as_os_str())?);
        Ok(mount::symlinkat(&link, self.number, &name)?)
    }

    /// Removes the name of what is no directory (unlinkat(2)): the link itself, never what it leads to.
    pub(super) fn unlink(&self, name: &OsStr) -> Result<(), Errno> {
        self.remove(name, 0)
    }

    /// Removes an empty directory.
    pub(super) fn rmdir(&self, name: &OsStr) -> Result<(), Errno> {
        self.remove(name, libc::AT_REMOVEDIR)
    }

    fn remove(&self, name: &OsStr, flags: i32) -> Result<(), Errno> {
        let name = single(name).and_then(text);
        let name = name.map_err(|_| Errno(libc::EINVAL))?;
        mount::unlinkat(self.number, &name, flags)
    }

    /// Gives the owner all rights on this directory, and says which mode it had when that was a change.
    /// A sandbox could have taken them away to keep the host out.
    pub(super) fn unlock(&self) -> io::Result<Option<u32>> {
        let mode = self.id.mode & 0o7777;
        if self.kind() != Kind::Directory || mode & 0o700 == 0o700 {
            return Ok(None);
        }
        self.set_mode(mode | 0o700)?;
        Ok(Some(mode))
    }

    /// Sets the mode of what is no link (chmod(2)).
    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(self.proc_path(), Permissions::from_mode(mode))
    }

    fn proc_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.number).into()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fd::close(self.number);
    }
}

/// As the kernel takes it.
pub(super) fn text(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| Errno(libc::EINVAL).into())
}

/// A name with a slash, or a dot name, would leave the directory.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    match matches!(bytes, b"" | b"." | b"..") || bytes.contains(&b'/') {
        true => Err(Errno(libc::EINVAL).into()),
        false => Ok(name),
    }
}

/// The bytes of a file as a path.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    OsString::from(OsStr::from_bytes(bytes)).into()
}
