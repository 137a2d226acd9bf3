//! The profile for general programs.

use super::{Profile, set_user_id};
use crate::rule::{Condition, Rule};
use crate::{Action, Operator, Width};

/// Calls allowed whatever their arguments. Most take no effect beyond what the process, its file
/// descriptors and its files already give it; the rest fails without capabilities.
const ALLOWED: &str = "\
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile splice \
    tee vmsplice copy_file_range readahead fadvise64 cachestat \
    close close_range dup dup2 dup3 fcntl flock pipe pipe2 memfd_create \
    memfd_secret \
    stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink \
    readlinkat getdents getdents64 getcwd chdir fchdir truncate ftruncate fallocate rename renameat \
    renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat \
    chown fchown lchown fchownat umask utime utimes futimesat utimensat \
    setxattr lsetxattr fsetxattr setxattrat getxattr lgetxattr fgetxattr getxattrat listxattr \
    llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat \
    file_getattr file_setattr statmount listmount sync syncfs fsync fdatasync sync_file_range \
    mmap mprotect munmap mremap brk madvise mincore msync mlock mlock2 mlockall munlock munlockall \
    remap_file_pages mseal map_shadow_stack pkey_mprotect pkey_alloc pkey_free membarrier mbind \
    get_mempolicy set_mempolicy set_mempolicy_home_node \
    fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_open \
    pidfd_send_signal process_mrelease set_tid_address set_robust_list get_robust_list rseq \
    rseq_slice_yield futex futex_waitv futex_wake futex_wait futex_requeue arch_prctl \
    set_thread_area get_thread_area getcpu restart_syscall uretprobe uprobe \
    getpid gettid getppid getpgid getpgrp getsid setpgid setsid getuid geteuid getgid getegid \
    getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid setfsuid \
    setfsgid setgroups capget capset \
    getpriority ioprio_get sched_yield sched_getaffinity sched_getparam sched_getscheduler \
    sched_getattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval getrlimit \
    setrlimit getrusage times sysinfo uname getrandom \
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo \
    rt_tgsigqueueinfo rt_sigsuspend sigaltstack signalfd signalfd4 pause alarm \
    time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep getitimer setitimer \
    timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create \
    timerfd_settime timerfd_gettime \
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait \
    epoll_pwait2 eventfd eventfd2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch \
    io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents \
    connect accept accept4 bind listen shutdown getsockname getpeername getsockopt setsockopt \
    sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg \
    shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open \
    mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr \
    landlock_create_ruleset landlock_add_rule landlock_restrict_self";

/// Calls that change how another process of the same user runs, named by their first argument.
const OF_PROCESS: &str =
    "prlimit64 sched_setaffinity sched_setparam sched_setscheduler sched_setattr";

/// Answered ENOSYS, so that libraries take their older way.
const FALL_BACK: &str = "clone3 io_uring_setup io_uring_enter io_uring_register process_madvise";

pub(super) fn profile() -> Profile {
    set_user_id::rules(Profile::new(Action::EPERM))
        .rules(ALLOWED.split_ascii_whitespace(), &Rule::allow())
        .rules(
            FALL_BACK.split_ascii_whitespace(),
            &Rule::always(Action::ENOSYS),
        )
        .rule("clone", clone())
        .rule("unshare", unshare())
        .rule("socket", socket())
        .rule("socketpair", socketpair())
        .rule("ioctl", ioctl(&REFUSED_IOCTLS))
        .rules(["mknod"], &mknod(1))
        .rules(["mknodat"], &mknod(2))
        .rule("personality", personality())
        .rule("prctl", prctl())
        .rule("seccomp", seccomp())
        .rules(OF_PROCESS.split_ascii_whitespace(), &not_process_1(0))
        .rule("setpriority", priority([0, 1]))
        .rule("ioprio_set", priority([1, 2]))
        .rule("move_pages", Rule::allow_if([Condition::dword_eq(0, 0)]))
}

/// Any process but process 1, which in a process namespace is what watches over the others: without open
/// files or processor time it would be of no use.
pub(super) fn not_process_1(argument: u8) -> Rule {
    Rule::allow_if([Condition::dword_ne(argument, 1)])
}

/// The same for the priority of a process or a group, of which that of process 1 has its number too; not of
/// all that a user has, process 1 among them (setpriority(2), ioprio_set(2)).
fn priority([process, group]: [u32; 2]) -> Rule {
    [process, group]
        .into_iter()
        .fold(Rule::default_action(), |rule, which| {
            let conditions = [Condition::dword_eq(0, which), Condition::dword_ne(1, 1)];
            rule.when(conditions, Action::Allow)
        })
}

/// All `CLONE_NEW*` bits of clone(2). `CLONE_NEWTIME` (0x80) lies among the exit signal's bits, where
/// clone(2) cannot mean it (no signal has that number); refused all the same.
const NEW_NAMESPACES: u32 = 0x7e02_0080;

/// Flags are 32 bits: the kernel drops the upper half. Same position on both architectures.
pub(super) fn clone() -> Rule {
    Rule::allow_if([Condition::dword_masked(0, NEW_NAMESPACES, 0)])
}

/// What unshare(2) may undo without a new namespace: FS, FILES, SYSVSEM and the bits that only
/// matter to threads (VM, SIGHAND, THREAD). A list of the good, since new bits get meanings.
fn unshare() -> Rule {
    const HARMLESS: u64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
    Rule::allow_if([Condition::qword_masked(0, !HARMLESS, 0)])
}

/// Families, types and protocols that network namespaces and Landlock cover.
fn socket() -> Rule {
    const UNIX: u32 = libc::AF_UNIX as u32;
    const NETLINK: u32 = libc::AF_NETLINK as u32;
    const STREAM: u32 = libc::SOCK_STREAM as u32;
    const DGRAM: u32 = libc::SOCK_DGRAM as u32;
    // The kernel takes flags from the other bits of the type.
    let of_type = |kind: u32| Condition::dword_masked(1, 0xf, kind);
    let mut rule = Rule::default_action();
    for kind in [STREAM, DGRAM, libc::SOCK_SEQPACKET as u32] {
        rule = rule.when([Condition::dword_eq(0, UNIX), of_type(kind)], Action::Allow);
    }
    for family in [libc::AF_INET as u32, libc::AF_INET6 as u32] {
        for (kind, protocol) in [
            (STREAM, 0),
            (STREAM, libc::IPPROTO_TCP as u32),
            (DGRAM, 0),
            (DGRAM, libc::IPPROTO_UDP as u32),
        ] {
            let conditions = [
                Condition::dword_eq(0, family),
                of_type(kind),
                Condition::dword_eq(2, protocol),
            ];
            rule = rule.when(conditions, Action::Allow);
        }
    }
    for kind in [DGRAM, libc::SOCK_RAW as u32] {
        let conditions = [
            Condition::dword_eq(0, NETLINK),
            of_type(kind),
            Condition::dword_eq(2, libc::NETLINK_ROUTE as u32),
        ];
        rule = rule.when(conditions, Action::Allow);
    }
    rule
}

pub(super) fn socketpair() -> Rule {
    Rule::allow_if([Condition::dword_eq(0, libc::AF_UNIX as u32)])
}

/// `_IO(0xAA, 0)`: a userfaultfd from /dev/userfaultfd (`linux/userfaultfd.h`).
const USERFAULTFD_IOC_NEW: u32 = 0xaa00;

/// TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, TIOCVHANGUP and the device way to userfaultfd.
const REFUSED_IOCTLS: [u32; 6] = [0x5412, 0x541c, 0x541d, 0x5423, 0x5437, USERFAULTFD_IOC_NEW];

/// The request is an `unsigned int`: bits above 32 are dropped by the kernel.
fn ioctl(refused: &[u32]) -> Rule {
    Rule::allow_if(
        refused
            .iter()
            .map(|&request| Condition::dword_ne(1, request)),
    )
}

/// The ioctl rule for those who may have a userfaultfd.
pub(super) fn ioctl_with_userfaultfd() -> Rule {
    ioctl(&REFUSED_IOCTLS[..5])
}

/// Regular files, FIFOs and sockets. The kernel's `umode_t` has 16 bits; 0 means a regular file.
pub(super) fn mknod(mode: u8) -> Rule {
    [0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK]
        .into_iter()
        .fold(Rule::default_action(), |rule, kind| {
            let conditions = [
                Condition::dword_masked(mode, libc::S_IFMT, kind),
                set_user_id::absent(mode),
            ];
            rule.when(conditions, Action::Allow)
        })
}

/// PER_LINUX, PER_LINUX with ADDR_NO_RANDOMIZE (debuggers, sanitizers), and the query.
fn personality() -> Rule {
    [0, 0x0004_0000, 0xffff_ffff]
        .into_iter()
        .fold(Rule::default_action(), |rule, persona| {
            rule.when([Condition::dword_eq(0, persona)], Action::Allow)
        })
}

/// All but PR_SET_MM, with which a process could change what /proc shows of it.
pub(super) fn prctl() -> Rule {
    Rule::allow_if([Condition::dword_ne(0, libc::PR_SET_MM as u32)])
}

/// Further filters are welcome; a listener (`SECCOMP_FILTER_FLAG_NEW_LISTENER`) is not. Flags are an
/// `unsigned int`.
pub(super) fn seccomp() -> Rule {
    let no_listener = Condition::new(1, Width::Dword, Operator::MaskedEq(0x8), 0);
    Rule::allow_if([no_listener])
}
