//! Additions to a profile, named by what they are for.

use super::{Profile, general};
use crate::Rule;

/// A use that the profiles refuse unless asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Intent {
    /// Debuggers and tracers (gdb, strace): ptrace, process_vm_readv, process_vm_writev, kcmp,
    /// pidfd_getfd. They reach every process of the same user in the sandbox, and a traced process
    /// can be made to do what it may. Before Linux 4.8 a tracer can also evade the filter.
    Ptrace,
    /// Sandboxes inside (bubblewrap, rootless containers, Chromium's own): new namespaces, mounts,
    /// pivot_root, chroot, setns, host names. Opens the part of the kernel that has had the most
    /// privilege escalations.
    NestedNamespaces,
    /// io_uring. Its operations do not pass the filter: whatever is refused as a call can come back
    /// as an operation (sockets among them).
    IoUring,
    /// userfaultfd, by call and by device (live migration, some garbage collectors). A tool of kernel
    /// exploits to widen races.
    Userfaultfd,
    /// perf_event_open (perf, profilers).
    PerfEvents,
    /// Kernel keyrings (add_key, keyctl, request_key). Session keyrings are not namespaced: keys of
    /// the user outside can be reached.
    Keyring,
}

impl Intent {
    /// Every intent.
    pub const ALL: [Self; 6] = [
        Self::Ptrace,
        Self::NestedNamespaces,
        Self::IoUring,
        Self::Userfaultfd,
        Self::PerfEvents,
        Self::Keyring,
    ];

    /// The calls it allows without condition.
    pub const fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Ptrace => &[
                "ptrace",
                "process_vm_readv",
                "process_vm_writev",
                "kcmp",
                "pidfd_getfd",
            ],
            // clone3 too: with every flag allowed there is nothing left to look at.
            Self::NestedNamespaces => &[
                "clone",
                "clone3",
                "unshare",
                "setns",
                "mount",
                "umount2",
                "fsopen",
                "fsconfig",
                "fsmount",
                "fspick",
                "open_tree",
                "open_tree_attr",
                "move_mount",
                "mount_setattr",
                "pivot_root",
                "chroot",
                "sethostname",
                "setdomainname",
            ],
            Self::IoUring => &["io_uring_setup", "io_uring_enter", "io_uring_register"],
            Self::Userfaultfd => &["userfaultfd"],
            Self::PerfEvents => &["perf_event_open"],
            Self::Keyring => &["add_key", "keyctl", "request_key"],
        }
    }

    pub(super) fn add_to(self, profile: &mut Profile) {
        for &name in self.calls() {
            profile.names.insert(name.to_owned(), Rule::allow());
        }
        // The strict profile lists the requests it allows; only the general one names this one.
        let ioctl = profile.names.get("ioctl");
        if self == Self::Userfaultfd && ioctl == general::profile().names.get("ioctl") {
            let rule = general::ioctl_with_userfaultfd();
            profile.names.insert("ioctl".to_owned(), rule);
        }
    }
}
