//! What an overlay shows, looked up in its layers on the host.

use crate::layers::{Layers, UpperLayer, c_path};
use crate::source::{Host, Met};
use cofferdam_sys::mount::overlay::is_opaque;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// A directory of an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The directories of the layers that it is made of, topmost first.
    dirs: Vec<PathBuf>,
    /// The first one is in the upper layer.
    upper: bool,
}

/// What an overlay has at a name, and where that is on the host, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    Absent,
    Directory(Merged),
    Other,
    Link(PathBuf),
}

impl Merged {
    /// The overlay's root, as it will be when it is mounted.
    pub(crate) fn root(layers: &Layers, host: &mut Host) -> Self {
        let lowers = layers.lowers.iter().map(|layer| layer.source.path.clone());
        let mut dirs: Vec<PathBuf> = lowers.collect();
        let mut upper = false;
        if let UpperLayer::Directory(source) = &layers.upper {
            let path = source.path.join("upper");
            upper = matches!(host.look(&path), Ok(Met::Directory));
            if upper {
                dirs.insert(0, path);
            }
        }
        Self { dirs, upper }
    }

    /// What is at a name in it, and the host's path of that (Documentation/filesystems/overlayfs.rst,
    /// "Directories" and "whiteouts and opaque directories").
    pub(crate) fn child(&self, host: &mut Host, name: &OsStr) -> io::Result<(PathBuf, Child)> {
        let mut found = Self {
            dirs: Vec::new(),
            upper: false,
        };
        let absent = self.dirs.last().cloned().unwrap_or_default().join(name);
        for (index, dir) in self.dirs.iter().enumerate() {
            let path = dir.join(name);
            let met = match host.look(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            match met {
                Met::Directory => {
                    found.upper |= self.upper && index == 0;
                    let last = index + 1 == self.dirs.len();
                    let opaque = !last && c_path(&path).is_some_and(|path| is_opaque(&path));
                    found.dirs.push(path);
                    if opaque {
                        break;
                    }
                }
                Met::Other if found.dirs.is_empty() => return Ok((path, Child::Other)),
                Met::Link(text) if found.dirs.is_empty() => return Ok((path, Child::Link(text))),
                Met::Whiteout | Met::Other | Met::Link(_) => break,
            }
        }
        Ok(match found.dirs.first() {
            Some(first) => (first.clone(), Child::Directory(found)),
            None => (absent, Child::Absent),
        })
    }

    /// Whether it can be renamed: not a directory that is in a lower layer, as long as redirections
    /// are off (fs/overlayfs/dir.c, `ovl_can_move`).
    pub(crate) fn can_move(&self) -> bool {
        self.upper && self.dirs.len() == 1
    }

    /// Its permission bits, those of the topmost layer.
    pub(crate) fn mode(&self) -> Option<u32> {
        let meta = self.dirs.first()?.symlink_metadata().ok()?;
        Some(meta.mode() & 0o1777)
    }
}
