//! With what a call can fail, and whether an error says it.

use crate::host;
use crate::tracer::Seen;
use libc::*;

/// What calls answer that make a descriptor of something that has a name.
const OPEN: &[i32] = &[EMFILE, EACCES, ENOMEM];
/// What calls answer that make a descriptor of nothing.
const MAKE: &[i32] = &[EMFILE, ENOMEM, EPERM];
/// What calls answer that may sleep.
const SLEEP: &[i32] = &[EINTR, EIO];
/// What calls answer that take room.
const ROOM: &[i32] = &[ENOSPC, EIO, EPERM];
/// What calls answer that look something up.
const LOOK: &[i32] = &[EACCES, ENOMEM];
/// What calls answer that not everybody may make, or not every kernel knows.
const PRIVILEGE: &[i32] = &[EPERM, ENOMEM, ENOSYS];
const MOUNT: &[i32] = &[EPERM, ENOMEM, EINVAL];
const PROCESS: &[i32] = &[EAGAIN, ENOMEM, EPERM, ENOSPC];
const NEVER: &[i32] = &[];

/// With what this call is made to fail: what manual pages list for it and the code could meet. Nothing for those that
/// cannot fail, or whose failure the standard library's allocator and locks answer by ending the process.
pub fn of(seen: &Seen) -> &'static [i32] {
    // The host's threads are those of the standard library; all else is ours.
    let host = !seen.call.task.contains("/p");
    match name(seen.call.number) {
        "exit" | "exit_group" | "rt_sigreturn" | "restart_syscall" | "futex" | "sched_yield" => {
            NEVER
        }
        "gettid" | "getpid" | "geteuid" | "getegid" | "umask" => NEVER,
        "uname" | "clock_gettime" | "getrusage" | "munmap" => NEVER,
        // The kernel lets a process kill its children, and what has ended is no error.
        "kill" | "pidfd_send_signal" => NEVER,
        // A descriptor whose close(2) fails is closed all the same.
        // The standard library takes any other answer but EINTR for a defect of its own.
        "close" if host => &[EINTR],
        "close" => &[EINTR, EIO],
        // The standard library ends the process that has no stack for a new thread's signals.
        "mmap" if seen.call.task.contains("/t") => NEVER,
        "mmap" if host && seen.args[3] & MAP_STACK as u64 == 0 => NEVER,
        "mmap" => &[ENOMEM],
        "brk" | "mprotect" | "madvise" | "mremap" if host => NEVER,
        "rt_sigprocmask" | "rt_sigaction" | "sigaltstack" if host => NEVER,
        "rseq" | "set_robust_list" | "sched_getaffinity" | "prctl" | "prlimit64" if host => NEVER,
        // To an eventfd(2), which takes it at once.
        "write" if host && seen.args[2] == 8 => NEVER,
        // A socket has no other errors here; what is read of it tells that the program has been executed.
        "recvmsg" => &[EINTR],
        "seccomp" if host => &[EPERM, ENOMEM],
        // The standard library takes other random numbers then, or tries until there are some.
        "getrandom" => &[EINTR, EPERM],
        "rt_sigprocmask" | "rt_sigaction" => &[EINVAL],
        "openat" | "openat2" | "open_tree" | "execveat" | "execve" => OPEN,
        "socket"
        | "socketpair"
        | "pipe2"
        | "dup3"
        | "memfd_create"
        | "signalfd4"
        | "eventfd2"
        | "epoll_create1"
        | "fsopen"
        | "fsmount"
        | "landlock_create_ruleset" => MAKE,
        "fcntl" if matches!(seen.args[1] as i32, F_DUPFD | F_DUPFD_CLOEXEC) => MAKE,
        // init reads from its socket alone, which has no other errors than that of a host that is gone; and
        // MSG_DONTWAIT and WNOHANG do not sleep.
        "read" if seen.call.task.ends_with('!') => &[EINTR],
        "sendmsg" if seen.call.task.ends_with('!') => &[ENOMEM],
        "wait4" if !host => NEVER,
        "wait4" | "waitid" => &[EINTR],
        "read" | "write" | "sendmsg" | "recvfrom" | "sendto" | "pread64" => SLEEP,
        "copy_file_range" | "ftruncate" | "mkdir" | "mkdirat" | "symlinkat" | "linkat"
        | "renameat2" => ROOM,
        "ppoll" | "poll" | "epoll_wait" => &[EINTR, ENOMEM],
        "rename" | "rmdir" | "unlinkat" => &[EIO, EPERM],
        "statx" | "newfstatat" | "fstat" | "faccessat2" | "readlink" | "getcwd" | "getdents64"
        | "flistxattr" | "listxattr" | "lgetxattr" | "fgetxattr" | "fstatfs" => LOOK,
        "clone" | "clone3" => PROCESS,
        "move_mount" | "mount_setattr" | "fsconfig" | "mount" | "pivot_root" | "umount2" => MOUNT,
        "seccomp"
        | "prctl"
        | "capset"
        | "capget"
        | "setgroups"
        | "setresuid"
        | "setresgid"
        | "landlock_restrict_self"
        | "landlock_add_rule"
        | "setsid"
        | "sethostname"
        | "prlimit64"
        | "close_range" => PRIVILEGE,
        _ => &[EPERM, ENOMEM],
    }
}

/// Whether a text names an error number, in the library's way or in the standard library's.
pub fn names(text: &str, errno: i32) -> bool {
    let standard = std::io::Error::from_raw_os_error(errno).to_string();
    let standard = standard.split(" (os error").next().unwrap_or_default();
    // pthread_create(3) has one answer for all that clone3(2) may lack.
    let thread = errno == ENOMEM && text.contains("temporarily unavailable");
    let missing = MISSING.iter().any(|missing| text.contains(missing));
    text.contains(host::name(errno)) || text.contains(standard) || thread || missing
}

/// What cannot be looked up when a sandbox is built is taken for what is not there. These errors say what that is.
const MISSING: &[&str] = &[
    "is not inside the sandbox",
    "cannot be executed inside the sandbox",
    "is not the character device",
    "cannot be opened safely",
    "limit cannot be set: there is no",
];

/// The name of a call; of one that nothing is known of, nothing.
pub fn name(number: i64) -> &'static str {
    let mut all = NAMES.iter().chain(OLD);
    let found = all.find(|(known, _)| *known == number);
    found.map_or("", |(_, name)| name.strip_prefix("SYS_").unwrap_or(name))
}

macro_rules! numbers {
    ($($name:ident)*) => { &[$(($name as i64, stringify!($name))),*] };
}

const NAMES: &[(i64, &str)] = numbers!(
    SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_clock_gettime SYS_clone SYS_clone3 SYS_close SYS_close_range
    SYS_connect SYS_copy_file_range SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl SYS_eventfd2 SYS_execve SYS_execveat
    SYS_exit SYS_exit_group SYS_faccessat2 SYS_fchdir SYS_fchmod SYS_fchown SYS_fcntl SYS_fgetxattr SYS_flistxattr
    SYS_flock SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fstat SYS_fstatfs SYS_ftruncate SYS_futex SYS_getcwd
    SYS_getdents64 SYS_getegid SYS_geteuid SYS_getpid SYS_getrandom SYS_getrusage SYS_gettid SYS_ioctl SYS_kill
    SYS_landlock_add_rule SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen
    SYS_listxattr SYS_lseek SYS_madvise SYS_memfd_create SYS_mkdirat SYS_mmap SYS_mount SYS_mount_setattr
    SYS_move_mount SYS_mprotect SYS_mremap SYS_munmap SYS_newfstatat SYS_open_tree SYS_openat SYS_openat2
    SYS_pidfd_send_signal SYS_pipe2 SYS_pivot_root SYS_ppoll SYS_prctl SYS_pread64 SYS_prlimit64 SYS_read
    SYS_recvfrom SYS_recvmsg SYS_renameat2 SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigprocmask
    SYS_rt_sigreturn SYS_sched_getaffinity SYS_sched_yield SYS_seccomp SYS_sendmsg SYS_sendto SYS_set_robust_list
    SYS_setgroups SYS_sethostname SYS_setresgid SYS_setresuid SYS_setsid SYS_setsockopt SYS_shutdown
    SYS_sigaltstack SYS_signalfd4 SYS_socket SYS_socketpair SYS_statx SYS_symlinkat SYS_umask SYS_umount2 SYS_uname
    SYS_unlinkat SYS_utimensat SYS_wait4 SYS_waitid SYS_write
);

/// Those that younger architectures do not have.
#[cfg(target_arch = "x86_64")]
const OLD: &[(i64, &str)] = numbers!(
    SYS_chmod SYS_chown SYS_epoll_wait SYS_mkdir SYS_poll SYS_readlink SYS_rename SYS_rmdir
);

#[cfg(not(target_arch = "x86_64"))]
const OLD: &[(i64, &str)] = &[];
