//! Makes directories, files and links of the tree. No call here follows a link or opens what exists.

use crate::Refusal;
use crate::entry::{Components, Metadata};
use crate::error::{Fault, Step};
use crate::resolve::{Directory, Missing, kind, open_directory};
use crate::source::beneath;
use crate::text::escaped;
use crate::tree::{Tree, times};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, XattrFlags, fchmod, fsetxattr, fstat, futimens, linkat,
    mkdirat, openat2, statat, symlinkat, utimensat,
};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

const BLOCK: usize = 64 << 10;

impl Tree {
    /// Sets what the image says about its root.
    pub(crate) fn root_metadata(&mut self, metadata: &Metadata) -> Result<(), Fault> {
        let root = self.root_directory();
        self.directory_metadata(&root, metadata)
    }

    /// Makes a directory, or changes the metadata of the one that is there.
    pub(crate) fn make_directory(
        &mut self,
        path: &[Vec<u8>],
        metadata: &Metadata,
    ) -> Result<(), Fault> {
        let (parent, name) = self.parent(path)?;
        match kind(parent.fd.as_fd(), name)? {
            Some(FileType::Directory) => {}
            there => {
                if let Some(there) = there {
                    self.remove(&parent, name, there)?;
                }
                mkdirat(&*parent.fd, name, Mode::RWXU).step("make a directory")?;
            }
        }
        self.note(parent.inode, name);
        let fd = open_directory(parent.fd.as_fd(), name).step("open a directory")?;
        let mut path = parent.path;
        path.push(name.into());
        let made = Directory {
            inode: fstat(&fd).step("look at a directory")?.st_ino,
            fd: fd.into(),
            path,
        };
        self.directory_metadata(&made, metadata)
    }

    /// Makes a file with the contents that can be read; `progress` is called between blocks.
    pub(crate) fn make_file(
        &mut self,
        path: &[Vec<u8>],
        size: u64,
        contents: &mut dyn Read,
        metadata: &Metadata,
        progress: &mut dyn FnMut(),
    ) -> Result<(), Fault> {
        self.meter.file(size).map_err(Fault::Limit)?;
        let (parent, name) = self.parent(path)?;
        self.clear(&parent, name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file: File = openat2(&*parent.fd, name, flags, mode, beneath())
            .step("make a file")?
            .into();
        self.note(parent.inode, name);
        write(&file, size, contents, progress)?;
        set_attributes(&file, metadata)?;
        let mode = metadata.mode & 0o777 & self.mask() | 0o400;
        fchmod(&file, Mode::from_raw_mode(mode)).step("set the mode of a file")?;
        futimens(&file, &times(metadata.mtime)).step("set the time of a file")
    }

    /// Makes a symbolic link. What it leads to is of no concern: it is followed inside a sandbox only.
    pub(crate) fn make_symlink(
        &mut self,
        path: &[Vec<u8>],
        target: &[u8],
        metadata: &Metadata,
    ) -> Result<(), Fault> {
        let (parent, name) = self.parent(path)?;
        self.clear(&parent, name)?;
        symlinkat(target, &*parent.fd, name).step("make a symbolic link")?;
        self.note(parent.inode, name);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        utimensat(&*parent.fd, name, &times(metadata.mtime), flags).step("set the time of a link")
    }

    /// Makes another name for a regular file.
    pub(crate) fn make_hard_link(
        &mut self,
        path: &[Vec<u8>],
        target: &Components,
    ) -> Result<(), Fault> {
        let shown = || escaped(&target.join(&b'/'));
        let missing = || Refusal::HardLinkMissing(shown());
        let (target_name, target_parent) = target.split_last().ok_or_else(missing)?;
        let from = self
            .directory(target_parent, Missing::GiveUp)?
            .ok_or_else(missing)?;
        match kind(from.fd.as_fd(), target_name)? {
            Some(FileType::RegularFile) => {}
            Some(_) => return Err(Refusal::HardLinkNotFile(shown()).into()),
            None => return Err(missing().into()),
        }
        let (parent, name) = self.parent(path)?;
        let inode = |at: &Directory, name: &[u8]| {
            statat(&*at.fd, name, AtFlags::SYMLINK_NOFOLLOW)
                .map(|stat| stat.st_ino)
                .ok()
        };
        let source = inode(&from, target_name);
        // Clearing the name first would delete the file if both are one.
        if source.is_none() || inode(&parent, name) != source {
            self.clear(&parent, name)?;
            match linkat(
                &*from.fd,
                &**target_name,
                &*parent.fd,
                name,
                AtFlags::empty(),
            ) {
                // It was in the directory that had to go.
                Err(rustix::io::Errno::NOENT) => return Err(missing().into()),
                other => other.step("make a hard link")?,
            }
        }
        self.note(parent.inode, name);
        Ok(())
    }

    /// Takes away what is at a name, so that something else can be made there.
    fn clear(&mut self, parent: &Directory, name: &[u8]) -> Result<(), Fault> {
        match kind(parent.fd.as_fd(), name)? {
            Some(there) => self.remove(parent, name, there),
            None => Ok(()),
        }
    }

    fn directory_metadata(
        &mut self,
        directory: &Directory,
        metadata: &Metadata,
    ) -> Result<(), Fault> {
        set_attributes(&*directory.fd, metadata)?;
        let mode = metadata.mode & 0o1777 & self.mask() | 0o700;
        fchmod(&*directory.fd, Mode::from_raw_mode(mode)).step("set the mode of a directory")?;
        self.set_time_later(directory, metadata.mtime)
    }

    /// The permissions that may be given.
    fn mask(&self) -> u32 {
        if self.shared { !0o022 } else { !0 }
    }
}

fn set_attributes(fd: impl AsFd, metadata: &Metadata) -> Result<(), Fault> {
    for (name, value) in &metadata.attributes {
        fsetxattr(&fd, &**name, value, XattrFlags::empty()).step("set an extended attribute")?;
    }
    Ok(())
}

/// Writes the contents; blocks of zeros become holes.
fn write(
    file: &File,
    size: u64,
    contents: &mut dyn Read,
    progress: &mut dyn FnMut(),
) -> Result<(), Fault> {
    const STEP: &str = "write a file";
    let mut buffer = vec![0; BLOCK.min(usize::try_from(size).unwrap_or(BLOCK))];
    let mut done = 0_u64;
    while done < size {
        let read = match contents.read(&mut buffer) {
            Ok(0) => return Err(Refusal::Truncated.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Stream(error)),
        };
        if read < 4096 || buffer[..read].iter().any(|byte| *byte != 0) {
            file.write_all_at(&buffer[..read], done).step(STEP)?;
        }
        done += read as u64;
        progress();
    }
    file.set_len(size).step(STEP)
}
