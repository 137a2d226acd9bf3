//! Overlays: what a caller says of them.

use crate::idmapped::IdMappedOwner;
use std::path::PathBuf;

/// Directories laid over each other by the kernel's overlayfs, mounted by the child in its own user
/// namespace: what the sandbox changes goes to the upper layer, the lower ones stay as they are.
///
/// Set-user-ID bits and device nodes have no effect. It is mounted with `userxattr` and without
/// `redirect_dir`, `metacopy` and `index`, so renaming a directory of a lower layer is `EXDEV`, for
/// which programs such as mv(1) copy. A file of a lower layer whose owner the child's user namespace
/// does not map cannot be changed, whatever its mode: the kernel would have to give the copy to an
/// owner it does not have (`EOVERFLOW`).
///
/// Needs Linux 5.11 with overlayfs; see [`Support::overlay`](crate::Support::overlay). The layers of
/// an upper one must not be changed from outside while the sandbox runs, nor used by two sandboxes
/// at a time (Documentation/filesystems/overlayfs.rst, "Changes to underlying filesystems").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The layers that nothing is written to, topmost first; at most 64. None of them may hold a mount
    /// point, or lie in another one.
    pub lowers: Vec<Lower>,
    /// Where changes go.
    pub upper: Upper,
    /// Programs in it can be executed.
    pub exec: bool,
}

/// A directory of the host that nothing is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lower {
    /// The directory.
    pub source: PathBuf,
    /// Show the files of this owner as the sandbox's own, as in [`Bind`](crate::Bind). Needs root,
    /// Linux 5.19, and [`Mounts::detach`](crate::Mounts::detach) before each child.
    pub id_mapped: Option<IdMappedOwner>,
}

/// Where the changes of an overlay go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upper {
    /// Nowhere: the overlay is read-only, and needs a lower layer.
    None,
    /// Memory, of which all overlays of a view share
    /// [`View::upper_memory`](crate::View::upper_memory). Before Linux 6.6 a directory of a lower
    /// layer can neither be removed, unless it was empty there, nor be made anew (`EIO`): see
    /// [`Support::overlay_in_memory`](crate::Support::overlay_in_memory).
    Memory,
    /// This directory of the host. The layer is `upper` in it, beside `work`, which the kernel needs
    /// for itself; the child makes those of the two that are missing. It must exist, be owned by the
    /// ids that the child has, and lie on a writable file system with extended attributes, such as
    /// ext4, xfs or btrfs. What is in `upper` already is seen in the overlay: it was a sandbox that
    /// wrote it.
    ///
    /// The kernel leaves `work/work`, a directory of mode 0 that may hold a whiteout: its owner has to
    /// change the mode to remove it. When the sandbox ends it writes what it has cached of the file
    /// system to disk, as sync(2) does.
    Directory(PathBuf),
}

impl Overlay {
    /// One lower layer, with programs that can be executed.
    pub fn new(lower: impl Into<PathBuf>, upper: Upper) -> Self {
        Self {
            lowers: vec![Lower::new(lower)],
            upper,
            exec: true,
        }
    }
}

impl Lower {
    /// A layer whose files belong to whom they belong on disk.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            id_mapped: None,
        }
    }
}

/// An overlay of a view, as [`Mounts::overlays`](crate::Mounts::overlays) lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedOverlay {
    /// Where it is in the view.
    pub target: PathBuf,
    /// Where its changes are.
    pub upper: MountedUpper,
}

/// Where the changes of a mounted overlay are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountedUpper {
    /// It is read-only.
    None,
    /// In the directory `N/upper` of the tmpfs that
    /// [`Context::handed_out`](crate::Context::handed_out) is the root of.
    Memory {
        /// N, counted from 0 in the order of the targets.
        number: usize,
    },
    /// In the directory `upper` of this one of the host, a path without symbolic links.
    Directory(PathBuf),
}
