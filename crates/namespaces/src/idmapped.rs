//! User namespaces that are there for id-mapped mounts alone.
//!
//! A mount with `MOUNT_ATTR_IDMAP` reads a file's owner `u` on disk as an id **inside** the given user
//! namespace and shows the id **outside** that it stands for; a file made through the mount goes the
//! other way. So a map `u → t` shows the files of `u` as owned by `t`, which a sandbox whose own user
//! namespace maps `t` sees as its user's.
//!
//! Source: Documentation/filesystems/idmappings.rst, "Idmappings on idmapped mounts".

use crate::idmap::{self, IdMapError, IdRange, WriteMapError};
use cofferdam_sys::Errno;
use cofferdam_sys::probe::NamespaceHolder;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Who owns the files on disk that a sandbox is to see as its own, in the host's numbers. Files of
/// anyone else are seen as nobody's and cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdMappedOwner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A user namespace that maps one owner on disk to one pair of outside ids: made once for a sandbox,
/// by root, and lent to each [`Mounts::detach`](crate::Mounts::detach).
#[derive(Debug)]
pub struct MappingNamespace {
    owner: IdMappedOwner,
    user_namespace: OwnedFd,
}

/// Why a [`MappingNamespace`] could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// An id is out of range.
    #[error(transparent)]
    Ids(#[from] IdMapError),
    /// The user namespace could not be made.
    #[error("cannot make a user namespace for an id-mapped mount: check user.max_user_namespaces")]
    Namespace(#[source] Errno),
    /// The maps could not be written.
    #[error(transparent)]
    Write(#[from] WriteMapError),
    /// The namespace's descriptor could not be opened.
    #[error("cannot open {path}: is /proc mounted?")]
    Open {
        /// The file in /proc.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl MappingNamespace {
    /// Shows the files of `owner` as those of `outside_uid` and `outside_gid`, the sandbox's ids in the
    /// caller's own user namespace.
    ///
    /// # Errors
    /// Without `CAP_SETUID` and `CAP_SETGID`, and where user namespaces cannot be made.
    pub fn new(
        owner: IdMappedOwner,
        outside_uid: u32,
        outside_gid: u32,
    ) -> Result<Self, MappingError> {
        let one = |kind, inside, outside| {
            let count = 1;
            let ranges = [IdRange {
                inside,
                outside,
                count,
            }];
            idmap::check(kind, &ranges).map(|()| idmap::text(&ranges))
        };
        let uid_map = one("user", owner.uid, outside_uid)?;
        let gid_map = one("group", owner.gid, outside_gid)?;
        let holder = NamespaceHolder::new().map_err(MappingError::Namespace)?;
        let pid = holder.pid();
        idmap::write_proc(pid, "uid_map", &uid_map)?;
        idmap::write_proc(pid, "gid_map", &gid_map)?;
        let path = format!("/proc/{pid}/ns/user");
        let opened = std::fs::File::open(&path);
        let user_namespace = opened
            .map_err(|source| MappingError::Open { path, source })?
            .into();
        Ok(Self {
            owner,
            user_namespace,
        })
    }

    /// Whose files it maps.
    pub fn owner(&self) -> IdMappedOwner {
        self.owner
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.user_namespace.as_fd()
    }
}
