//! The view: what of the file system a child sees, named rule by rule.

use crate::error::ViewError;
use crate::idmapped::IdMappedOwner;
use crate::mounts::Mounts;
use crate::overlay::Overlay;
use crate::{dev, layout, proc};
use std::path::{Path, PathBuf};

/// How a file or directory of the host is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bind {
    /// The child may change it. Otherwise it is read-only with everything mounted below it.
    pub writable: bool,
    /// Programs in it can be executed.
    pub exec: bool,
    /// Device nodes in it work.
    pub devices: bool,
    /// Leave it out where the source does not exist, instead of failing.
    pub optional: bool,
    /// Show the files of this owner as the sandbox's own. Needs root, and
    /// [`Mounts::detach`] before each child.
    pub id_mapped: Option<IdMappedOwner>,
}

impl Bind {
    /// Read-only, with programs that can be executed.
    pub const READ_ONLY: Self = Self {
        writable: false,
        exec: true,
        devices: false,
        optional: false,
        id_mapped: None,
    };
    /// Writable, with programs that can be executed.
    pub const WRITABLE: Self = Self {
        writable: true,
        ..Self::READ_ONLY
    };

    /// The same, left out where the source does not exist.
    pub const fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }
}

impl Default for Bind {
    fn default() -> Self {
        Self::READ_ONLY
    }
}

/// A file system built from nothing on an empty, read-only tmpfs: a path exists in it only because a
/// rule names it. The order of the rules has no meaning.
///
/// Directories that lead to a target are made in the view's own tmpfs. Nothing is ever created in a
/// directory of the host: a target inside a bind must exist there, and one inside an overlay in one
/// of its layers. The one exception is [`Upper::Directory`](crate::Upper::Directory).
#[derive(Clone, Debug, Default)]
pub struct View {
    pub(crate) rules: Vec<Rule>,
    pub(crate) upper_memory: Option<UpperMemory>,
}

/// The size of the tmpfs for upper layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpperMemory {
    pub bytes: u64,
    pub inodes: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub target: PathBuf,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bind {
        source: PathBuf,
        bind: Bind,
    },
    Overlay(Overlay),
    /// The view's root is an overlay.
    Root(Overlay),
    Tmpfs {
        size: u64,
        mode: u32,
        exec: bool,
        read_only: bool,
    },
    Device {
        source: &'static str,
        device: (u32, u32),
    },
    Devpts,
    Proc,
    Sysfs,
    Hide {
        optional: bool,
    },
    Symlink {
        text: PathBuf,
    },
    File {
        bytes: Vec<u8>,
        mode: u32,
    },
    Dir {
        mode: u32,
    },
    Socket {
        mode: u32,
    },
}

/// Rules a view may have.
const MAX_RULES: usize = 20_000;

impl View {
    /// A view with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows a file or directory of the host, with all that is mounted below it, at `target`.
    ///
    /// Set-user-ID bits have no effect in it. Where source and target are the same path and symbolic
    /// links of the host lead there, the view gets these links and the bind goes where they lead: with
    /// `/lib -> usr/lib`, `bind("/lib", "/lib", …)` shows `/usr/lib` and the link. A link inside a
    /// directory that the view shows writable is never followed: the sandbox could have made it.
    pub fn bind(self, source: impl AsRef<Path>, target: impl AsRef<Path>, bind: Bind) -> Self {
        let source = source.as_ref().to_owned();
        self.rule(target, Kind::Bind { source, bind })
    }

    /// Shows directories of the host laid over each other at `target`; see [`Overlay`]. Other rules can
    /// have targets in it, as in a bind.
    ///
    /// Where the source of a lower layer and the target are the same path and symbolic links of the
    /// host lead there, the view gets these links, as with [`bind`](Self::bind).
    pub fn overlay(self, target: impl AsRef<Path>, overlay: Overlay) -> Self {
        self.rule(target, Kind::Overlay(overlay))
    }

    /// Makes the whole root an overlay, as of the file system of a container image, whose links may
    /// lead anywhere.
    ///
    /// The directories, files and links that the other rules need lie over the lower layers: a
    /// directory that leads to a target takes the place of a link or file of that name, and merges
    /// with a directory, whose permission bits it keeps. With [`Upper::None`](crate::Upper::None) the
    /// root is read-only. A path to be hidden is looked up in the layers, and must not lead through a
    /// symbolic link of theirs.
    pub fn root(self, overlay: Overlay) -> Self {
        self.rule("/", Kind::Root(overlay))
    }

    /// How much memory the overlays with [`Upper::Memory`](crate::Upper::Memory) can take together, in
    /// bytes, and how many files; by default one for each 2 KiB (at least 1024). When it is full,
    /// writing fails with `ENOSPC`.
    pub fn upper_memory(mut self, bytes: u64, inodes: Option<u64>) -> Self {
        self.upper_memory = Some(UpperMemory { bytes, inodes });
        self
    }

    /// An empty writable directory in memory of at most `size` bytes, and one file for each 2 KiB of
    /// them (at least 1024), with these permission bits, whose owner is the child.
    pub fn tmpfs(self, target: impl AsRef<Path>, size: u64, mode: u32, exec: bool) -> Self {
        let read_only = false;
        self.rule(
            target,
            Kind::Tmpfs {
                size,
                mode,
                exec,
                read_only,
            },
        )
    }

    /// A minimal `/dev`: the host's null, zero, full, random, urandom and tty, the links fd, stdin,
    /// stdout, stderr and ptmx, a devpts of its own, and a shm of 64 MiB (give `/dev/shm` a rule of
    /// its own for another size). Nothing else can be made in it.
    pub fn dev(mut self) -> Self {
        self.rules.extend(dev::rules());
        self
    }

    /// A `/proc` for the child's pid namespace. Files in it that tell of the host are hidden, and
    /// `sys`, `irq`, `bus` and `fs` are read-only. There is no `hidepid`: every process in it is one of
    /// the sandbox's. Needs Linux 5.2, and a host `/proc` that nothing is mounted over.
    pub fn proc(self) -> Self {
        self.rule("/proc", Kind::Proc)
    }

    /// The host's `/sys`, read-only, with firmware tables, power meters, the cgroup tree and the debug,
    /// tracing and security file systems hidden. The names and addresses of the host's network
    /// interfaces are seen in it, also from a network namespace of its own.
    pub fn sys_read_only(mut self) -> Self {
        self.rules.extend(proc::sys_rules());
        self
    }

    /// A new read-only sysfs that shows the interfaces of the child's network namespace, which must
    /// have been made together with its user namespace (else `EPERM`). Firmware tables and power
    /// meters are hidden.
    pub fn sys_of_own_network(mut self) -> Self {
        self.rules.push(Rule {
            target: "/sys".into(),
            kind: Kind::Sysfs,
        });
        self
    }

    /// Covers a file or directory of the view by an empty one that cannot be read, listed or changed.
    ///
    /// This protects the object, not the name: in a writable bind the child can move a directory
    /// above it aside and make another of the same name. The object stays covered wherever it goes.
    pub fn hide(self, path: impl AsRef<Path>) -> Self {
        self.rule(path, Kind::Hide { optional: false })
    }

    /// As [`hide`](Self::hide), if there is something at the path when the view is prepared.
    pub fn hide_optional(self, path: impl AsRef<Path>) -> Self {
        self.rule(path, Kind::Hide { optional: true })
    }

    /// A symbolic link at `path` that reads `target`.
    pub fn symlink(self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        let text = target.as_ref().to_owned();
        self.rule(path, Kind::Symlink { text })
    }

    /// A file with these contents, in the view's memory.
    pub fn file(self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        let bytes = bytes.into();
        self.rule(path, Kind::File { bytes, mode })
    }

    /// An empty directory, in the view's memory.
    pub fn dir(self, path: impl AsRef<Path>, mode: u32) -> Self {
        self.rule(path, Kind::Dir { mode })
    }

    /// A unix stream socket with these permission bits that listens at `path`, in the view's memory; only
    /// what [`Context::take_socket`](crate::Context::take_socket) gives can accept there. As an overlay is
    /// no place for a socket, a [`root`](Self::root) that is one needs a [`tmpfs`](Self::tmpfs) there.
    pub fn socket(self, path: impl AsRef<Path>, mode: u32) -> Self {
        self.rule(path, Kind::Socket { mode })
    }

    /// Resolves every path, checks the rules against each other and the host, and lists the
    /// operations that build the view, parents first.
    ///
    /// # Errors
    /// For a missing source, a path that cannot be meant, or rules that contradict each other.
    pub fn prepare(&self) -> Result<Mounts, ViewError> {
        if self.rules.len() > MAX_RULES {
            return Err(ViewError::TooMany {
                what: "rules",
                count: self.rules.len(),
                limit: MAX_RULES,
            });
        }
        Mounts::from_layout(layout::layout(&self.rules)?, self.upper_memory)
    }

    fn rule(mut self, target: impl AsRef<Path>, kind: Kind) -> Self {
        let target = target.as_ref().to_owned();
        self.rules.push(Rule { target, kind });
        self
    }
}
