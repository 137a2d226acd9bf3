//! Mounts that the parent copies for one child, attached nowhere until the child takes them.

use crate::error::DetachError;
use crate::idmapped::MappingNamespace;
use crate::mounts::{Mounts, Tree, path_of};
use cofferdam_sys::Errno;
use cofferdam_sys::mount::{self, AT_RECURSIVE, MOUNT_ATTR_IDMAP, MountAttr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// Copies of mounts for one child, by descriptor; they vanish with it. Must live until the child has
/// applied its [`Mounts`], and be made before the child is, so that it inherits them.
#[derive(Debug, Default)]
pub struct Detached {
    trees: Vec<Option<OwnedFd>>,
}

impl Detached {
    /// None: the child copies all mounts itself.
    pub const fn none() -> Self {
        Self { trees: Vec::new() }
    }

    /// The descriptors, close-on-exec, for a parent that hands the child its descriptors one by one.
    pub fn raw_fds(&self) -> impl Iterator<Item = RawFd> {
        self.trees.iter().flatten().map(AsRawFd::as_raw_fd)
    }

    pub(crate) fn tree(&self, slot: usize) -> Option<RawFd> {
        self.trees.get(slot)?.as_ref().map(AsRawFd::as_raw_fd)
    }
}

impl Mounts {
    /// Copies the mounts of the id-mapped binds, and of all layers of overlays with an id-mapped one, in
    /// the parent, for one child. Each needs one of `mappings` for its owner. Since Linux 5.12.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN` in the initial user namespace, when a source has changed, and for file
    /// systems that cannot be id-mapped.
    pub fn detach(&self, mappings: &[MappingNamespace]) -> Result<Detached, DetachError> {
        self.detach_where(mappings, |tree| tree.lent)
    }

    /// Copies the mounts of all binds and layers, in the parent, for one child: for a root host whose children run
    /// under throw-away ids, which could not open sources beneath directories that only root may
    /// enter. Takes a descriptor for each of them.
    ///
    /// # Errors
    /// As [`detach`](Self::detach).
    pub fn detach_all(&self, mappings: &[MappingNamespace]) -> Result<Detached, DetachError> {
        self.detach_where(mappings, |_| true)
    }

    fn detach_where(
        &self,
        mappings: &[MappingNamespace],
        wanted: impl Fn(&Tree) -> bool,
    ) -> Result<Detached, DetachError> {
        let trees = self
            .trees()
            .map(|tree| wanted(tree).then(|| copy(tree, mappings)).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Detached { trees })
    }
}

fn copy(bind: &Tree, mappings: &[MappingNamespace]) -> Result<OwnedFd, DetachError> {
    let path = || path_of(&bind.source).to_path_buf();
    let failed = |errno| DetachError::Source {
        path: path(),
        errno,
    };
    let place = mount::open_place(&bind.source).map_err(|errno| match errno.raw() {
        // There was no link at prepare.
        libc::ELOOP => DetachError::SourceChanged { path: path() },
        _ => failed(errno),
    })?;
    let id = mount::identify(place.as_raw_fd()).map_err(failed)?;
    if id.dev != bind.dev || id.ino != bind.ino {
        return Err(DetachError::SourceChanged { path: path() });
    }
    let recursive = if bind.recursive { AT_RECURSIVE } else { 0 };
    let tree = mount::copy_tree(place.as_fd(), recursive).map_err(|errno| DetachError::Copy {
        path: path(),
        errno,
    })?;
    let Some(owner) = bind.id_mapped else {
        let done = mount::mount_setattr(tree.as_raw_fd(), AT_RECURSIVE, &bind.attributes);
        return done
            .map(|()| tree)
            .map_err(|errno| DetachError::Attributes {
                path: path(),
                errno,
            });
    };
    let mapping = mappings
        .iter()
        .find(|mapping| mapping.owner() == owner)
        .ok_or_else(|| DetachError::NoMapping {
            path: path(),
            uid: owner.uid,
            gid: owner.gid,
        })?;
    let attributes = MountAttr {
        attr_set: bind.attributes.attr_set | MOUNT_ATTR_IDMAP,
        userns_fd: mapping.fd().as_raw_fd() as u64,
        ..bind.attributes
    };
    match mount::mount_setattr(tree.as_raw_fd(), AT_RECURSIVE, &attributes) {
        Ok(()) => Ok(tree),
        Err(errno @ Errno(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP)) => {
            Err(DetachError::IdMapUnsupported {
                path: path(),
                errno,
            })
        }
        Err(errno) => Err(DetachError::Attributes {
            path: path(),
            errno,
        }),
    }
}
