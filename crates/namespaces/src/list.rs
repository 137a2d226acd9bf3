//! From a layout to the list of operations.

use crate::error::ViewError;
use crate::idmapped::IdMappedOwner;
use crate::layers::Layers;
use crate::layout::{ByPath, Entry, Layout, What};
use crate::list_overlay::listed;
use crate::mounts::{
    BindOp, HIDDEN_DIR, HIDDEN_FILE, MountOp, Mounts, Op, Target, Tmpfs, Tree, c_string,
};
use crate::proc;
use crate::source::Source;
use crate::view::{Bind, UpperMemory};
use cofferdam_sys::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MountAttr,
};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// More is no index of 16 bits.
const MAX_OPS: usize = u16::MAX as usize;

/// A file in tmpfs takes whole pages; the largest page of the supported architectures.
const PAGE: u64 = 64 << 10;

impl Mounts {
    pub(crate) fn from_layout(
        layout: Layout,
        memory: Option<UpperMemory>,
    ) -> Result<Self, ViewError> {
        let hidden = layout
            .mounts
            .iter()
            .any(|(_, what, _)| matches!(what, What::Hide { .. } | What::Proc | What::Sysfs));
        let overlays = listed(&layout);
        let scaffold = !overlays.is_empty();
        let mut list = List {
            ops: vec![Op::Private],
            slots: 0,
            contents: layout.contents,
            stored: 0,
            root: layout.root.is_some(),
        };
        if scaffold {
            let below = layout.mounts.iter().filter_map(|(_, what, _)| match what {
                What::Overlay(layers) => Some(layers),
                _ => None,
            });
            let all: Vec<&Layers> = layout.root.iter().chain(below).collect();
            list.scaffold(hidden, &all)?;
            list.store(&all, memory, &overlays)?;
        }
        match &layout.root {
            Some(layers) => list.layered_root(layers)?,
            None => list.root(hidden && !scaffold)?,
        }
        for (target, what, own) in layout.mounts {
            list.mount(&target, what, own)?;
        }
        let hidden = hidden && !scaffold;
        list.ops.push(Op::Pivot { hidden });
        if list.ops.len() > MAX_OPS {
            return Err(ViewError::TooMany {
                what: "operations",
                count: list.ops.len(),
                limit: MAX_OPS,
            });
        }
        let sockets = list.ops.iter().filter_map(|op| match op {
            Op::Socket { full, .. } => Some(full.clone()),
            _ => None,
        });
        Ok(Self {
            sockets: sockets.collect(),
            ops: list.ops.into_iter().map(MountOp).collect(),
            skipped: layout.skipped,
            overlays,
            store: list.stored > 0,
        })
    }
}

/// The operations so far.
pub(crate) struct List {
    pub ops: Vec<Op>,
    slots: usize,
    contents: ByPath<ByPath<Entry>>,
    /// Upper layers in memory that overlays have been given.
    pub stored: usize,
    /// The view's root is an overlay.
    root: bool,
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
            self.covers();
        }
        let read_only = true;
        self.ops.push(Op::AttachRoot { hidden, read_only });
        Ok(())
    }

    pub(crate) fn has_layered_root(&self) -> bool {
        self.root
    }

    /// What hidden paths are covered with.
    pub(crate) fn covers(&mut self) {
        self.ops.push(Op::File {
            path: HIDDEN_FILE.into(),
            bytes: Vec::new(),
            mode: 0,
        });
        let path = HIDDEN_DIR.into();
        self.ops.push(Op::Dir { path, mode: 0 });
    }

    fn mount(&mut self, at: &Path, what: What, own: bool) -> Result<(), ViewError> {
        let path = relative(at)?;
        // A layer of the root can hold a link where the rules have a directory.
        let own = own && !self.root;
        let target = Target { path, own };
        match what {
            What::Bind { source, bind } => {
                let tree = self.tree(&source, bind_attributes(bind), bind.id_mapped)?;
                self.ops.push(Op::Bind(BindOp { tree, target }));
            }
            What::Overlay(layers) => self.overlay(at, target, &layers)?,
            What::Pin => self.ops.push(Op::Pin {
                target: target.path,
            }),
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

    /// The copy of a mount of the host.
    pub(crate) fn tree(
        &mut self,
        source: &Source,
        attributes: u64,
        id_mapped: Option<IdMappedOwner>,
    ) -> Result<Tree, ViewError> {
        let slot = self.slots;
        self.slots += 1;
        Ok(Tree {
            slot,
            source: c_string(&source.path)?,
            dev: source.dev,
            ino: source.ino,
            recursive: true,
            attributes: MountAttr {
                attr_set: attributes,
                propagation: libc::MS_PRIVATE,
                ..MountAttr::default()
            },
            id_mapped,
            lent: id_mapped.is_some(),
        })
    }

    fn fresh(&mut self, kind: &'static CStr, target: Target, more: u64) {
        let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | more;
        self.ops.push(Op::Fresh {
            kind,
            target,
            attributes,
            replaces: None,
        });
    }

    /// The tmpfs and its contents, which do not count towards its size.
    pub(crate) fn tmpfs(
        &mut self,
        at: &Path,
        size: u64,
        mode: u32,
        attributes: u64,
    ) -> Result<(), ViewError> {
        let contents = self.contents.remove(at.as_os_str()).unwrap_or_default();
        let pages: u64 = contents
            .values()
            .map(|entry| match entry {
                Entry::Dir { .. } | Entry::Socket { .. } => 0,
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
            let full = at.join(&path);
            let path = c_string(Path::new(&path))?;
            self.ops.push(match entry {
                Entry::Socket { mode } => Op::Socket { path, mode, full },
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

fn bind_attributes(bind: Bind) -> u64 {
    let attributes = [
        (true, MOUNT_ATTR_NOSUID),
        (!bind.writable, MOUNT_ATTR_RDONLY),
        (!bind.devices, MOUNT_ATTR_NODEV),
        (!bind.exec, MOUNT_ATTR_NOEXEC),
    ];
    attributes
        .iter()
        .filter(|(wanted, _)| *wanted)
        .fold(0, |bits, (_, bit)| bits | bit)
}

pub(crate) fn number(text: String) -> Result<CString, ViewError> {
    CString::new(text).map_err(|error| ViewError::Nul {
        path: PathBuf::from(OsStr::from_bytes(&error.into_vec())),
    })
}

fn relative(target: &Path) -> Result<CString, ViewError> {
    c_string(target.strip_prefix("/").unwrap_or(target))
}
