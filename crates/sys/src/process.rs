//! Processes: making one, waiting for it, signalling it, and what it sets on itself.

use crate::raw::{CloneArgs, clone_on_stack, clone3_on_stack};
use crate::{Errno, Result, syscall};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A stack for a child, with an unmapped page below it so that an overrun faults.
#[derive(Debug)]
pub struct Stack {
    base: *mut u8,
    size: usize,
}

// SAFETY: the mapping is plain memory that belongs to this value alone; no thread is tied to it.
unsafe impl Send for Stack {}

const GUARD: usize = 4096;

impl Stack {
    /// Maps a stack of `size` bytes, a multiple of 4096, and a guard page (mmap(2)).
    ///
    /// # Errors
    /// `ENOMEM` when there is no room.
    pub fn new(size: usize) -> Result<Self> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing else.
        let base = Errno::check(unsafe {
            syscall!(
                libc::SYS_mmap,
                0,
                size + GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE,
                -1_isize,
                0
            )
        })?;
        let stack = Self {
            base: base as *mut u8,
            size: size + GUARD,
        };
        // SAFETY: the first page lies in the mapping made above, which nobody uses yet.
        Errno::check(unsafe { syscall!(libc::SYS_mprotect, base, GUARD, libc::PROT_NONE) })?;
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: base and size are those of the mapping that `new` made; whoever lent the stack to
        // a child has seen that child end or execute (contract of `clone`).
        let _ = unsafe { syscall!(libc::SYS_munmap, self.base, self.size) };
    }
}

/// `CLONE_INTO_CGROUP`, Linux 5.7; libc gives it too narrow a type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child made by [`clone`].
#[derive(Debug)]
pub struct Cloned {
    /// Its process id as the caller sees it.
    pub pid: i32,
    /// Its pidfd, close-on-exec.
    pub pidfd: OwnedFd,
}

/// `CLONE_CLEAR_SIGHAND`, Linux 5.5; libc gives it too narrow a type.
pub const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// Makes a child by clone3(2) that runs `entry(argument)` on `stack`.
///
/// `CLONE_PIDFD` is added to the flags, and `CLONE_INTO_CGROUP` when `cgroup` is given. The exit
/// signal is `SIGCHLD`, or with `CLONE_PARENT` that of the caller, as the kernel wants it. Filters of containers answer `ENOSYS` to clone3(2), into whose flags they
/// cannot look; a child without namespaces and group of its own is then made by clone(2).
///
/// # Errors
/// As clone3(2): `EPERM` or `ENOSPC` when a namespace is refused or at its limit, `EINVAL` for flags
/// that do not go together or that the kernel does not know, `EAGAIN` at the limit of processes,
/// `ENOSYS` before Linux 5.3 or where a filter hides it, `EACCES`/`EBUSY`/`EOPNOTSUPP` for a cgroup that cannot be entered.
///
/// # Safety
/// As [`clone3_on_stack`]; `stack`, and with `CLONE_VM` all that `argument` leads to, must stay
/// until the child has ended or executed a program.
pub unsafe fn clone(
    flags: u64,
    stack: &Stack,
    cgroup: Option<BorrowedFd<'_>>,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: match flags & libc::CLONE_PARENT as u64 {
            0 => libc::SIGCHLD as u64,
            _ => 0,
        },
        stack: stack.base as u64,
        stack_size: stack.size as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the stack is a mapping of its own whose end is page-aligned; the rest is the caller's
    // contract.
    let answer = unsafe { clone3_on_stack(&args, entry, argument) };
    let pid = match Errno::check(answer) {
        Err(Errno(libc::ENOSYS)) if cgroup.is_none() && flags & !PLAIN == 0 => {
            // SAFETY: the caller's contract; the flags ask for no thread ids and no storage.
            Errno::check(unsafe { plain_clone(flags, stack, &mut pidfd, entry, argument) })?
        }
        answer => answer?,
    };
    Ok(Cloned {
        pid: pid as i32,
        // SAFETY: on success the kernel has put a descriptor there that was opened just now.
        pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
    })
}

/// What clone(2) can do as well, by itself or with a word of ours.
const PLAIN: u64 = (libc::CLONE_VM | libc::CLONE_VFORK) as u64 | CLONE_CLEAR_SIGHAND;

/// What a child of [`plain_clone`] goes on with, at the top of its stack.
struct First {
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
}

/// Makes a child by clone(2) with these flags of [`PLAIN`].
///
/// # Safety
/// As [`clone`].
unsafe fn plain_clone(
    flags: u64,
    stack: &Stack,
    pidfd: &mut RawFd,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    const ROOM: usize = size_of::<First>().next_multiple_of(16);
    // SAFETY: the last bytes of the stack's mapping, which is page-aligned and which nobody uses yet.
    let first = unsafe { stack.base.add(stack.size - ROOM).cast::<First>() };
    // SAFETY: as above; there is room for one.
    unsafe { first.write(First { entry, argument }) };
    let both = (flags & !CLONE_CLEAR_SIGHAND) as usize | libc::CLONE_PIDFD as usize;
    let (entry, argument) = match flags & CLONE_CLEAR_SIGHAND {
        0 => (entry, argument),
        _ => (clear_handlers as extern "C" fn(*mut u8) -> !, first.cast()),
    };
    // SAFETY: the child's stack ends below what it begins with, 16-byte aligned; the rest is the caller's
    // contract.
    unsafe {
        clone_on_stack(
            libc::SYS_clone as usize,
            both | libc::SIGCHLD as usize,
            first.cast(),
            pidfd,
            entry,
            argument,
        )
    }
}

/// Does in the child what `CLONE_CLEAR_SIGHAND` does: handlers of the host never run there, what is
/// ignored stays so.
extern "C" fn clear_handlers(first: *mut u8) -> ! {
    // SAFETY: `plain_clone` has put it there, on a stack that is this child's alone.
    let First { entry, argument } = unsafe { first.cast::<First>().read() };
    // sigaction of the kernel: the handler comes first, and zeroes are the default (rt_sigaction(2)).
    let default = [0_usize; 4];
    for signal in 1..=64 {
        let mut action = default;
        // SAFETY: rt_sigaction(2) writes one sigaction, and then reads one; the table is the child's own.
        unsafe {
            syscall!(libc::SYS_rt_sigaction, signal, 0, &raw mut action, 8);
            if action[0] != libc::SIG_IGN {
                syscall!(libc::SYS_rt_sigaction, signal, &raw const default, 0, 8);
            }
        }
    }
    entry(argument)
}

/// How a process ended, and what it and the descendants it waited for used (waitid(2), getrusage(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code, `None` after a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What was used.
    pub usage: Usage,
}

/// Resource figures of a process and the descendants it waited for (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user mode.
    pub user: std::time::Duration,
    /// Processor time in the kernel.
    pub system: std::time::Duration,
    /// The largest resident set of any one of the processes, in bytes.
    pub max_rss: u64,
    /// Page faults that needed input or output.
    pub major_faults: u64,
    /// Context switches: waits, and preemptions.
    pub context_switches: u64,
}

impl Usage {
    fn from_raw(usage: &libc::rusage) -> Self {
        let duration = |t: libc::timeval| {
            std::time::Duration::from_secs(t.tv_sec.max(0) as u64)
                + std::time::Duration::from_micros(t.tv_usec.max(0) as u64)
        };
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_rss: (usage.ru_maxrss.max(0) as u64).saturating_mul(1024),
            major_faults: usage.ru_majflt.max(0) as u64,
            context_switches: (usage.ru_nvcsw.max(0) as u64)
                .saturating_add(usage.ru_nivcsw.max(0) as u64),
        }
    }
}

/// Waits for the child of a pidfd and reaps it (waitid(2) with `P_PIDFD`, Linux 5.4). With `block`
/// false, `None` when it still runs.
///
/// # Errors
/// `ECHILD` when it was reaped elsewhere (a host that waits for any child, or ignores `SIGCHLD`);
/// `EINTR` when a signal was handled.
pub fn wait(pidfd: BorrowedFd<'_>, block: bool) -> Result<Option<Exit>> {
    // SAFETY: both are plain data for which all zeroes is a valid value.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    let hang = if block { 0 } else { libc::WNOHANG };
    // SAFETY: waitid(2) writes one siginfo_t and one rusage.
    Errno::check(unsafe {
        syscall!(
            libc::SYS_waitid,
            libc::P_PIDFD,
            pidfd.as_raw_fd(),
            &raw mut info,
            libc::WEXITED | libc::__WALL | hang,
            &raw mut usage
        )
    })?;
    // SAFETY: waitid(2) filled in the fields of a SIGCHLD siginfo, or left zeroes (si_pid 0: still
    // running).
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let exited = info.si_code == libc::CLD_EXITED;
    Ok(Some(Exit {
        code: exited.then_some(status),
        signal: (!exited).then_some(status),
        usage: Usage::from_raw(&usage),
    }))
}

/// Sends a signal to the process of a pidfd (pidfd_send_signal(2), Linux 5.1); 0 only asks whether
/// it could be sent.
///
/// # Errors
/// `ESRCH` when it has ended and been reaped; `EPERM` without the right to.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: without a siginfo, pidfd_send_signal(2) touches no memory.
    let answer = unsafe { syscall!(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0) };
    Errno::check(answer).map(drop)
}

/// `struct pidfd_info` of <linux/pidfd.h>, in its first version.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    process: u32,
    parent: u32,
    others: [u32; 9],
}

/// The process that a thread belongs to, and that one's parent, as this process numbers them; 0 for a parent
/// that it cannot see. Since Linux 6.13 (`PIDFD_GET_INFO`).
///
/// # Errors
/// `ESRCH` when the thread is gone; `EINVAL` or `ENOTTY` from older kernels.
pub fn family(thread: u32) -> Result<(u32, u32)> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    const GET_INFO: u32 = 0xc040_ff0b;
    const _: () = assert!(size_of::<PidfdInfo>() == 64);
    // SAFETY: pidfd_open(2) touches no memory.
    let fd = Errno::check(unsafe { syscall!(libc::SYS_pidfd_open, thread, PIDFD_THREAD) })?;
    let mut info = PidfdInfo {
        mask: 1,
        ..PidfdInfo::default()
    };
    // SAFETY: the call reads and writes one structure of the size that its number holds.
    let answer = unsafe { syscall!(libc::SYS_ioctl, fd, GET_INFO, &raw mut info) };
    let _ = crate::fd::close(fd as RawFd);
    Errno::check(answer)?;
    Ok((info.process, info.parent))
}

/// Replaces the program by the one in a descriptor (execveat(2) with `AT_EMPTY_PATH`); returns only
/// when it failed. The program gets exactly this argv and environment. The kernel ignores `mark`, a sixth
/// argument; a seccomp filter sees it, and can tell this call from others by it.
///
/// # Safety
/// `argv` and `envp` must be arrays of pointers to NUL-terminated strings, ended by a null pointer.
pub unsafe fn exec_fd(
    program: RawFd,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    mark: u64,
) -> Errno {
    // SAFETY: execveat(2) reads the arrays and their strings, the caller's contract.
    let answer = unsafe {
        syscall!(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv,
            envp,
            libc::AT_EMPTY_PATH,
            mark
        )
    };
    Errno(-answer as i32)
}

/// Ends the whole process at once (exit_group(2)), running nothing of libc.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: exit_group(2) touches no memory and does not return.
        unsafe { syscall!(libc::SYS_exit_group, code) };
    }
}

/// Joins the namespace of a descriptor, which must be of this kind, a `CLONE_NEW*` bit (setns(2)).
///
/// # Errors
/// `EINVAL` for another kind, and for a user namespace that the caller is in or where it shares its root and
/// working directory with others; `EPERM` without the right to.
pub fn setns(namespace: BorrowedFd<'_>, kind: i32) -> Result<()> {
    // SAFETY: setns(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_setns, namespace.as_raw_fd(), kind) }).map(drop)
}

/// Makes the caller leader of a new session without a controlling terminal (setsid(2)).
///
/// # Errors
/// `EPERM` for the leader of a process group.
pub fn new_session() -> Result<()> {
    // SAFETY: setsid(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_setsid) }).map(drop)
}

/// Sets the mask of file modes and returns the one before (umask(2)); cannot fail.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: umask(2) touches no memory.
    unsafe { syscall!(libc::SYS_umask, mask) as u32 }
}

/// Sets `no_new_privs` for the calling thread, for good (prctl(2), Linux 3.5).
///
/// # Errors
/// `EINVAL` before Linux 3.5.
pub fn set_no_new_privs() -> Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
        .map(drop)
}

/// Whether the caller's memory may be read by its user's other processes and dumped
/// (prctl(2) `PR_GET_DUMPABLE`): 0 no, 1 yes, 2 by root only.
///
/// # Errors
/// None that is documented.
pub fn dumpable() -> Result<usize> {
    // SAFETY: PR_GET_DUMPABLE touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_prctl, libc::PR_GET_DUMPABLE) })
}

/// Sets that flag for the caller's memory, so for all threads and all that share it.
///
/// # Errors
/// `EINVAL` for any value but 0 and 1.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    // SAFETY: PR_SET_DUMPABLE touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_DUMPABLE, u64::from(dumpable)) })
        .map(drop)
}

/// The calling thread's set of blocked signals, as the kernel keeps it (64 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalMask(u64);

impl SignalMask {
    /// No signal blocked.
    pub const EMPTY: Self = Self(0);
    /// Every signal that can be blocked, libc's internal ones too.
    pub const FULL: Self = Self(u64::MAX);

    /// Sets this mask for the calling thread and returns the one before (rt_sigprocmask(2)).
    ///
    /// # Errors
    /// None that can happen with these arguments.
    pub fn set(self) -> Result<Self> {
        let mut before = 0_u64;
        // SAFETY: rt_sigprocmask(2) reads and writes 8 bytes each.
        Errno::check(unsafe {
            syscall!(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const self.0,
                &raw mut before,
                8
            )
        })?;
        Ok(Self(before))
    }
}

/// Writes `bytes` to the file at `path` in one write(2), for the small files of procfs.
///
/// # Errors
/// As open(2) and write(2); `EIO` when the kernel took only a part.
pub fn write_file(path: &CStr, bytes: &[u8]) -> Result<()> {
    let fd = crate::fd::openat(libc::AT_FDCWD, path, libc::O_WRONLY | libc::O_CLOEXEC, 0)?;
    // SAFETY: the number was opened just now and is closed only below.
    let written = crate::fd::write(unsafe { BorrowedFd::borrow_raw(fd) }, bytes);
    let _ = crate::fd::close(fd);
    match written? {
        n if n == bytes.len() => Ok(()),
        _ => Err(Errno(libc::EIO)),
    }
}

/// The whole seconds of a clock (clock_gettime(2)).
///
/// # Errors
/// `EINVAL` for a clock the kernel does not know.
pub fn clock_seconds(clock: i32) -> Result<i64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) writes one timespec.
    Errno::check(unsafe { syscall!(libc::SYS_clock_gettime, clock, &raw mut time) })?;
    Ok(time.tv_sec)
}

#[cfg(test)]
mod tests {
    use super::{CLONE_CLEAR_SIGHAND, Stack, clone, exit, family, set_no_new_privs, wait};
    use crate::{Errno, seccomp, syscall};
    use std::os::fd::AsFd;

    /// Signals that nothing else here uses: one that is handled, and one that is ignored.
    const SIGNALS: [libc::c_int; 2] = [40, 41];

    /// sigaction of the kernel: the handler comes first.
    type Action = [usize; 4];

    fn action(signal: libc::c_int) -> Action {
        let mut action = [0; 4];
        // SAFETY: rt_sigaction(2) writes one sigaction.
        unsafe { syscall!(libc::SYS_rt_sigaction, signal, 0, &raw mut action, 8) };
        action
    }

    /// What a child finds of them.
    extern "C" fn look(found: *mut u8) -> ! {
        // SAFETY: the test waits, and gave it these.
        let found = unsafe { &mut *found.cast::<[usize; 2]>() };
        *found = SIGNALS.map(|signal| action(signal)[0]);
        exit(0)
    }

    fn child(flags: u64) -> Result<[usize; 2], Errno> {
        let stack = Stack::new(64 * 1024).expect("a stack");
        let mut found = [usize::MAX; 2];
        let flags = flags | (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
        // SAFETY: this thread waits for the end of the child, which touches `found` alone.
        let child = unsafe { clone(flags, &stack, None, look, (&raw mut found).cast()) }?;
        let ended = wait(child.pidfd.as_fd(), true).expect("its end");
        assert_eq!(ended.and_then(|exit| exit.code), Some(0));
        Ok(found)
    }

    extern "C" fn handle(_: libc::c_int) {}

    #[test]
    fn where_clone3_is_hidden_a_plain_child_is_made_by_clone() {
        let handler = handle as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler does nothing, and signal(2) touches no memory.
        unsafe {
            libc::signal(SIGNALS[0], handler);
            libc::signal(SIGNALS[1], libc::SIG_IGN);
        }
        let cleared = [libc::SIG_DFL, libc::SIG_IGN];
        assert_eq!(child(CLONE_CLEAR_SIGHAND), Ok(cleared), "by clone3");
        std::thread::spawn(move || {
            let step = |code: u32, k, jf| libc::sock_filter {
                code: code as u16,
                jt: 0,
                jf,
                k,
            };
            let hides = [
                step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
                step(
                    libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                    libc::SYS_clone3 as u32,
                    1,
                ),
                step(
                    libc::BPF_RET | libc::BPF_K,
                    libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
                    0,
                ),
                step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
            ];
            set_no_new_privs().expect("the bit");
            seccomp::install(&hides, 0).expect("a filter of this thread");
            assert_eq!(child(CLONE_CLEAR_SIGHAND), Ok(cleared), "by clone");
            // The control: handlers are there where nobody takes them away.
            assert_eq!(child(0), Ok([handler, libc::SIG_IGN]));
            // Namespaces are clone3's alone: with clone there is no time namespace.
            let namespace = CLONE_CLEAR_SIGHAND | libc::CLONE_NEWUTS as u64;
            assert_eq!(child(namespace), Err(Errno(libc::ENOSYS)));
        })
        .join()
        .expect("all of that");
    }

    #[test]
    fn a_thread_belongs_to_a_process_with_a_parent() {
        // SAFETY: gettid(2) touches no memory.
        let thread = unsafe { syscall!(libc::SYS_gettid) } as u32;
        match family(thread) {
            Ok(found) => assert_eq!(
                found,
                (std::process::id(), std::os::unix::process::parent_id())
            ),
            // Before Linux 6.13.
            Err(errno) => assert!(
                matches!(errno, Errno(libc::EINVAL | libc::ENOTTY)),
                "{errno}"
            ),
        }
        assert_eq!(family(u32::MAX / 2).map_err(|_| ()), Err(()));
    }
}
