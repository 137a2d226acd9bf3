//! The operations that lay an overlay's layers out and mount it.
//!
//! Overlayfs takes its layers as texts, in which colons, commas and backslashes have a meaning, and no
//! descriptors before Linux 6.13. So no path of the host is given to it: each layer is attached under
//! a short name in a tmpfs of its own, the scaffold, which is the working directory meanwhile.
//! Sources: fs/overlayfs/params.c; fs/fs_context.c, `legacy_parse_param` (before Linux 6.5).

use crate::error::ViewError;
use crate::layers::{Layer, Layers, UpperLayer};
use crate::layout::{Layout, What};
use crate::list::{List, number};
use crate::mounts::{
    BindOp, EMPTY, LayerOp, Op, OverlayOp, STORE, Target, Tree, UPPER_DIRECTORY, UpperDirs,
    c_string,
};
use crate::overlay::{MountedOverlay, MountedUpper};
use crate::view::UpperMemory;
use cofferdam_sys::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY,
};
use std::path::Path;

/// The overlays in the order of their targets, with the number of each upper layer in memory.
pub(crate) fn listed(layout: &Layout) -> Vec<MountedOverlay> {
    let root = layout.root.iter().map(|layers| (Path::new("/"), layers));
    let below = layout
        .mounts
        .iter()
        .filter_map(|(path, what, _)| match what {
            What::Overlay(layers) => Some((path.as_path(), layers)),
            _ => None,
        });
    let mut numbers = 0..;
    let overlay = |(target, layers): (&Path, &Layers)| MountedOverlay {
        target: target.into(),
        upper: match &layers.upper {
            UpperLayer::None => MountedUpper::None,
            UpperLayer::Memory => MountedUpper::Memory {
                number: numbers.next().unwrap_or_default(),
            },
            UpperLayer::Directory(source) => MountedUpper::Directory(source.path.clone()),
        },
    };
    root.chain(below).map(overlay).collect()
}

const QUIET: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

impl List {
    /// The tmpfs under the view, with a mount point for each name that a layer is given.
    pub(crate) fn scaffold(&mut self, hidden: bool, all: &[&Layers]) -> Result<(), ViewError> {
        let above = usize::from(self.has_layered_root());
        let most = all.iter().map(|layers| layers.lowers.len()).max();
        self.tmpfs(Path::new("the layers of overlays"), 0, 0o755, QUIET)?;
        if hidden {
            self.covers();
        }
        for name in 0..most.unwrap_or_default() + above {
            let path = number(name.to_string())?;
            self.ops.push(Op::Dir { path, mode: 0o755 });
        }
        let has = |wanted: fn(&Layers) -> bool| all.iter().any(|layers| wanted(layers));
        let names = [
            (STORE, has(|it| it.upper == UpperLayer::Memory)),
            (
                UPPER_DIRECTORY,
                has(|it| matches!(it.upper, UpperLayer::Directory(_))),
            ),
            (EMPTY, has(|it| it.lowers.is_empty())),
        ];
        for (name, _) in names.iter().filter(|(_, wanted)| *wanted) {
            let path = (*name).into();
            self.ops.push(Op::Dir { path, mode: 0o755 });
        }
        self.ops.push(Op::Scaffold { hidden });
        Ok(())
    }

    /// The tmpfs for the upper layers in memory, if there are any.
    pub(crate) fn store(
        &mut self,
        all: &[&Layers],
        memory: Option<UpperMemory>,
        overlays: &[MountedOverlay],
    ) -> Result<(), ViewError> {
        let in_memory = |(_, layers): &(usize, &&Layers)| layers.upper == UpperLayer::Memory;
        let stored = || all.iter().enumerate().filter(in_memory);
        let Some((first, _)) = stored().next() else {
            return Ok(());
        };
        let memory = memory.filter(|memory| memory.bytes > 0 && memory.inodes != Some(0));
        let Some(memory) = memory else {
            let target = overlays.get(first).map(|overlay| overlay.target.clone());
            let target = target.unwrap_or_default();
            return Err(ViewError::NoUpperMemory { target });
        };
        self.tmpfs(Path::new("upper layers"), memory.bytes, 0o755, QUIET)?;
        // The root, the directories made here, and the one that the kernel makes in `work`.
        let own = 4 * stored().count() as u64 + 1;
        if let (Some(inodes), Some(Op::Tmpfs(tmpfs))) = (memory.inodes, self.ops.last_mut()) {
            tmpfs.inodes = number(inodes.saturating_add(own).to_string())?;
        }
        for (number, (_, layers)) in stored().enumerate() {
            let dirs = [
                (number.to_string(), 0o700),
                (format!("{number}/upper"), layers.mode()),
                (format!("{number}/work"), 0o700),
            ];
            for (path, mode) in dirs {
                let path = c_string(Path::new(&path))?;
                self.ops.push(Op::Dir { path, mode });
            }
        }
        self.ops.push(Op::Store);
        Ok(())
    }

    /// The view's root: what the rules need, over the layers.
    pub(crate) fn layered_root(&mut self, layers: &Layers) -> Result<(), ViewError> {
        self.tmpfs(Path::new("/"), 0, layers.mode(), QUIET)?;
        let name = number("0".into())?;
        self.ops.push(Op::Skeleton { name });
        self.layers(Path::new("/"), layers, 1)?;
        let (hidden, read_only) = (false, !layers.writable());
        self.ops.push(Op::AttachRoot { hidden, read_only });
        Ok(())
    }

    pub(crate) fn overlay(
        &mut self,
        at: &Path,
        target: Target,
        layers: &Layers,
    ) -> Result<(), ViewError> {
        // The kernel makes no overlay of a single directory.
        if let ([lower], false) = (layers.lowers.as_slice(), layers.writable()) {
            let tree = self.layer(lower, layers, attributes(layers))?;
            self.ops.push(Op::Bind(BindOp { tree, target }));
            return Ok(());
        }
        self.layers(at, layers, 0)?;
        let read_only = false;
        self.ops.push(Op::Attach { target, read_only });
        Ok(())
    }

    /// The layers, of which `above` are there already, and the overlay of them.
    fn layers(&mut self, at: &Path, layers: &Layers, above: usize) -> Result<(), ViewError> {
        for (index, lower) in layers.lowers.iter().enumerate() {
            let tree = self.layer(lower, layers, QUIET | MOUNT_ATTR_RDONLY)?;
            self.ops.push(Op::Layer(LayerOp {
                tree,
                name: number((index + above).to_string())?,
                upper: None,
            }));
        }
        let dirs = |base: &str, memory| -> Result<UpperDirs, ViewError> {
            Ok(UpperDirs {
                upper: number(format!("{base}/upper"))?,
                work: number(format!("{base}/work"))?,
                memory,
            })
        };
        let upper = match &layers.upper {
            UpperLayer::None => None,
            UpperLayer::Memory => {
                let base = format!("{}/{}", STORE.to_string_lossy(), self.stored);
                self.stored += 1;
                Some(dirs(&base, true)?)
            }
            UpperLayer::Directory(source) => {
                let mut tree = self.tree(source, QUIET, None)?;
                tree.recursive = false;
                tree.lent = is_lent(layers);
                self.ops.push(Op::Layer(LayerOp {
                    tree,
                    name: UPPER_DIRECTORY.into(),
                    upper: Some(layers.mode()),
                }));
                Some(dirs(&UPPER_DIRECTORY.to_string_lossy(), false)?)
            }
        };
        let count = layers.lowers.len() + above;
        let names: Vec<String> = (0..count).map(|name| name.to_string()).collect();
        let lowers = match count {
            0 => EMPTY.into(),
            _ => number(names.join(":"))?,
        };
        self.ops.push(Op::Overlay(OverlayOp {
            lowers,
            layers: count,
            upper,
            attributes: attributes(layers),
            target: c_string(at)?,
        }));
        Ok(())
    }

    fn layer(&mut self, lower: &Layer, of: &Layers, attributes: u64) -> Result<Tree, ViewError> {
        let mut tree = self.tree(&lower.source, attributes, lower.id_mapped)?;
        tree.recursive = false;
        tree.lent = is_lent(of);
        Ok(tree)
    }
}

/// Where one layer can only be copied by the parent, the child may be one that cannot reach the
/// others either.
fn is_lent(layers: &Layers) -> bool {
    layers.lowers.iter().any(|layer| layer.id_mapped.is_some())
}

fn attributes(layers: &Layers) -> u64 {
    let exec = if layers.exec { 0 } else { MOUNT_ATTR_NOEXEC };
    let read_only = if layers.writable() {
        0
    } else {
        MOUNT_ATTR_RDONLY
    };
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | exec | read_only
}
