//! Why the general profile refuses a call, and what to do about it.

use crate::Intent;

/// The reason a call is refused or limited by [`Profile::general`](crate::Profile::general).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Why, as a sentence without its full stop.
    pub why: &'static str,
    /// The intent that allows it, if there is one.
    pub intent: Option<Intent>,
    /// Whether only some arguments are refused.
    pub by_argument: bool,
}

/// Looks up why a call is refused or limited; `None` for one that is allowed whatever its arguments
/// and for a name that no architecture has.
pub fn reason(name: &str) -> Option<Reason> {
    GROUPS
        .iter()
        .find(|group| {
            group
                .calls
                .split_ascii_whitespace()
                .any(|call| call == name)
        })
        .map(|group| group.reason)
}

/// Calls refused for the same reason.
struct Group {
    calls: &'static str,
    reason: Reason,
}

const fn always(calls: &'static str, why: &'static str) -> Group {
    Group {
        calls,
        reason: Reason {
            why,
            intent: None,
            by_argument: false,
        },
    }
}

const fn unless(intent: Intent, calls: &'static str, why: &'static str) -> Group {
    Group {
        calls,
        reason: Reason {
            why,
            intent: Some(intent),
            by_argument: false,
        },
    }
}

const fn limited(intent: Option<Intent>, calls: &'static str, why: &'static str) -> Group {
    Group {
        calls,
        reason: Reason {
            why,
            intent,
            by_argument: true,
        },
    }
}

const GROUPS: &[Group] = &[
    unless(
        Intent::NestedNamespaces,
        "mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick open_tree open_tree_attr \
         move_mount mount_setattr",
        "it changes the file system view the sandbox is made of",
    ),
    unless(
        Intent::NestedNamespaces,
        "setns",
        "it enters another namespace, out of the one that confines",
    ),
    limited(
        Some(Intent::NestedNamespaces),
        "clone unshare",
        "a new namespace (CLONE_NEW*) gives capabilities inside it, and with them much more of the \
         kernel to attack",
    ),
    unless(
        Intent::NestedNamespaces,
        "clone3",
        "its flags lie in memory, where a filter cannot look; it answers ENOSYS so that libc uses \
         clone, which can be checked",
    ),
    unless(
        Intent::NestedNamespaces,
        "sethostname setdomainname",
        "it changes the host name, which needs a capability nothing in a sandbox has",
    ),
    unless(
        Intent::Ptrace,
        "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd",
        "it reads or steers other processes, the sandbox's own init among them",
    ),
    always(
        "process_madvise",
        "it steers the memory of other processes; it answers ENOSYS so that allocators use madvise",
    ),
    limited(
        None,
        "move_pages",
        "it moves the memory of other processes; allowed for the caller itself (pid 0)",
    ),
    always("migrate_pages", "it moves the memory of other processes"),
    unless(
        Intent::IoUring,
        "io_uring_setup io_uring_enter io_uring_register",
        "its operations do not pass the filter, and it has had many holes; it answers ENOSYS so that \
         programs use epoll or threads",
    ),
    unless(
        Intent::Userfaultfd,
        "userfaultfd",
        "it lets a program stop the kernel in the middle of a copy, which turns small races into \
         exploits",
    ),
    unless(
        Intent::PerfEvents,
        "perf_event_open",
        "it is a large, often broken interface that can observe what others compute",
    ),
    always("bpf", "it runs programs in the kernel"),
    unless(
        Intent::Keyring,
        "add_key keyctl request_key",
        "keyrings are shared with the user's processes outside and hold their secrets",
    ),
    always(
        "open_by_handle_at name_to_handle_at",
        "file handles open files by number, past every path check",
    ),
    always(
        "fanotify_init fanotify_mark",
        "it watches whole file systems and can see what others do with them",
    ),
    always(
        "kexec_load kexec_file_load reboot",
        "it replaces or stops the running kernel",
    ),
    always(
        "init_module finit_module delete_module create_module get_kernel_syms query_module",
        "it changes the kernel's code",
    ),
    always(
        "swapon swapoff quotactl quotactl_fd acct",
        "it administers the machine's disks and accounting",
    ),
    always("iopl ioperm", "it gives direct access to hardware ports"),
    always(
        "settimeofday clock_settime adjtimex clock_adjtime",
        "it sets the machine's clock, which no namespace covers",
    ),
    always(
        "syslog",
        "the kernel's log shows addresses and what others do",
    ),
    always(
        "lookup_dcookie uselib sysfs ustat _sysctl nfsservctl getpmsg putpmsg afs_syscall tuxcall \
         security vserver epoll_ctl_old epoll_wait_old",
        "it is obsolete: removed from the kernel or without users",
    ),
    always("vhangup", "it hangs up the terminal others use"),
    always(
        "modify_ldt",
        "it sets up 16- and 32-bit segments, an old part of the kernel with a record of holes",
    ),
    always(
        "lsm_get_self_attr lsm_set_self_attr lsm_list_modules",
        "it shows and changes the labels of the host's security modules",
    ),
    always(
        "listns",
        "it lists namespaces, those of other sandboxes among them",
    ),
    limited(
        None,
        "prlimit64 sched_setaffinity sched_setparam sched_setscheduler sched_setattr setpriority \
         ioprio_set",
        "process 1 of a sandbox watches over the others, and is to keep its limits and its processor \
         time; every other process can be named",
    ),
    limited(
        None,
        "personality",
        "old personalities switch off protections (READ_IMPLIES_EXEC, 32-bit modes); 0, \
         ADDR_NO_RANDOMIZE and the query are allowed",
    ),
    limited(
        None,
        "mknod mknodat",
        "device nodes lead to drivers; regular files, FIFOs and sockets are allowed",
    ),
    limited(
        None,
        "seccomp",
        "a listener (SECCOMP_FILTER_FLAG_NEW_LISTENER) would answer calls in a supervisor's place; \
         further filters are allowed",
    ),
    limited(
        None,
        "prctl",
        "PR_SET_MM changes what /proc shows of a process (command line, program); all else is allowed",
    ),
    limited(
        None,
        "ioctl",
        "TIOCSTI and TIOCLINUX type into the terminal, TIOCCONS takes the console's output, TIOCSETD \
         loads line disciplines, TIOCVHANGUP hangs up the terminal, USERFAULTFD_IOC_NEW makes a \
         userfaultfd (see Intent::Userfaultfd)",
    ),
    limited(
        None,
        "socket",
        "only unix, TCP and UDP over IPv4 and IPv6, and netlink's routing family are confined by \
         namespaces and Landlock; vsock reaches the hypervisor, MPTCP, SMC, UDP-Lite and raw sockets \
         go past rules for TCP, the rest is kernel surface",
    ),
    limited(
        None,
        "chmod fchmod fchmodat fchmodat2 creat open openat",
        "a file with the set-user-ID bit in a shared directory would make whoever of the host's users \
         executes it its owner; all other modes are allowed",
    ),
    always(
        "openat2",
        "its mode lies in memory, where a filter cannot look for the set-user-ID bit; it answers \
         ENOSYS so that callers use openat",
    ),
    limited(
        None,
        "socketpair",
        "only unix pairs; other families are kernel surface (tipc) or fail anyway",
    ),
];
