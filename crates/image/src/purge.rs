//! Whiteouts: takes away what lower layers have, and spares what the layer at hand has named.

use crate::entry::Components;
use crate::error::{Fault, Step};
use crate::resolve::{Directory, Missing, kind};
use crate::tree::Tree;
use rustix::fs::{Dir, FileType};
use std::os::fd::AsFd;

impl Tree {
    /// Takes away what lower layers have at a path. A path that does not exist is fine.
    pub(crate) fn white_out(&mut self, path: &[Vec<u8>]) -> Result<(), Fault> {
        let Some((name, parent)) = path.split_last() else {
            return Ok(());
        };
        let Some(parent) = self.directory(parent, Missing::GiveUp)? else {
            return Ok(());
        };
        if let Some(below) = self.purge_name(&parent, name)? {
            self.purge_contents(below)?;
        }
        Ok(())
    }

    /// Takes away what lower layers have in a directory.
    pub(crate) fn make_opaque(&mut self, path: &[Vec<u8>]) -> Result<(), Fault> {
        match self.directory(path, Missing::GiveUp)? {
            Some(directory) => self.purge_contents(directory.path),
            None => Ok(()),
        }
    }

    /// Takes away one name. If it is a directory that the layer has named, its path is given instead: it
    /// stays, and what the layer has not named goes from it.
    fn purge_name(&mut self, at: &Directory, name: &[u8]) -> Result<Option<Components>, Fault> {
        let Some(kind) = kind(at.fd.as_fd(), name)? else {
            return Ok(None);
        };
        if !self.is_noted(at.inode, name) {
            self.remove(at, name, kind)?;
            return Ok(None);
        }
        Ok((kind == FileType::Directory).then(|| {
            let mut path = at.path.clone();
            path.push(name.into());
            path
        }))
    }

    fn purge_contents(&mut self, path: Components) -> Result<(), Fault> {
        let mut left = vec![path];
        while let Some(path) = left.pop() {
            let directory = self.reopen(path)?;
            // The stream is read while names go from the directory. Linux file systems neither leave
            // out a name nor give one twice for that.
            for entry in Dir::read_from(&*directory.fd).step("read a directory")? {
                let entry = entry.step("read a directory")?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    left.extend(self.purge_name(&directory, name)?);
                }
            }
        }
        Ok(())
    }
}
