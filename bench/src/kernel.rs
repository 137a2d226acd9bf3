//! What the bench asks of the kernel that no safe function gives: children that share its memory, and the
//! namespaces of the calling task. All `unsafe` of the bench is here.

use cofferdam_sys::process::{self, Exit, Stack};
use cofferdam_sys::raw::{CloneArgs, clone3_on_stack};
use cofferdam_sys::{Errno, Result, syscall};
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What a child does that shares the memory of this process: system calls only, without allocation, lock, panic or
/// anything thread-local, as other threads run on.
pub trait Task: Sync {
    /// Does it. Whatever it returns, the child then ends.
    fn run(&self);
}

extern "C" fn entry<T: Task>(task: *mut u8) -> ! {
    // SAFETY: `child` and `sibling` pass a task that stays until this child has executed a program or ended.
    unsafe { &*task.cast::<T>() }.run();
    process::exit(125)
}

/// A child with the memory of this process, until it executes a program. It is waited for before what it uses goes.
pub struct Child<'a> {
    pidfd: OwnedFd,
    ended: bool,
    uses: PhantomData<&'a ()>,
}

/// Makes a child with these flags and `CLONE_VM`, which does `task` on `stack`.
pub fn child<'a, T: Task>(flags: i32, stack: &'a mut Stack, task: &'a T) -> Result<Child<'a>> {
    let flags = (flags | libc::CLONE_VM) as u64 | process::CLONE_CLEAR_SIGHAND;
    let argument = std::ptr::from_ref(task).cast_mut().cast();
    // SAFETY: stack and task are borrowed for as long as the Child lives, which waits for the end when dropped; a
    // forgotten Child is one that nobody here makes. The task keeps to what `Task` says.
    let cloned = unsafe { process::clone(flags, stack, None, entry::<T>, argument) }?;
    Ok(Child::of(cloned.pidfd))
}

impl Child<'_> {
    fn of(pidfd: OwnedFd) -> Self {
        Self {
            pidfd,
            ended: false,
            uses: PhantomData,
        }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Exit> {
        self.end()
    }

    fn end(&mut self) -> Result<Exit> {
        loop {
            match process::wait(self.pidfd.as_fd(), true) {
                Ok(Some(exit)) => {
                    self.ended = true;
                    return Ok(exit);
                }
                Ok(None) | Err(Errno(libc::EINTR)) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl Drop for Child<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.end();
        }
    }
}

/// In a child of [`child`]: makes another one, a child of this process as well (`CLONE_PARENT`), and gives the number
/// of its pidfd. Whoever waits for it has to keep `stack` and `task` until then.
pub fn sibling<T: Task>(flags: i32, stack: &StackEnds, task: &T) -> Result<RawFd> {
    let mut pidfd: RawFd = -1;
    let args = CloneArgs {
        // Its end is told to the parent with the signal of the one that makes it (clone(2)).
        flags: (flags | libc::CLONE_VM | libc::CLONE_PARENT | libc::CLONE_PIDFD) as u64,
        pidfd: (&raw mut pidfd) as u64,
        stack: stack.base as u64,
        stack_size: stack.size as u64,
        ..CloneArgs::default()
    };
    let argument = std::ptr::from_ref(task).cast_mut().cast();
    // SAFETY: the stack is a mapping of its own with a page-aligned end, and the caller keeps it and the task, which
    // keeps to what `Task` says.
    let answer = unsafe { clone3_on_stack(&args, entry::<T>, argument) };
    Errno::check(answer).map(|_| pidfd)
}

/// The [`Child`] of a pidfd that [`sibling`] gave, in the table of this process (`CLONE_FILES`).
pub fn adopt<'a, T: Task>(pidfd: RawFd, _: &'a StackEnds, _: &'a T) -> Child<'a> {
    // SAFETY: the number was opened by the child for this process and is known to nobody else.
    Child::of(unsafe { OwnedFd::from_raw_fd(pidfd) })
}

/// A stack whose ends are known.
pub struct StackEnds {
    base: *mut u8,
    size: usize,
}

// SAFETY: plain memory that belongs to this value alone.
unsafe impl Send for StackEnds {}
// SAFETY: nothing is read or written through a reference.
unsafe impl Sync for StackEnds {}

impl StackEnds {
    /// Maps one; it is never unmapped, as few are made and all are kept.
    pub fn new(size: usize) -> Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing else.
        let base =
            Errno::check(unsafe { syscall!(libc::SYS_mmap, 0, size, rights, flags, -1_isize, 0) })?;
        Ok(Self {
            base: base as *mut u8,
            size,
        })
    }
}

/// Joins the namespace behind a descriptor (setns(2)).
pub fn join(namespace: BorrowedFd<'_>, kind: i32) -> Result<()> {
    // SAFETY: setns(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_setns, namespace.as_raw_fd(), kind) }).map(drop)
}

/// Gives the calling task namespaces of its own (unshare(2)).
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: unshare(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_unshare, flags) }).map(drop)
}

/// Kills a process by its number, which must be of a child of this process's child that nobody has waited for.
pub fn kill(pid: u32) {
    // SAFETY: kill(2) touches no memory.
    let _ = unsafe { syscall!(libc::SYS_kill, pid, libc::SIGKILL) };
}

/// A descriptor that a child of this process opened in the table that both have (`CLONE_FILES`).
pub fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the child opened it for this process and is gone.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The number as a descriptor, for a child's own table.
pub fn borrow<'a>(number: RawFd) -> BorrowedFd<'a> {
    // SAFETY: a number that the caller opened and does not close before it executes a program.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Executes the program behind a descriptor, without arguments and environment; returns when that failed.
pub fn exec(program: RawFd, name: &CStr) -> Errno {
    let argv = [name.as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    // SAFETY: both arrays end in a null pointer and lead to strings that stay for the call.
    unsafe { process::exec_fd(program, argv.as_ptr(), envp.as_ptr(), 0) }
}
