//! What a failure in the child means.

use crate::error::{MountError, StepError};
use crate::mounts::{BindOp, LayerOp, Mounts, Op, Tree, path_of};
use std::path::PathBuf;

impl Mounts {
    /// What a failure in the child means.
    pub fn explain(&self, error: StepError) -> MountError {
        let StepError { index, errno } = error;
        let Some(op) = self.ops.get(usize::from(index)) else {
            return MountError::NoSuchOperation { index, errno };
        };
        let operation = op.to_string();
        match (&op.0, errno.raw()) {
            (_, libc::ENOSYS) => MountError::Kernel { operation, errno },
            (Op::Fresh { kind, .. }, libc::EPERM) => MountError::TooRevealing {
                kind: if *kind == c"proc" { "proc" } else { "sysfs" },
                errno,
            },
            (
                Op::Bind(BindOp {
                    tree: Tree { source, .. },
                    ..
                })
                | Op::Layer(LayerOp {
                    tree: Tree { source, .. },
                    ..
                })
                | Op::Device { source, .. },
                libc::ESTALE,
            ) => {
                let path = path_of(source).into();
                MountError::SourceChanged { path, errno }
            }
            (Op::Bind(BindOp { tree, .. }) | Op::Layer(LayerOp { tree, .. }), libc::EINVAL)
                if tree.lent =>
            {
                let path = path_of(&tree.source).into();
                MountError::NotDetached { path, errno }
            }
            (Op::Layer(LayerOp { tree, .. }), libc::EINVAL) => MountError::LayerHasMounts {
                path: path_of(&tree.source).into(),
                errno,
            },
            (Op::Layer(layer), _) if layer.upper.is_some() => MountError::UpperDirectory {
                path: path_of(&layer.tree.source).into(),
                errno,
            },
            (Op::Overlay(_), raw) => match (raw, self.directory_before(index)) {
                (libc::ENODEV, _) => MountError::NoOverlay { operation, errno },
                (libc::EROFS | libc::EOVERFLOW | libc::EACCES, Some(path)) => {
                    MountError::UpperDirectory { path, errno }
                }
                (libc::EPERM | libc::EACCES, _) => MountError::OverlayRefused { operation, errno },
                (libc::EINVAL, _) => MountError::LayersUnsupported { operation, errno },
                (libc::ELOOP | libc::EBUSY, _) => MountError::LayersInUse { operation, errno },
                _ => MountError::Operation { operation, errno },
            },
            (Op::Bind(_) | Op::Hide { .. } | Op::Attach { .. } | Op::Pin { .. }, libc::ELOOP) => {
                MountError::TargetSymlink { operation, errno }
            }
            (Op::Pivot { .. }, libc::EINVAL) => MountError::Pivot { errno },
            _ => MountError::Operation { operation, errno },
        }
    }

    /// The upper directory on disk of the overlay that the operation with this index makes.
    fn directory_before(&self, index: u16) -> Option<PathBuf> {
        let before = self.ops.get(..usize::from(index))?;
        let layers = before.iter().rev().map_while(|op| match &op.0 {
            Op::Layer(layer) => Some(layer),
            _ => None,
        });
        let mut upper = layers.filter(|layer| layer.upper.is_some());
        Some(path_of(&upper.next()?.tree.source).into())
    }
}
