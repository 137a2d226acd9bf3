//! The list of operations that builds a view, and how a person reads it.

use crate::detached::Detached;
use crate::error::{StepError, ViewError};
use crate::idmapped::IdMappedOwner;
use crate::overlay::MountedOverlay;
use crate::proc::Inner;
use cofferdam_sys::Errno;
use cofferdam_sys::mount::MountAttr;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Every operation of a view, in order; made by [`View::prepare`](crate::View::prepare). It can be
/// applied any number of times, in one child after the other.
#[derive(Debug)]
pub struct Mounts {
    pub(crate) ops: Vec<MountOp>,
    pub(crate) skipped: Vec<(PathBuf, &'static str)>,
    pub(crate) overlays: Vec<MountedOverlay>,
    /// An upper layer is in memory.
    pub(crate) store: bool,
    pub(crate) sockets: Vec<PathBuf>,
}

/// One operation: a few system calls. `Display` says what it does.
#[derive(Clone, Debug)]
pub struct MountOp(pub(crate) Op);

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Stops mount events between the new namespace and the host's.
    Private,
    /// Makes a tmpfs, attached nowhere yet, that the next entries go into.
    Tmpfs(Tmpfs),
    Dir {
        path: CString,
        mode: u32,
    },
    File {
        path: CString,
        bytes: Vec<u8>,
        mode: u32,
    },
    Symlink {
        path: CString,
        text: CString,
    },
    /// Makes a socket that listens.
    Socket {
        path: CString,
        mode: u32,
        /// Where it is in the view.
        full: PathBuf,
    },
    /// Puts the tmpfs over the old root, for what the view is built from. It lies under the view, so
    /// no target leads there, and goes with the old root.
    Scaffold {
        hidden: bool,
    },
    /// Puts the tmpfs there that holds the upper layers in memory, and keeps it open.
    Store,
    /// Puts the tmpfs there that holds what the rules need, as the topmost lower layer of the root.
    Skeleton {
        name: CString,
    },
    /// Puts a directory of the host there as a layer of the next overlay.
    Layer(LayerOp),
    /// Makes an overlay of the layers, attached nowhere yet.
    Overlay(OverlayOp),
    /// Binds a directory of an overlay onto itself, so that it is not renamed.
    Pin {
        target: CString,
    },
    /// Puts the tmpfs or overlay over the old root.
    AttachRoot {
        hidden: bool,
        read_only: bool,
    },
    /// Puts the tmpfs or overlay at its place.
    Attach {
        target: Target,
        read_only: bool,
    },
    Bind(BindOp),
    Device {
        source: CString,
        device: (u32, u32),
        target: Target,
    },
    Devpts {
        target: Target,
    },
    /// A new proc or sysfs.
    Fresh {
        kind: &'static CStr,
        target: Target,
        attributes: u64,
        /// What goes once it is made, before it gets to its place.
        replaces: Option<&'static CStr>,
    },
    /// Keeps the host's proc for as long as the kernel asks for one: it makes no new one in a mount namespace
    /// that does not show a whole one already (mount_too_revealing in fs/namespace.c).
    KeepProc,
    /// Covers something in the last new proc or sysfs.
    Mask {
        inner: Inner,
    },
    /// Makes something in the last new proc read-only.
    ReadOnly {
        inner: Inner,
    },
    Hide {
        target: CString,
        directory: bool,
    },
    /// Makes the view the root and the old root unreachable.
    Pivot {
        hidden: bool,
    },
    /// Opens what hidden paths are covered with in a template, and with `root` the root first.
    Covers {
        root: bool,
    },
    /// Moves a mount from where a template keeps it to its place.
    Move {
        from: CString,
        target: Target,
    },
    /// Makes sure that a mount of the template is still there: the kernel takes it away when what it lies on is
    /// renamed or removed elsewhere.
    Check {
        target: CString,
        object: Option<((u32, u32), u64)>,
    },
    /// Ends what `Covers` with `root` began.
    Settle,
}

#[derive(Clone, Debug)]
pub(crate) struct Tmpfs {
    pub target: CString,
    pub size: CString,
    pub inodes: CString,
    pub mode: CString,
    pub attributes: u64,
}

/// Where a mount goes, below the view's root.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub path: CString,
    /// In the view's own memory: nobody else can have put a link or anything else on the way.
    pub own: bool,
}

/// A directory or file of the host whose mount is copied.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Where [`Detached`] has the copy, if the parent made it.
    pub slot: usize,
    pub source: CString,
    pub dev: (u32, u32),
    pub ino: u64,
    /// With the mounts below it.
    pub recursive: bool,
    pub attributes: MountAttr,
    pub id_mapped: Option<IdMappedOwner>,
    /// The parent makes the copy.
    pub lent: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct BindOp {
    pub tree: Tree,
    pub target: Target,
}

#[derive(Clone, Debug)]
pub(crate) struct LayerOp {
    pub tree: Tree,
    pub name: CString,
    /// For the directory of an upper layer, the permission bits of that.
    pub upper: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct OverlayOp {
    /// Names in the scaffold, topmost layer first, as the option takes them.
    pub lowers: CString,
    pub layers: usize,
    pub upper: Option<UpperDirs>,
    pub attributes: u64,
    /// Where it will be, for a person.
    pub target: CString,
}

/// The names in the scaffold of an upper layer's directories.
#[derive(Clone, Debug)]
pub(crate) struct UpperDirs {
    pub upper: CString,
    pub work: CString,
    pub memory: bool,
}

/// Names of the two things that hidden paths are covered with: in the scaffold if there is one, else in
/// the view's root, where they are removed before the view is used.
pub(crate) const HIDDEN_FILE: &CStr = c".cofferdam-hidden-file";
pub(crate) const HIDDEN_DIR: &CStr = c".cofferdam-hidden-directory";
/// The same where a template keeps them: below what the proc of each child covers.
pub(crate) const KEPT_FILE: &CStr = c"proc/.cofferdam-hidden-file";
pub(crate) const KEPT_DIR: &CStr = c"proc/.cofferdam-hidden-directory";

/// Where a template keeps the host's proc, from the root of the view on, which is the child's working directory too.
pub(crate) const KEPT_PROC: &CStr = c"proc/.cofferdam-proc";
/// Where a child of a [`Template`](crate::Template) sets the clocks of its time namespace (time_namespaces(7)), until
/// it has a proc of its own.
pub const TEMPLATE_CLOCKS: &CStr = c"/proc/.cofferdam-proc/self/timens_offsets";

/// Names in the scaffold: the tmpfs for upper layers in memory, the directory of an upper layer on
/// disk, and an empty directory.
pub(crate) const STORE: &CStr = c"memory";
pub(crate) const UPPER_DIRECTORY: &CStr = c"disk";
pub(crate) const EMPTY: &CStr = c"empty";

impl Mounts {
    /// The operations, in order.
    pub fn ops(&self) -> &[MountOp] {
        &self.ops
    }

    /// Optional rules that were left out, with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.skipped
            .iter()
            .map(|(path, reason)| (path.as_path(), *reason))
    }

    /// The overlays, in the order of their targets.
    pub fn overlays(&self) -> &[MountedOverlay] {
        &self.overlays
    }

    /// The sockets of the view, in the order in which they are made.
    pub fn sockets(&self) -> &[PathBuf] {
        &self.sockets
    }

    /// Whether a bind or a layer is id-mapped, so that [`detach`](Self::detach) is needed for each
    /// child.
    pub fn needs_detach(&self) -> bool {
        self.trees().any(|tree| tree.lent)
    }

    /// Whether upper layers are in memory, which the host can read through the descriptor that
    /// [`Context::handed_out`](crate::Context::handed_out) gives the child.
    pub fn hands_out(&self) -> bool {
        self.store
    }

    /// Carries out all operations in the child, in its own mount namespace: raw calls, no allocation.
    /// At the end the view is the root, `/` the working directory, and the old root is gone.
    ///
    /// The caller needs `CAP_SYS_ADMIN` in the user namespace that owns the mount namespace, ids that
    /// this one maps, and a working directory, root and umask of its own (no `CLONE_FS`). With a
    /// proc in the view it must also be in the new pid namespace.
    ///
    /// # Errors
    /// The index of the failed operation and the kernel's error number; [`explain`](Self::explain)
    /// puts it in words. The child must not go on.
    pub fn apply(&self, detached: &Detached) -> Result<(), StepError> {
        let mut context = self.begin(detached);
        for (index, op) in self.ops.iter().enumerate() {
            let index = index as u16;
            op.apply(&mut context)
                .map_err(|errno| StepError { index, errno })?;
        }
        Ok(())
    }

    pub(crate) fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.ops.iter().filter_map(|MountOp(op)| match op {
            Op::Bind(bind) => Some(&bind.tree),
            Op::Layer(layer) => Some(&layer.tree),
            _ => None,
        })
    }
}

pub(crate) fn c_string(path: &Path) -> Result<CString, ViewError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| ViewError::Nul { path: path.into() })
}

pub(crate) fn path_of(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}

impl From<StepError> for Errno {
    fn from(error: StepError) -> Self {
        error.errno
    }
}
