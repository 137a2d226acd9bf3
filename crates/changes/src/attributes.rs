//! Extended attributes: those of the user, and those by which an overlay keeps its books.

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The kernel's limits for one value and for the list of names (xattr(7)).
const MAX: usize = 1 << 16;
const OPAQUE: &str = "user.overlay.opaque";
const ORIGIN: &str = "user.overlay.origin";
const WHITEOUT: &str = "user.overlay.whiteout";

/// Whether a directory hides those below it. The value `x` says that files in it may be whiteouts;
/// the kernel takes every other value for no.
pub(crate) fn is_opaque(directory: BorrowedFd<'_>) -> io::Result<bool> {
    let mut value = [0; 4];
    match rustix::fs::fgetxattr(directory, OPAQUE, &mut value[..]) {
        Ok(length) => Ok(value[..length] == *b"y"),
        Err(Errno::RANGE) => Ok(false),
        Err(error) => absent(error, false),
    }
}

/// Whether the overlay copied the open file up from below.
pub(crate) fn has_origin(file: BorrowedFd<'_>) -> io::Result<bool> {
    has(file, ORIGIN)
}

/// Whether the open file, which is empty, is a whiteout (Linux 6.7, overlayfs.rst "whiteouts and
/// opaque directories"). The mark on the directory decides for the kernel's listing alone; a lookup
/// finds nothing with and without it.
pub(crate) fn is_whiteout(file: BorrowedFd<'_>) -> io::Result<bool> {
    has(file, WHITEOUT)
}

fn has(file: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    match rustix::fs::fgetxattr(file, name, &mut [0_u8; 1][..]) {
        Ok(_) | Err(Errno::RANGE) => Ok(true),
        Err(error) => absent(error, false),
    }
}

/// Whether the file at `path`, which is not followed, has file capabilities (capabilities(7)).
pub(crate) fn has_capabilities(path: &Path) -> io::Result<bool> {
    match rustix::fs::lgetxattr(path, "security.capability", &mut [0_u8; 1][..]) {
        Ok(_) | Err(Errno::RANGE) => Ok(true),
        Err(error) => absent(error, false),
    }
}

/// Whether two open objects have the same attributes of the user.
pub(crate) fn equal(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> io::Result<bool> {
    let names = list(one)?;
    if names != list(other)? {
        return Ok(false);
    }
    for name in &names {
        if value(one, name)? != value(other, name)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives `to` the attributes of the user that `from` has, and no others. `to` is any path to the
/// object, followed.
pub(crate) fn copy(from: BorrowedFd<'_>, to: &Path) -> io::Result<()> {
    let names = list(from)?;
    let there = list_path(to)?;
    for name in there.iter().filter(|name| !names.contains(name)) {
        rustix::fs::removexattr(to, OsStr::from_bytes(name))?;
    }
    for name in &names {
        if let Some(value) = value(from, name)? {
            rustix::fs::setxattr(to, OsStr::from_bytes(name), &value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// Gives `to`, a new object, all attributes of the user that `from` has, and the overlay's own.
pub(crate) fn copy_all(from: BorrowedFd<'_>, to: &Path) -> io::Result<()> {
    match rustix::fs::flistxattr_query(from) {
        Ok(0) => return Ok(()),
        Ok(_) => {}
        Err(error) => return absent(error, ()),
    }
    let mut text = vec![0; MAX];
    let length = rustix::fs::flistxattr(from, &mut text[..])?;
    for name in text[..length].split(|byte| *byte == 0) {
        if name.starts_with(b"user.")
            && let Some(value) = value(from, name)?
        {
            rustix::fs::setxattr(to, OsStr::from_bytes(name), &value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// Gives `to` the access control list of what it replaces; `from` is not followed.
pub(crate) fn copy_acl(from: &Path, to: BorrowedFd<'_>) -> io::Result<()> {
    const ACL: &str = "system.posix_acl_access";
    let mut value = Vec::new();
    match rustix::fs::lgetxattr_query(from, ACL) {
        Ok(0) => return Ok(()),
        Ok(length) => value.resize(length, 0),
        Err(error) => return absent(error, ()),
    }
    let length = rustix::fs::lgetxattr(from, ACL, &mut value[..])?;
    rustix::fs::fsetxattr(to, ACL, &value[..length], XattrFlags::empty())?;
    Ok(())
}

/// The names of the user's attributes, sorted, the overlay's left out.
fn list(file: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    // Most files have none, and asking for the length is cheap.
    match rustix::fs::flistxattr_query(file) {
        Ok(0) => return Ok(Vec::new()),
        Ok(_) => {}
        Err(error) => return absent(error, Vec::new()),
    }
    let mut text = vec![0; MAX];
    let length = rustix::fs::flistxattr(file, &mut text[..])?;
    Ok(names_of(&text[..length]))
}

fn list_path(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    match rustix::fs::listxattr_query(path) {
        Ok(0) => return Ok(Vec::new()),
        Ok(_) => {}
        Err(error) => return absent(error, Vec::new()),
    }
    let mut text = vec![0; MAX];
    let length = rustix::fs::listxattr(path, &mut text[..])?;
    Ok(names_of(&text[..length]))
}

fn names_of(text: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = text
        .split(|byte| *byte == 0)
        .filter(|name| name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
        .map(<[u8]>::to_vec)
        .collect();
    names.sort_unstable();
    names
}

fn value(file: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let name = OsStr::from_bytes(name);
    let mut value = match rustix::fs::fgetxattr_query(file, name) {
        Ok(length) => vec![0; length],
        Err(error) => return absent(error, None),
    };
    match rustix::fs::fgetxattr(file, name, &mut value[..]) {
        Ok(length) => value.truncate(length),
        Err(error) => return absent(error, None),
    }
    Ok(Some(value))
}

/// No such attribute, and a file system without any, are no errors.
fn absent<T>(error: Errno, value: T) -> io::Result<T> {
    match error {
        Errno::NODATA | Errno::OPNOTSUPP => Ok(value),
        error => Err(error.into()),
    }
}
