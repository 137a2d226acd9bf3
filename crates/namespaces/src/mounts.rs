//! The list of operations that builds a view, and how a person reads it.

use crate::detached::Detached;
use crate::error::{MountError, StepError, ViewError};
use crate::idmapped::IdMappedOwner;
use crate::layout::{ByPath, Entry, Layout, What};
use crate::proc::{self, Inner};
use crate::source::Source;
use cofferdam_sys::Errno;
use cofferdam_sys::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MountAttr,
};
use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Every operation of a view, in order; made by [`View::prepare`](crate::View::prepare). It can be
/// applied any number of times, in one child after the other.
#[derive(Debug)]
pub struct Mounts {
    ops: Vec<MountOp>,
    skipped: Vec<(PathBuf, &'static str)>,
}

/// One operation: a few system calls. `Display` says what it does.
#[derive(Debug)]
pub struct MountOp(pub(crate) Op);

#[derive(Debug)]
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
    /// Puts the tmpfs over the old root.
    AttachRoot {
        hidden: bool,
    },
    /// Puts the tmpfs at its place.
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
    },
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
}

#[derive(Debug)]
pub(crate) struct Tmpfs {
    pub target: CString,
    pub size: CString,
    pub inodes: CString,
    pub mode: CString,
    pub attributes: u64,
}

/// Where a mount goes, below the view's root.
#[derive(Debug)]
pub(crate) struct Target {
    pub path: CString,
    /// In the view's own memory: nobody else can have put a link or anything else on the way.
    pub own: bool,
}

#[derive(Debug)]
pub(crate) struct BindOp {
    /// Where [`Detached`] has the copy, if the parent made it.
    pub slot: usize,
    pub source: CString,
    pub dev: (u32, u32),
    pub ino: u64,
    pub target: Target,
    pub attributes: MountAttr,
    pub id_mapped: Option<IdMappedOwner>,
}

/// Names in the view's root of the two things that hidden paths are covered with; they are removed
/// before the view is used.
pub(crate) const HIDDEN_FILE: &CStr = c".cofferdam-hidden-file";
pub(crate) const HIDDEN_DIR: &CStr = c".cofferdam-hidden-directory";

/// More is no index of 16 bits.
const MAX_OPS: usize = u16::MAX as usize;

/// A file in tmpfs takes whole pages; the largest page of the supported architectures.
const PAGE: u64 = 64 << 10;

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

    /// Whether a bind is id-mapped, so that [`detach`](Self::detach) is needed for each child.
    pub fn needs_detach(&self) -> bool {
        self.binds().any(|bind| bind.id_mapped.is_some())
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

    /// What a failure in the child means.
    pub fn explain(&self, error: StepError) -> MountError {
        let StepError { index, errno } = error;
        let Some(MountOp(op)) = self.ops.get(usize::from(index)) else {
            return MountError::NoSuchOperation { index, errno };
        };
        let operation = MountOp::text(op);
        match (op, errno.raw()) {
            (_, libc::ENOSYS) => MountError::Kernel { operation, errno },
            (Op::Fresh { kind, .. }, libc::EPERM) => MountError::TooRevealing {
                kind: if *kind == c"proc" { "proc" } else { "sysfs" },
                errno,
            },
            (Op::Bind(BindOp { source, .. }) | Op::Device { source, .. }, libc::ESTALE) => {
                let path = path_of(source).into();
                MountError::SourceChanged { path, errno }
            }
            (Op::Bind(bind), libc::EINVAL) if bind.id_mapped.is_some() => MountError::NotDetached {
                path: path_of(&bind.source).into(),
                errno,
            },
            (Op::Bind(_) | Op::Hide { .. } | Op::Attach { .. }, libc::ELOOP) => {
                MountError::TargetSymlink { operation, errno }
            }
            (Op::Pivot { .. }, libc::EINVAL) => MountError::Pivot { errno },
            _ => MountError::Operation { operation, errno },
        }
    }

    pub(crate) fn binds(&self) -> impl Iterator<Item = &BindOp> {
        self.ops.iter().filter_map(|MountOp(op)| match op {
            Op::Bind(bind) => Some(bind),
            _ => None,
        })
    }

    pub(crate) fn from_layout(layout: Layout) -> Result<Self, ViewError> {
        let hidden = layout
            .mounts
            .iter()
            .any(|(_, what, _)| matches!(what, What::Hide { .. } | What::Proc | What::Sysfs));
        let mut list = List {
            ops: vec![Op::Private],
            slots: 0,
            contents: layout.contents,
        };
        list.root(hidden)?;
        for (target, what, own) in layout.mounts {
            list.mount(&target, what, own)?;
        }
        list.ops.push(Op::Pivot { hidden });
        if list.ops.len() > MAX_OPS {
            return Err(ViewError::TooMany {
                what: "operations",
                count: list.ops.len(),
                limit: MAX_OPS,
            });
        }
        Ok(Self {
            ops: list.ops.into_iter().map(MountOp).collect(),
            skipped: layout.skipped,
        })
    }
}

struct List {
    ops: Vec<Op>,
    slots: usize,
    contents: ByPath<ByPath<Entry>>,
}

impl List {
    fn root(&mut self, hidden: bool) -> Result<(), ViewError> {
        self.tmpfs(
            Path::new("/"),
            0,
            0o755,
            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
        )?;
        if hidden {
            self.ops.push(Op::File {
                path: HIDDEN_FILE.into(),
                bytes: Vec::new(),
                mode: 0,
            });
            let path = HIDDEN_DIR.into();
            self.ops.push(Op::Dir { path, mode: 0 });
        }
        self.ops.push(Op::AttachRoot { hidden });
        Ok(())
    }

    fn mount(&mut self, at: &Path, what: What, own: bool) -> Result<(), ViewError> {
        let path = relative(at)?;
        let target = Target { path, own };
        match what {
            What::Bind { source, bind } => {
                let attributes = [
                    (true, MOUNT_ATTR_NOSUID),
                    (!bind.writable, MOUNT_ATTR_RDONLY),
                    (!bind.devices, MOUNT_ATTR_NODEV),
                    (!bind.exec, MOUNT_ATTR_NOEXEC),
                ];
                let set = attributes
                    .iter()
                    .filter(|(wanted, _)| *wanted)
                    .fold(0, |bits, (_, bit)| bits | bit);
                let Source { path, dev, ino, .. } = source;
                self.ops.push(Op::Bind(BindOp {
                    slot: self.slots,
                    source: c_string(&path)?,
                    dev,
                    ino,
                    target,
                    attributes: MountAttr {
                        attr_set: set,
                        propagation: libc::MS_PRIVATE,
                        ..MountAttr::default()
                    },
                    id_mapped: bind.id_mapped,
                }));
                self.slots += 1;
            }
            What::Tmpfs {
                size,
                mode,
                exec,
                read_only,
            } => {
                let noexec = if exec { 0 } else { MOUNT_ATTR_NOEXEC };
                let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | noexec;
                self.tmpfs(at, size, mode, attributes)?;
                self.ops.push(Op::Attach { target, read_only });
            }
            What::Device { source, device } => self.ops.push(Op::Device {
                source: c_string(Path::new(source))?,
                device,
                target,
            }),
            What::Devpts => self.ops.push(Op::Devpts { target }),
            What::Proc => {
                self.fresh(c"proc", target, 0);
                let (masked, read_only) = proc::proc_contents();
                self.ops
                    .extend(masked.into_iter().map(|inner| Op::Mask { inner }));
                self.ops
                    .extend(read_only.into_iter().map(|inner| Op::ReadOnly { inner }));
            }
            What::Sysfs => {
                self.fresh(c"sysfs", target, MOUNT_ATTR_RDONLY);
                let masked = proc::sysfs_contents();
                self.ops
                    .extend(masked.into_iter().map(|inner| Op::Mask { inner }));
            }
            What::Hide { directory } => self.ops.push(Op::Hide {
                target: target.path,
                directory,
            }),
        }
        Ok(())
    }

    fn fresh(&mut self, kind: &'static CStr, target: Target, more: u64) {
        let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | more;
        self.ops.push(Op::Fresh {
            kind,
            target,
            attributes,
        });
    }

    /// The tmpfs and its contents, which do not count towards its size.
    fn tmpfs(&mut self, at: &Path, size: u64, mode: u32, attributes: u64) -> Result<(), ViewError> {
        let contents = self.contents.remove(at.as_os_str()).unwrap_or_default();
        let pages: u64 = contents
            .values()
            .map(|entry| match entry {
                Entry::Dir { .. } => 0,
                Entry::File { bytes, .. } => (bytes.len() as u64).div_ceil(PAGE),
                Entry::Symlink { .. } => 1,
            })
            .sum();
        // Size 0 would mean no limit.
        let size = size.saturating_add(pages.saturating_mul(PAGE)).max(PAGE);
        let inodes = (size / 2048).max(1024) + contents.len() as u64;
        self.ops.push(Op::Tmpfs(Tmpfs {
            target: c_string(at)?,
            size: number(size.to_string())?,
            inodes: number(inodes.to_string())?,
            mode: number(format!("{mode:o}"))?,
            attributes,
        }));
        for (path, entry) in contents {
            let path = c_string(Path::new(&path))?;
            self.ops.push(match entry {
                Entry::Dir { mode } => Op::Dir { path, mode },
                Entry::File { bytes, mode } => Op::File { path, bytes, mode },
                Entry::Symlink { text } => Op::Symlink {
                    path,
                    text: c_string(&text)?,
                },
            });
        }
        Ok(())
    }
}

fn number(text: String) -> Result<CString, ViewError> {
    CString::new(text).map_err(|error| ViewError::Nul {
        path: PathBuf::from(OsStr::from_bytes(&error.into_vec())),
    })
}

fn relative(target: &Path) -> Result<CString, ViewError> {
    c_string(target.strip_prefix("/").unwrap_or(target))
}

pub(crate) fn c_string(path: &Path) -> Result<CString, ViewError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| ViewError::Nul { path: path.into() })
}

pub(crate) fn path_of(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}

impl fmt::Display for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for op in &self.ops {
            writeln!(f, "{op}")?;
        }
        Ok(())
    }
}

impl MountOp {
    fn text(op: &Op) -> String {
        Shown(op).to_string()
    }
}

impl fmt::Display for MountOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

struct Shown<'a>(&'a Op);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |text: &CStr| path_of(text).display().to_string();
        match self.0 {
            Op::Private => write!(f, "make every mount private"),
            Op::Tmpfs(tmpfs) => write!(
                f,
                "tmpfs for {}: {} bytes, {} files, mode {}{}",
                show(&tmpfs.target),
                tmpfs.size.to_string_lossy(),
                tmpfs.inodes.to_string_lossy(),
                tmpfs.mode.to_string_lossy(),
                flags(tmpfs.attributes)
            ),
            Op::Dir { path, mode } => write!(f, "  directory {} {mode:o}", show(path)),
            Op::File { path, bytes, mode } => {
                write!(f, "  file {} {mode:o}, {} bytes", show(path), bytes.len())
            }
            Op::Symlink { path, text } => write!(f, "  link {} -> {}", show(path), show(text)),
            Op::AttachRoot { .. } => write!(f, "mount it over the old root, read-only"),
            Op::Attach { target, read_only } => write!(
                f,
                "mount it on /{}{}",
                show(&target.path),
                if *read_only { ", read-only" } else { "" }
            ),
            Op::Bind(bind) => {
                let BindOp {
                    source,
                    target,
                    attributes,
                    id_mapped,
                    ..
                } = bind;
                write!(f, "bind {} on /{}", show(source), show(&target.path))?;
                if attributes.attr_set & MOUNT_ATTR_RDONLY == 0 {
                    write!(f, ", writable")?;
                }
                write!(f, "{}", flags(attributes.attr_set))?;
                match id_mapped {
                    Some(owner) => write!(f, ", id-mapped from {}:{}", owner.uid, owner.gid),
                    None => Ok(()),
                }
            }
            Op::Device { source, target, .. } => {
                write!(f, "device {} on /{}", show(source), show(&target.path))
            }
            Op::Devpts { target } => write!(f, "new devpts on /{}", show(&target.path)),
            Op::Fresh {
                kind,
                target,
                attributes,
            } => write!(
                f,
                "new {} on /{}{}",
                kind.to_string_lossy(),
                show(&target.path),
                flags(*attributes)
            ),
            Op::Mask { inner } => write!(f, "  hide {} in it", show(&inner.name)),
            Op::ReadOnly { inner } => write!(f, "  make {} in it read-only", show(&inner.name)),
            Op::Hide { target, .. } => write!(f, "hide /{}", show(target)),
            Op::Pivot { .. } => write!(f, "make the view the root, detach the old root"),
        }
    }
}

fn flags(attributes: u64) -> String {
    let names = [
        (MOUNT_ATTR_RDONLY, "read-only"),
        (MOUNT_ATTR_NOSUID, "nosuid"),
        (MOUNT_ATTR_NODEV, "nodev"),
        (MOUNT_ATTR_NOEXEC, "noexec"),
    ];
    names
        .iter()
        .filter(|(bit, _)| attributes & bit != 0)
        .map(|(_, name)| format!(", {name}"))
        .collect()
}

impl From<StepError> for Errno {
    fn from(error: StepError) -> Self {
        error.errno
    }
}
