//! Finds a directory of the tree by its path, through links that stay in the tree.

use crate::entry::Components;
use crate::error::{Fault, Step};
use crate::source::beneath;
use crate::text::escaped;
use crate::tree::Tree;
use crate::{Limit, Refusal};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat2, readlinkat, statat,
};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// As many links are followed for one path as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;
/// Components that links may put before what is left of a path.
const PENDING: usize = 4096;

/// An opened directory of the tree.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) fd: Rc<OwnedFd>,
    pub(crate) inode: u64,
    /// Where it really is, without links.
    pub(crate) path: Components,
}

/// What to do about a directory that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    GiveUp,
}

impl Tree {
    /// The directory at this path. Symbolic links on the way are resolved as if the root of the tree were
    /// the root of everything (what `RESOLVE_IN_ROOT` means): by hand, as missing directories have to be
    /// made on the way. The kernel itself follows none.
    ///
    /// `None` if it does not exist and is not to be made.
    pub(crate) fn directory(
        &mut self,
        path: &[Vec<u8>],
        missing: Missing,
    ) -> Result<Option<Directory>, Fault> {
        let mut at = self.root_directory();
        let mut pending: Components = path.iter().rev().cloned().collect();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                at.path.pop();
                at = self.reopen(at.path)?;
                continue;
            }
            let mut existed = false;
            match kind(at.fd.as_fd(), &name)? {
                Some(FileType::Symlink) => {
                    links += 1;
                    let target = readlinkat(&*at.fd, &*name, Vec::new())
                        .step("read a link")?
                        .into_bytes();
                    let parts = target
                        .split(|b| *b == b'/')
                        .filter(|p| !matches!(*p, b"" | b"."));
                    pending.extend(parts.rev().map(Into::into));
                    if links > LINKS || pending.len() > PENDING {
                        return Err(Refusal::LinkLoop.into());
                    }
                    if target.starts_with(b"/") {
                        at = self.root_directory();
                    }
                    continue;
                }
                Some(FileType::Directory) => existed = true,
                Some(_) => return Err(Refusal::ParentNotDirectory(escaped(&name)).into()),
                None if missing == Missing::GiveUp => return Ok(None),
                None => {
                    self.meter.entry().map_err(Fault::Limit)?;
                    mkdirat(&*at.fd, &*name, Mode::RWXU).step("make a directory")?;
                    let made = open_directory(at.fd.as_fd(), &name).step("open a directory")?;
                    fchmod(&made, Mode::from_raw_mode(0o755))
                        .step("set the mode of a directory")?;
                }
            }
            if missing == Missing::Create {
                self.note(at.inode, &name);
            }
            if at.path.len() >= self.meter.limits().depth {
                return Err(Fault::Limit(Limit::Depth));
            }
            let fd = open_directory(at.fd.as_fd(), &name).step("open a directory")?;
            at.path.push(name);
            let stat = fstat(&fd).step("look at a directory")?;
            if existed {
                self.keep_time(stat.st_ino, &at.path, stat.st_mtime)?;
            }
            at = Directory {
                fd: Rc::new(fd),
                inode: stat.st_ino,
                path: at.path,
            };
        }
        Ok(Some(at))
    }

    /// The root of the tree as a directory.
    pub(crate) fn root_directory(&self) -> Directory {
        Directory {
            fd: Rc::clone(&self.root),
            inode: self.root_inode,
            path: Components::new(),
        }
    }

    /// The directory at a path that has no links.
    pub(crate) fn reopen(&self, path: Components) -> Result<Directory, Fault> {
        if path.is_empty() {
            return Ok(self.root_directory());
        }
        let fd = open_directory(self.root.as_fd(), &path.join(&b'/')).step("open a directory")?;
        let inode = fstat(&fd).step("look at a directory")?.st_ino;
        Ok(Directory {
            fd: Rc::new(fd),
            inode,
            path,
        })
    }
}

/// Opens a directory beneath another without following any link, so that it can be read.
pub(crate) fn open_directory(at: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(at, path, flags, Mode::empty(), beneath())
}

/// What a name stands for, without following it.
pub(crate) fn kind(at: BorrowedFd<'_>, name: &[u8]) -> Result<Option<FileType>, Fault> {
    match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).step("look a name up"),
    }
}
