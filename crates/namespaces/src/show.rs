//! How a person reads the list of operations.

use crate::mounts::{BindOp, LayerOp, MountOp, Mounts, Op, Tree, path_of};
use cofferdam_sys::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY,
};
use std::ffi::CStr;
use std::fmt;

impl fmt::Display for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for op in &self.ops {
            writeln!(f, "{op}")?;
        }
        Ok(())
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
            Op::Socket { path, mode, .. } => write!(f, "  socket {} {mode:o}", show(path)),
            Op::Symlink { path, text } => write!(f, "  link {} -> {}", show(path), show(text)),
            Op::Scaffold { .. } => write!(f, "mount it over the old root, under the view"),
            Op::Store => write!(f, "  upper layers in memory: it, handed out"),
            Op::Skeleton { name } => write!(f, "  layer {}: it", show(name)),
            Op::Layer(LayerOp { tree, name, upper }) => {
                match upper {
                    Some(_) => write!(f, "  changes: {}/upper", show(&tree.source))?,
                    None => write!(f, "  layer {}: {}", show(name), show(&tree.source))?,
                }
                mapped(f, tree)
            }
            Op::Overlay(overlay) => {
                let layers = if overlay.layers == 1 {
                    "layer"
                } else {
                    "layers"
                };
                let (target, count) = (show(&overlay.target), overlay.layers);
                write!(f, "overlay for {target}: {count} lower {layers}")?;
                match &overlay.upper {
                    Some(dirs) if dirs.memory => write!(f, ", changes in {}", show(&dirs.upper))?,
                    Some(_) => write!(f, ", changes on disk")?,
                    None => {}
                }
                write!(f, "{}", flags(overlay.attributes))
            }
            Op::Pin { target } => write!(f, "bind /{} onto itself, so that it stays", show(target)),
            Op::AttachRoot { read_only, .. } => write!(
                f,
                "mount it over the old root{}",
                if *read_only { ", read-only" } else { "" }
            ),
            Op::Attach { target, read_only } => write!(
                f,
                "mount it on /{}{}",
                show(&target.path),
                if *read_only { ", read-only" } else { "" }
            ),
            Op::Bind(bind) => {
                let BindOp { tree, target } = bind;
                write!(f, "bind {} on /{}", show(&tree.source), show(&target.path))?;
                if tree.attributes.attr_set & MOUNT_ATTR_RDONLY == 0 {
                    write!(f, ", writable")?;
                }
                write!(f, "{}", flags(tree.attributes.attr_set))?;
                mapped(f, tree)
            }
            Op::Device { source, target, .. } => {
                write!(f, "device {} on /{}", show(source), show(&target.path))
            }
            Op::Devpts { target } => write!(f, "new devpts on /{}", show(&target.path)),
            Op::Fresh {
                kind,
                target,
                attributes,
                ..
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
            Op::KeepProc => write!(f, "keep the host's proc until there is a new one"),
            Op::Covers { .. } => write!(f, "open what hidden paths are covered with"),
            Op::Move { from, target } => {
                write!(f, "move /{} to /{}", show(from), show(&target.path))
            }
            Op::Check { target, .. } => write!(f, "see that /{} is still covered", show(target)),
            Op::Settle => write!(f, "go to the root of the view"),
        }
    }
}

fn mapped(f: &mut fmt::Formatter<'_>, tree: &Tree) -> fmt::Result {
    match tree.id_mapped {
        Some(owner) => write!(f, ", id-mapped from {}:{}", owner.uid, owner.gid),
        None => Ok(()),
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
