//! The profile for computing with files.

use super::{Profile, general, set_user_id};
use crate::Action;
use crate::rule::{Condition, Rule};

/// What programs that read and write files, start others and wait for them use. It holds all a
/// supervising init needs that runs under the same filter.
const ALLOWED: &str = "\
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile \
    copy_file_range readahead fadvise64 \
    close close_range dup dup2 dup3 fcntl flock pipe pipe2 memfd_create \
    stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink \
    readlinkat getdents getdents64 getcwd chdir fchdir truncate ftruncate fallocate rename renameat \
    renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat \
    chown fchown lchown fchownat umask utime utimes futimesat utimensat \
    setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr \
    removexattr lremovexattr fremovexattr fsync fdatasync sync_file_range \
    mmap mprotect munmap mremap brk madvise mincore msync membarrier mseal map_shadow_stack \
    fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_open \
    pidfd_send_signal set_tid_address set_robust_list get_robust_list rseq rseq_slice_yield futex \
    futex_waitv futex_wake futex_wait futex_requeue arch_prctl getcpu restart_syscall uretprobe \
    uprobe \
    getpid gettid getppid getpgid getpgrp getsid setpgid setsid getuid geteuid getgid getegid \
    getresuid getresgid getgroups capget \
    getpriority sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_getattr \
    sched_get_priority_max sched_get_priority_min getrlimit setrlimit getrusage times sysinfo \
    uname getrandom \
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo \
    rt_tgsigqueueinfo rt_sigsuspend sigaltstack signalfd signalfd4 pause alarm \
    time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep getitimer setitimer \
    timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create \
    timerfd_settime timerfd_gettime \
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait \
    epoll_pwait2 eventfd eventfd2 \
    shutdown getsockname getpeername getsockopt sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg \
    landlock_create_ruleset landlock_add_rule landlock_restrict_self";

pub(super) fn profile() -> Profile {
    // Whatever has a rule of its own below is as narrow as in the general profile, or narrower.
    set_user_id::rules(Profile::new(Action::EPERM))
        .rules(ALLOWED.split_ascii_whitespace(), &Rule::allow())
        .rules(
            FALL_BACK.split_ascii_whitespace(),
            &Rule::always(Action::ENOSYS),
        )
        .rule("clone", general::clone())
        .rule("socketpair", general::socketpair())
        .rule("ioctl", ioctl())
        .rule("mknod", general::mknod(1))
        .rule("mknodat", general::mknod(2))
        .rule("prlimit64", general::not_process_1(0))
        .rule("prctl", general::prctl())
        .rule("seccomp", general::seccomp())
}

const FALL_BACK: &str = "clone3 io_uring_setup io_uring_enter io_uring_register process_madvise";

/// Asking a terminal for its state and size and setting them, job control, and the requests of
/// `asm-generic/ioctls.h` that do for a descriptor what fcntl(2) does. Numbers are the same on both
/// architectures.
const IOCTLS: [u32; 24] = [
    0x5401,      // TCGETS
    0x5402,      // TCSETS
    0x5403,      // TCSETSW
    0x5404,      // TCSETSF
    0x5409,      // TCSBRK
    0x540a,      // TCXONC
    0x540b,      // TCFLSH
    0x540e,      // TIOCSCTTY
    0x540f,      // TIOCGPGRP
    0x5410,      // TIOCSPGRP
    0x5413,      // TIOCGWINSZ
    0x5414,      // TIOCSWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5422,      // TIOCNOTTY
    0x5425,      // TCSBRKP
    0x5429,      // TIOCGSID
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x802c_542a, // TCGETS2
    0x402c_542b, // TCSETS2
    0x402c_542c, // TCSETSW2
    0x402c_542d, // TCSETSF2
    0x4004_9409, // FICLONE
];

fn ioctl() -> Rule {
    IOCTLS
        .into_iter()
        .fold(Rule::default_action(), |rule, request| {
            rule.when([Condition::dword_eq(1, request)], Action::Allow)
        })
}
