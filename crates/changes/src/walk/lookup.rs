//! What each view has at a name.

use super::frame::Frame;
use super::{Entry, Found, Pending, Walk};
use crate::attributes;
use crate::fs;
use crate::state::{FileType, Stat};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;

impl Walk {
    /// What is at `name` in the current directory, if the views can differ there. A directory is
    /// noted to be gone into next.
    pub(super) fn look(&mut self, name: &OsStr) -> io::Result<Option<Entry>> {
        let Some(frame) = self.frames.last() else {
            return Ok(None);
        };
        let mut known = vec![None; frame.handles.len()];
        let a = self.found(frame, &frame.a, name, &mut known)?;
        let b = self.found(frame, &frame.b, name, &mut known)?;
        match (&a, &b) {
            (None, None) => return Ok(None),
            // Both views show what is in the shared layer.
            (Some(a), Some(b)) if a.layer == b.layer => return Ok(None),
            _ => {}
        }
        let is_directory = |found: &Option<Found>| {
            found
                .as_ref()
                .is_some_and(|found| found.stat.file_type.is_directory())
        };
        let into = is_directory(&b) || (is_directory(&a) && self.plan.into_removed);
        self.pending = into.then(|| Pending {
            name: name.into(),
            a: a.clone(),
            b: b.clone(),
            made: None,
        });
        let name = name.into();
        Ok(Some(Entry { name, a, b }))
    }

    fn found(
        &self,
        frame: &Frame,
        view: &[usize],
        name: &OsStr,
        known: &mut [Option<Option<Stat>>],
    ) -> io::Result<Option<Found>> {
        let mut found: Option<Found> = None;
        for layer in view {
            let stat = match known[*layer] {
                Some(stat) => stat,
                None => {
                    let handle = frame.handles[*layer].as_ref();
                    let handle = handle.ok_or(io::ErrorKind::NotFound)?;
                    *known[*layer].insert(fs::stat_at(handle.fd.as_fd(), name)?)
                }
            };
            let Some(stat) = stat else {
                continue;
            };
            if self.is_whiteout(frame, *layer, name, &stat)? {
                break;
            }
            let directory = stat.file_type.is_directory();
            match &mut found {
                None => {
                    found = Some(Found {
                        layer: *layer,
                        stat,
                        directories: if directory { vec![*layer] } else { Vec::new() },
                    });
                }
                Some(above) if directory => above.directories.push(*layer),
                Some(_) => {}
            }
            if !directory {
                break;
            }
        }
        Ok(found)
    }

    /// Whether it says that nothing is there (overlayfs.rst, "whiteouts and opaque directories").
    fn is_whiteout(
        &self,
        frame: &Frame,
        layer: usize,
        name: &OsStr,
        stat: &Stat,
    ) -> io::Result<bool> {
        if !self.is_upper(layer) {
            return Ok(false);
        }
        match stat.file_type {
            FileType::CharacterDevice => Ok(stat.device == (0, 0)),
            FileType::Regular if stat.size == 0 => {
                let handle = frame.handles[layer].as_ref();
                let handle = handle.ok_or(io::ErrorKind::NotFound)?;
                let repair = self.plan.layers[layer].repair;
                let file = fs::open_file(handle.fd.as_fd(), name, stat, repair)?;
                attributes::is_whiteout(file.file.as_fd())
            }
            _ => Ok(false),
        }
    }
}
