//! What can go wrong, with the file, the errno and what to do about it.

use crate::limits::{Controller, Version};
use cofferdam_sys::Errno;
use std::fmt;
use std::path::PathBuf;

/// A limit that makes no sense on any host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// A limit of zero.
    #[error("the {limit} limit is zero: nothing could run; leave it out for no limit")]
    Zero {
        /// Which limit.
        limit: &'static str,
    },
    /// Less than the kernel takes.
    #[error("the {limit} limit is {value}: give at least {least}")]
    TooSmall {
        /// Which limit.
        limit: &'static str,
        /// What was asked for.
        value: u64,
        /// The least that can be.
        least: u64,
    },
    /// More than the kernel takes.
    #[error("the {limit} limit is {value}: give at most {most}, or leave it out for no limit")]
    TooLarge {
        /// Which limit.
        limit: &'static str,
        /// What was asked for.
        value: u64,
        /// The most that can be.
        most: u64,
    },
}

/// Why this process cannot use cgroups, or one controller, on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The controller; `None` for groups as such.
    pub controller: Option<Controller>,
    /// The cause.
    pub reason: Reason,
    /// The file or directory that showed it.
    pub file: PathBuf,
    /// What the kernel answered, where a call failed.
    pub errno: Option<Errno>,
    /// What to do about it.
    pub remedy: Remedy,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.explanation(), self.remedy)
    }
}

impl Unavailable {
    /// What cannot be used, why, and where that was seen; all of the text but the remedy.
    pub fn explanation(&self) -> String {
        let what = match self.controller {
            Some(controller) => format!("the {controller} controller cannot be used"),
            None => "no group can be made".into(),
        };
        let answer = self.errno.map(|errno| format!(", {errno}"));
        format!(
            "{what}: {} ({}{})",
            self.reason,
            self.file.display(),
            answer.unwrap_or_default()
        )
    }
}

impl std::error::Error for Unavailable {}

/// The cause of an [`Unavailable`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No hierarchy with the controller is mounted here.
    NotMounted,
    /// The caller's own group is not below any mount of the hierarchy that is seen here.
    OwnGroupNotVisible,
    /// This process may not make groups there.
    NotWritable,
    /// The v2 group was not given the controller by the group above it.
    NotDelegated,
    /// Controllers cannot be enabled below a v2 group that holds processes itself.
    InternalProcesses,
    /// The v2 group is threaded, and cannot have groups of processes below it.
    Threaded,
    /// Groups beside the caller's own would evade a limit that is set on it.
    OuterLimit {
        /// The limit's value.
        value: String,
    },
    /// Before Linux 5.11, with `memory.use_hierarchy` 0: groups below would evade the outer limit.
    NotHierarchical,
    /// A file of /proc or of the hierarchy could not be read.
    Unreadable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMounted => "no hierarchy with it is mounted",
            Self::OwnGroupNotVisible => "the caller's own group is not visible from here",
            Self::NotWritable => "this process may not make groups there",
            Self::NotDelegated => "it is not handed down to the caller's group",
            Self::InternalProcesses => {
                "the group holds processes, and such a group cannot hand controllers down"
            }
            Self::Threaded => "the group is threaded",
            Self::OuterLimit { value } => {
                return write!(
                    f,
                    "groups beside it would evade the limit of {value} set on it"
                );
            }
            Self::NotHierarchical => "its limits do not bind the groups below it",
            Self::Unreadable => "the file cannot be read",
        })
    }
}

/// What to do about an [`Unavailable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Get a v2 subtree delegated, and start there.
    Delegate,
    /// A hybrid or v1 host, and an ordinary user.
    BootUnified,
    /// Start the host program in a group of its own below the delegated one.
    StartInLeaf,
    /// Mount the hierarchy.
    Mount,
    /// Have the mount writable.
    MountWritable,
    /// Have the controller enabled in the group above.
    EnableAbove,
    /// Share the group's cgroup mount, or a cgroup namespace of its own.
    ShareMount,
    /// Give the host program a delegated group that carries the limit, and start in a leaf of it.
    MoveLimitUp,
    /// Switch `memory.use_hierarchy` on, or have a newer kernel.
    UseHierarchy,
    /// Mount /proc.
    MountProc,
    /// Switch the feature on in the kernel.
    KernelOption,
    /// Ask for less.
    AskForLess,
    /// Free some, as the host is at a limit.
    FreeResources,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delegate => {
                "run the host program as root, or in a subtree delegated to its user: with systemd \
                 `systemd-run --user --scope -p Delegate=yes`, and in a leaf of it; without, have \
                 root chown a v2 group with its cgroup.procs, cgroup.subtree_control and \
                 cgroup.threads to the user"
            }
            Self::BootUnified => {
                "run the host program as root, or boot with systemd.unified_cgroup_hierarchy=1 and \
                 have a v2 subtree delegated to the user: v1 hierarchies are not handed to \
                 ordinary users"
            }
            Self::StartInLeaf => {
                "start the host program in a leaf of a delegated group (`systemd-run --user --scope \
                 -p Delegate=yes`, then a group below it), or have it call \
                 danger_move_self_into_leaf()"
            }
            Self::Mount => "mount it (mount -t cgroup2 none /sys/fs/cgroup), or drop the limit",
            Self::MountWritable => {
                "mount cgroups writable for the host program (containers: a private cgroup \
                 namespace and a read-write /sys/fs/cgroup)"
            }
            Self::EnableAbove => {
                "have the controller delegated too (systemd: Delegate=yes; else write it to \
                 cgroup.subtree_control of the group above)"
            }
            Self::ShareMount => {
                "start the host program in a cgroup namespace of its own, or mount the hierarchy \
                 from a group above it"
            }
            Self::MoveLimitUp => {
                "have the group with the limit delegated, and start the host program in a leaf \
                 below it (systemd: Delegate=yes and DelegateSubgroup=host in its unit), or have it \
                 call danger_move_self_into_leaf()"
            }
            Self::UseHierarchy => "write 1 to memory.use_hierarchy, or use Linux 5.11 or later",
            Self::MountProc => "mount /proc in this pid namespace",
            Self::KernelOption => {
                "use a kernel that has it switched on (CONFIG_MEMCG, CONFIG_CGROUP_PIDS, \
                 CONFIG_CFS_BANDWIDTH, CONFIG_BFQ_GROUP_IOSCHED or CONFIG_BLK_CGROUP_IOCOST), or \
                 drop the limit"
            }
            Self::AskForLess => "ask for no more than the limit of the groups above",
            Self::FreeResources => {
                "remove groups that are no longer needed: cgroup.max.descendants and \
                 cgroup.max.depth of the groups above bound their number"
            }
        })
    }
}

/// [`Parent::prepare`](crate::Parent::prepare) failed; nothing was left behind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// A limit makes no sense.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The host does not offer what is asked for.
    #[error(transparent)]
    Unavailable(#[from] Box<Unavailable>),
    /// This process could not be told apart from others: its /proc files.
    #[error("{}; {}", self.explanation(), Remedy::MountProc)]
    Identity {
        /// The file.
        file: PathBuf,
        /// What the kernel answered.
        errno: Errno,
    },
    /// A directory could not be made.
    #[error("{}; {remedy}", self.explanation())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel answered.
        errno: Errno,
        /// What to do about it.
        remedy: Remedy,
    },
    /// A controller could not be enabled.
    #[error("{}; {remedy}", self.explanation())]
    Enable {
        /// The `cgroup.subtree_control` file.
        file: PathBuf,
        /// What was written.
        value: String,
        /// What the kernel answered.
        errno: Errno,
        /// What to do about it.
        remedy: Remedy,
    },
    /// The kernel has the controller, but not the file of this limit.
    #[error("{}; {remedy}", self.explanation())]
    MissingFile {
        /// The controller.
        controller: Controller,
        /// The file.
        file: PathBuf,
        /// What to do about it.
        remedy: Remedy,
    },
}

impl PrepareError {
    /// What failed and why; all of the text but the remedy.
    pub fn explanation(&self) -> String {
        match self {
            Self::Limit(error) => error.to_string(),
            Self::Unavailable(refusal) => refusal.explanation(),
            Self::Identity { file, errno } => format!("cannot read {}: {errno}", file.display()),
            Self::Directory {
                directory, errno, ..
            } => format!("cannot make the group {}: {errno}", directory.display()),
            Self::Enable {
                file, value, errno, ..
            } => format!("cannot enable {value} in {}: {errno}", file.display()),
            Self::MissingFile {
                controller, file, ..
            } => format!(
                "the {controller} limit cannot be set: there is no {}",
                file.display()
            ),
        }
    }

    /// What to do about it; for a limit that makes no sense, its text says so.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Limit(_) => None,
            Self::Unavailable(refusal) => Some(refusal.remedy),
            Self::Identity { .. } => Some(Remedy::MountProc),
            Self::Directory { remedy, .. }
            | Self::Enable { remedy, .. }
            | Self::MissingFile { remedy, .. } => Some(*remedy),
        }
    }
}

/// [`Parent::create`](crate::Parent::create) failed; nothing was left behind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// A limit makes no sense.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The parent was prepared without this controller.
    #[error("the {controller} controller was not prepared: give this limit to Parent::prepare too")]
    NotPrepared {
        /// The controller.
        controller: Controller,
    },
    /// The directories above had to be made anew and could not be.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The group could not be made.
    #[error("cannot make the group {directory}: {errno}; {remedy}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel answered.
        errno: Errno,
        /// What to do about it.
        remedy: Remedy,
    },
    /// The kernel has the controller, but not the file of this limit.
    #[error("the {controller} limit cannot be set: there is no {file}; {remedy}")]
    MissingFile {
        /// The controller.
        controller: Controller,
        /// The file.
        file: PathBuf,
        /// What to do about it.
        remedy: Remedy,
    },
    /// The kernel refused a limit.
    #[error("the {controller} limit cannot be set: writing {value} to {file}: {errno}; {remedy}")]
    Write {
        /// The controller.
        controller: Controller,
        /// The file.
        file: PathBuf,
        /// What was written.
        value: String,
        /// What the kernel answered.
        errno: Errno,
        /// What to do about it.
        remedy: Remedy,
    },
    /// The new group's files could not be opened.
    #[error("cannot open {file} of the new group: {errno}; {remedy}")]
    Open {
        /// The file or directory.
        file: PathBuf,
        /// What the kernel answered.
        errno: Errno,
        /// What to do about it.
        remedy: Remedy,
    },
}

/// Ending the processes of a group failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KillError {
    /// A file of the group could not be read or written.
    #[error("cannot end the processes of the group: {file}: {errno}")]
    File {
        /// The file.
        file: PathBuf,
        /// What the kernel answered.
        errno: Errno,
    },
    /// Processes were still there after the time allowed: they sleep uninterruptibly, or fork
    /// faster than they can be ended on a v1 hierarchy without freezer.
    #[error("{directory} still holds processes {milliseconds} ms after SIGKILL: {pids:?}")]
    StillThere {
        /// The group.
        directory: PathBuf,
        /// How long was waited.
        milliseconds: u64,
        /// The first of them, as numbered in this pid namespace; 0 for one that is outside of it.
        pids: Vec<i32>,
    },
}

/// Removing a group failed; what could be removed is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// Its processes could not be ended.
    #[error(transparent)]
    Kill(#[from] KillError),
    /// A directory could not be removed.
    #[error("cannot remove the group {directory}: {errno}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel answered: `EBUSY` when something in it is still alive.
        errno: Errno,
    },
}

/// [`danger_move_self_into_leaf`](crate::danger_move_self_into_leaf) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// There is no v2 group of this process to be seen.
    #[error(transparent)]
    Unavailable(#[from] Box<Unavailable>),
    /// The leaf could not be made or joined.
    #[error("cannot move this process into {file}: {errno}")]
    File {
        /// The file or directory.
        file: PathBuf,
        /// What the kernel answered.
        errno: Errno,
    },
}

/// The remedy for a failed call on a file of a hierarchy.
pub(crate) fn remedy_for(errno: Errno, version: Version) -> Remedy {
    match errno.0 {
        libc::EROFS => Remedy::MountWritable,
        libc::EBUSY | libc::EOPNOTSUPP => Remedy::StartInLeaf,
        libc::EINVAL | libc::ERANGE => Remedy::AskForLess,
        libc::EAGAIN | libc::ENOSPC | libc::ENOMEM | libc::EMFILE | libc::ENFILE => {
            Remedy::FreeResources
        }
        libc::ENOENT | libc::ENODEV => Remedy::KernelOption,
        _ if version == Version::V1 => Remedy::BootUnified,
        _ => Remedy::Delegate,
    }
}
