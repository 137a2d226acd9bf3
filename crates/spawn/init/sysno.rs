//! The numbers init needs: system calls by architecture, and the kernel's constants.
//!
//! Source: the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and
//! `include/uapi/asm-generic/unistd.h`.

macro_rules! calls {
    ($($name:ident $x86_64:literal $aarch64:literal;)*) => {
        $(
            #[cfg(target_arch = "x86_64")]
            pub const $name: usize = $x86_64;
            #[cfg(target_arch = "aarch64")]
            pub const $name: usize = $aarch64;
        )*
    };
}

calls! {
    READ 0 63;
    WRITE 1 64;
    CLOSE 3 57;
    IOCTL 16 29;
    SOCKET 41 198;
    SENDMSG 46 211;
    GETSID 124 156;
    MMAP 9 222;
    MUNMAP 11 215;
    RT_SIGACTION 13 134;
    RT_SIGPROCMASK 14 135;
    RECVMSG 47 212;
    RECVFROM 45 207;
    EXECVE 59 221;
    FACCESSAT 269 48;
    WAIT4 61 260;
    KILL 62 129;
    FCNTL 72 25;
    CHDIR 80 49;
    GETRUSAGE 98 165;
    SETSID 112 157;
    PRCTL 157 167;
    CLOCK_GETTIME 228 113;
    EXIT_GROUP 231 94;
    OPENAT 257 56;
    PPOLL 271 73;
    SIGNALFD4 289 74;
    DUP3 292 24;
    PIPE2 293 59;
    WAITID 247 95;
    CLONE 56 220;
    LANDLOCK_CREATE_RULESET 444 444;
    LANDLOCK_RESTRICT_SELF 446 446;
    NANOSLEEP 35 101;
    GETDENTS64 217 61;
    UNLINKAT 263 35;
    FCHMODAT 268 53;
    RENAMEAT2 316 276;
}

pub const PR_SET_DUMPABLE: usize = 4;
pub const PR_SET_CHILD_SUBREAPER: usize = 36;
/// `LANDLOCK_SCOPE_SIGNAL`, Linux 6.12 (landlock(7)).
pub const LANDLOCK_SCOPE_SIGNAL: u64 = 2;
pub const F_SETFD: usize = 2;
pub const FD_CLOEXEC: usize = 1;
pub const F_DUPFD_CLOEXEC: usize = 1030;

pub const MSG_NOSIGNAL: usize = 0x4000;
pub const MSG_DONTWAIT: usize = 0x40;
pub const MSG_PEEK: usize = 2;
pub const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
pub const SOL_SOCKET: i32 = 1;
pub const SCM_RIGHTS: i32 = 1;

pub const AF_INET: usize = 2;
/// `SOCK_STREAM`, close-on-exec and non-blocking (socket(2)).
pub const SOCK_STREAM_HOST: usize = 1 | 0o2000000 | 0o4000;

pub const PROT_READ_WRITE: usize = 3;
pub const MAP_PRIVATE_ANONYMOUS: usize = 0x22;

pub const CLONE_VM_SIGCHLD: usize = 0x100 | SIGCHLD as usize;
pub const SIG_SETMASK: usize = 2;
pub const SIGKILL: usize = 9;
pub const SIGCONT: usize = 18;
pub const SIGSTOP: usize = 19;
/// The last of the real-time signals (signal(7)).
pub const SIGNALS: usize = 64;
pub const RUSAGE_CHILDREN: isize = -1;
pub const SIGCHLD: u32 = 17;
pub const SFD_CLOEXEC_NONBLOCK: usize = 0o2000000 | 0o4000;
pub const WNOHANG: usize = 1;
pub const WSTOPPED: usize = 2;
pub const P_PID: usize = 1;
pub const WALL: usize = 0x4000_0000;
pub const CLOCK_MONOTONIC: usize = 1;
pub const POLLIN: i16 = 1;
pub const O_CLOEXEC: usize = 0o2000000;
pub const AT_FDCWD: isize = -100;
pub const O_WRONLY_CLOEXEC: usize = 1 | 0o2000000;
#[cfg(target_arch = "x86_64")]
pub const O_DIRECTORY_NOFOLLOW_CLOEXEC: usize = 0o200000 | 0o400000 | 0o2000000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY_NOFOLLOW_CLOEXEC: usize = 0o40000 | 0o100000 | 0o2000000;
pub const RENAME_NOREPLACE: usize = 1;
pub const O_PATH: usize = 0o10000000;
pub const AT_REMOVEDIR: usize = 0x200;
pub const DT_DIR: u8 = 4;
pub const O_RDONLY_CLOEXEC: usize = 0o2000000;
pub const O_RDWR_CLOEXEC_NOCTTY: usize = 2 | 0o2000000 | 0o400;

/// tty_ioctl(4), ioctl_tty(2).
pub const TIOCSPTLCK: usize = 0x4004_5431;
pub const TIOCGPTPEER: usize = 0x5441;
pub const TIOCSWINSZ: usize = 0x5414;
pub const TIOCSCTTY: usize = 0x540e;

pub const ENOENT: i32 = 2;
pub const EEXIST: i32 = 17;
pub const EINTR: i32 = 4;
pub const EAGAIN: i32 = 11;
pub const EPIPE: i32 = 32;
pub const ECONNRESET: i32 = 104;
pub const ENOBUFS: i32 = 105;
pub const ENOMEM: i32 = 12;
pub const EACCES: i32 = 13;
pub const ENOTDIR: i32 = 20;
pub const ENFILE: i32 = 23;
pub const EMFILE: i32 = 24;
pub const EPROTO: i32 = 71;
