//! Two short-lived children that make namespaces: one that tries them out, one that keeps a user
//! namespace alive while its maps are written.
//!
//! Both share the caller's memory (`CLONE_VM`), so the cost does not grow with it, run on a stack of
//! their own with every signal blocked, and make raw system calls only.

use crate::process::{self, SignalMask, Stack};
use crate::{Errno, Result, mount, uts};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd, RawFd};

const STACK_SIZE: usize = 16 * 4096;

/// Which part of making a sandbox's namespaces failed in [`probe_namespaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// clone3(2) with the namespace flags.
    Clone,
    /// Writing `deny` to `/proc/self/setgroups`.
    DenySetgroups,
    /// Writing `/proc/self/uid_map`.
    UidMap,
    /// Writing `/proc/self/gid_map`.
    GidMap,
    /// Setting the host name of a UTS namespace.
    Hostname,
    /// Making every mount private: the first use of a capability.
    PrivateMounts,
    /// Mounting a tmpfs with fsopen(2), fsconfig(2) and fsmount(2).
    Tmpfs,
    /// Setting a mount's attributes with mount_setattr(2).
    MountSetattr,
    /// Mounting a proc for the new pid namespace.
    Proc,
}

struct Shared<'a> {
    uid_map: &'a [u8],
    gid_map: &'a [u8],
    flags: u64,
    outcome: std::result::Result<(), (Step, Errno)>,
}

/// Tries namespaces out in a child that ends at once: makes those of `flags` (`CLONE_NEW*`), with
/// `CLONE_NEWUSER` writes the two maps (text as for `/proc/PID/uid_map`), with `CLONE_NEWNS` uses a
/// capability by changing and making mounts, with `CLONE_NEWPID` also a proc, with `CLONE_NEWUTS` sets the
/// host name.
///
/// That clone3(2) succeeds says little: Ubuntu's AppArmor rule lets it, and refuses all that follows.
///
/// # Errors
/// The step that failed and the kernel's error number.
pub fn probe_namespaces(
    flags: u64,
    uid_map: &[u8],
    gid_map: &[u8],
) -> std::result::Result<(), (Step, Errno)> {
    let mut shared = Shared {
        uid_map,
        gid_map,
        flags,
        outcome: Err((Step::Clone, Errno(libc::ECANCELED))),
    };
    // SAFETY: the entry makes raw calls only, and touches nothing but `shared`.
    unsafe { try_in_child(flags, try_out, (&raw mut shared).cast()) }
        .map_err(|errno| (Step::Clone, errno))?;
    shared.outcome
}

/// Asks clone3(2) for what the kernel refuses as invalid, whoever asks: another answer than that is a filter's, or
/// of a kernel without the call.
///
/// # Errors
/// That other answer.
pub fn clone3_reaches_kernel() -> Result<()> {
    // SAFETY: a structure of no size is never read, and nothing is cloned.
    reaches_kernel(
        unsafe { crate::syscall!(libc::SYS_clone3, 0, 0) },
        libc::EINVAL,
    )
}

/// The same for mount(2): a target without a name is no address, which is found out before any right is asked for.
///
/// # Errors
/// As [`clone3_reaches_kernel`].
pub fn mount_reaches_kernel() -> Result<()> {
    // SAFETY: the kernel reads no string where there is no address.
    reaches_kernel(
        unsafe { crate::syscall!(libc::SYS_mount, 0, 0, 0, 0, 0) },
        libc::EFAULT,
    )
}

fn reaches_kernel(answer: isize, expected: i32) -> Result<()> {
    match Errno::check(answer) {
        Err(Errno(errno)) if errno == expected => Ok(()),
        answer => answer.map(drop),
    }
}

/// Runs `entry` in a child with namespaces of its own and waits for its end.
///
/// # Safety
/// The child shares this process's memory and thread-local storage: `entry` must make raw calls only,
/// and touch nothing but what `argument` points to, which is this thread's alone.
///
/// # Errors
/// As clone3(2), or for lack of memory.
pub(crate) unsafe fn try_in_child(
    flags: u64,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> Result<()> {
    let stack = Stack::new(STACK_SIZE)?;
    let before = SignalMask::FULL.set()?;
    // SAFETY: CLONE_VFORK holds this thread here until the child has ended, so it does not touch what
    // the entry does, and stack and argument outlive that; the rest is the caller's contract.
    let cloned = unsafe {
        process::clone(
            flags | (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
            &stack,
            None,
            entry,
            argument,
        )
    };
    let _ = before.set();
    reap(&cloned?.pidfd);
    Ok(())
}

extern "C" fn try_out(shared: *mut u8) -> ! {
    // SAFETY: the pointer is to the `Shared` of `probe_namespaces`, which waits in clone3 and so does
    // not use it meanwhile.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    shared.outcome = steps(shared);
    process::exit(0)
}

fn steps(shared: &Shared<'_>) -> std::result::Result<(), (Step, Errno)> {
    let has = |flag: i32| shared.flags & flag as u64 != 0;
    let write = |step, path: &CStr, bytes: &[u8]| {
        process::write_file(path, bytes).map_err(|errno| (step, errno))
    };
    if has(libc::CLONE_NEWUSER) {
        write(Step::DenySetgroups, c"/proc/self/setgroups", b"deny")?;
        write(Step::UidMap, c"/proc/self/uid_map", shared.uid_map)?;
        write(Step::GidMap, c"/proc/self/gid_map", shared.gid_map)?;
    }
    if has(libc::CLONE_NEWUTS) {
        uts::sethostname(b"cofferdam").map_err(|errno| (Step::Hostname, errno))?;
    }
    if has(libc::CLONE_NEWNS) {
        mount::propagation(c"/", libc::MS_REC | libc::MS_PRIVATE)
            .map_err(|errno| (Step::PrivateMounts, errno))?;
        let tmpfs = make(c"tmpfs").map_err(|errno| (Step::Tmpfs, errno))?;
        let read_only = mount::MountAttr {
            attr_set: mount::MOUNT_ATTR_RDONLY,
            ..mount::MountAttr::default()
        };
        mount::mount_setattr(tmpfs, 0, &read_only).map_err(|errno| (Step::MountSetattr, errno))?;
        if has(libc::CLONE_NEWPID) {
            make(c"proc").map_err(|errno| (Step::Proc, errno))?;
        }
    }
    Ok(())
}

/// The descriptors made here go with the child.
fn make(kind: &CStr) -> Result<RawFd> {
    let fs = mount::fsopen(kind)?;
    mount::fsconfig_create(fs)?;
    let attributes = mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_NODEV | mount::MOUNT_ATTR_NOEXEC;
    mount::fsmount(fs, attributes)
}

/// A child that does nothing but keep a new user namespace alive; it ends when this is dropped, or
/// with the thread that made it.
#[derive(Debug)]
pub struct NamespaceHolder {
    pid: i32,
    pidfd: OwnedFd,
    // Freed after the child has been reaped in `drop`.
    _stack: Stack,
}

impl NamespaceHolder {
    /// Makes a child in a new user namespace whose maps are still empty.
    ///
    /// # Errors
    /// As clone3(2) with `CLONE_NEWUSER`: `EPERM` where user namespaces are refused, `ENOSPC` at
    /// their limit.
    pub fn new() -> Result<Self> {
        let stack = Stack::new(STACK_SIZE)?;
        let before = SignalMask::FULL.set()?;
        // A number and no address.
        let parent = std::ptr::without_provenance_mut(std::process::id() as usize);
        // SAFETY: the child makes raw calls only and touches no memory but its stack, which is kept
        // in the value returned until the child has been reaped.
        let cloned = unsafe {
            process::clone(
                (libc::CLONE_VM | libc::CLONE_NEWUSER) as u64,
                &stack,
                None,
                sleep_on,
                parent,
            )
        };
        let _ = before.set();
        let child = cloned?;
        Ok(Self {
            pid: child.pid,
            pidfd: child.pidfd,
            _stack: stack,
        })
    }

    /// The child's process id as the caller sees it: for `/proc/PID/uid_map` and `/proc/PID/ns/user`.
    pub fn pid(&self) -> i32 {
        self.pid
    }
}

impl Drop for NamespaceHolder {
    fn drop(&mut self) {
        let _ = process::send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        reap(&self.pidfd);
    }
}

extern "C" fn sleep_on(parent: *mut u8) -> ! {
    // SAFETY: PR_SET_PDEATHSIG and getppid(2) touch no memory.
    let (armed, now) = unsafe {
        (
            crate::syscall!(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL),
            crate::syscall!(libc::SYS_getppid),
        )
    };
    // A host that was killed before there was a signal for that will send none.
    if armed < 0 || now as usize != parent.addr() {
        process::exit(1);
    }
    loop {
        // SAFETY: without descriptors and with a null timeout and mask, ppoll(2) touches no memory.
        unsafe { crate::syscall!(libc::SYS_ppoll, 0, 0, 0, 0, 8) };
    }
}

/// Only a host that reaps every child itself makes this fail, and then there is nothing left to do.
fn reap(pidfd: &OwnedFd) {
    while process::wait(pidfd.as_fd(), true) == Err(Errno(libc::EINTR)) {}
}
