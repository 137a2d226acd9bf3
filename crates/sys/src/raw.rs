//! The system call instruction, for each architecture.
//!
//! Nothing here touches `errno` or any other thread-local state: the calls are made in a child that
//! shares its memory, and so its thread-local storage, with a running host.
//!
//! This file is also compiled into the static init, which has no standard library.
//!
//! Source: syscall(2), "Architecture calling conventions".

use core::arch::asm;

/// Makes a system call with six arguments and returns what the kernel answered: a value, or a
/// negated error number between -4095 and -1.
///
/// # Safety
/// The caller answers for everything that the call with this number reads or writes through its
/// arguments, and for its effect on the process: each pointer must be valid for what the call's
/// man page says it does with it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn syscall6(
    nr: usize,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> isize {
    let ret: isize;
    // SAFETY: `syscall` clobbers rcx and r11 (named) and leaves the stack alone; what the call
    // itself does is the caller's contract.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as isize => ret,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    ret
}

/// Makes a system call with six arguments and returns what the kernel answered: a value, or a
/// negated error number between -4095 and -1.
///
/// # Safety
/// The caller answers for everything that the call with this number reads or writes through its
/// arguments, and for its effect on the process: each pointer must be valid for what the call's
/// man page says it does with it.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn syscall6(
    nr: usize,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> isize {
    let ret: isize;
    // SAFETY: `svc 0` changes x0 only (named) and leaves the stack alone; what the call itself
    // does is the caller's contract.
    unsafe {
        asm!(
            "svc 0",
            in("x8") nr,
            inlateout("x0") a as isize => ret,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            in("x5") f,
            options(nostack),
        );
    }
    ret
}

/// Makes a system call, filling the arguments that are not given with zero.
///
/// The expansion calls [`syscall6`], so it stands in an `unsafe` block of the caller, whose comment
/// says why that call is sound.
#[macro_export]
macro_rules! syscall {
    ($nr:expr) => { $crate::raw::syscall6($nr as usize, 0, 0, 0, 0, 0, 0) };
    ($nr:expr, $a:expr) => { $crate::raw::syscall6($nr as usize, $a as usize, 0, 0, 0, 0, 0) };
    ($nr:expr, $a:expr, $b:expr) => {
        $crate::raw::syscall6($nr as usize, $a as usize, $b as usize, 0, 0, 0, 0)
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr) => {
        $crate::raw::syscall6($nr as usize, $a as usize, $b as usize, $c as usize, 0, 0, 0)
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::raw::syscall6(
            $nr as usize, $a as usize, $b as usize, $c as usize, $d as usize, 0, 0,
        )
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $crate::raw::syscall6(
            $nr as usize, $a as usize, $b as usize, $c as usize, $d as usize, $e as usize, 0,
        )
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        $crate::raw::syscall6(
            $nr as usize, $a as usize, $b as usize, $c as usize, $d as usize, $e as usize,
            $f as usize,
        )
    };
}

/// Arguments of clone3(2), version 2 of the structure (88 bytes, Linux 5.7: `cgroup`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneArgs {
    /// `CLONE_*` flags.
    pub flags: u64,
    /// Where the kernel puts the pidfd (an `int`), with `CLONE_PIDFD`.
    pub pidfd: u64,
    /// Where the kernel puts the child's thread id in the child, with `CLONE_CHILD_SETTID`.
    pub child_tid: u64,
    /// Where the kernel puts the child's thread id in the parent, with `CLONE_PARENT_SETTID`.
    pub parent_tid: u64,
    /// Signal sent to the parent when the child ends; 0 for none.
    pub exit_signal: u64,
    /// Lowest byte of the child's stack.
    pub stack: u64,
    /// Size of the child's stack in bytes; its end must be 16-byte aligned.
    pub stack_size: u64,
    /// New thread-local storage, with `CLONE_SETTLS`.
    pub tls: u64,
    /// Array of chosen process ids, outermost namespace last.
    pub set_tid: u64,
    /// Length of that array.
    pub set_tid_size: u64,
    /// Descriptor of the cgroup v2 directory, with `CLONE_INTO_CGROUP`.
    pub cgroup: u64,
}

/// Calls clone3(2) and runs `entry(argument)` in the child on the stack that `args` names.
///
/// Returns in the parent only: the child's process id, or a negated error number.
///
/// # Safety
/// `args` must be valid for clone3(2), with a stack that nothing else uses until the child has
/// ended or executed a program. With `CLONE_VM` the child shares the caller's memory and its
/// thread-local storage: `entry` must then touch only what no other thread writes, and all that it
/// reads must outlive it.
#[cfg(target_arch = "x86_64")]
pub unsafe fn clone3_on_stack(
    args: &CloneArgs,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    const CLONE3: isize = 435;
    let ret: isize;
    // SAFETY: all registers but rax, rcx and r11 keep their values over `syscall`, in the child
    // too, so r8 and r9 still hold the entry and its argument there. The child's rsp is the end of
    // its stack, 16-byte aligned by the contract, as the ABI wants it before a call; a zero rbp
    // ends the chain of frames. The child never reaches label 2.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r9",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") CLONE3 => ret,
            in("rdi") args as *const CloneArgs,
            in("rsi") core::mem::size_of::<CloneArgs>(),
            in("r8") entry,
            in("r9") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    ret
}

/// Calls clone3(2) and runs `entry(argument)` in the child on the stack that `args` names.
///
/// Returns in the parent only: the child's process id, or a negated error number.
///
/// # Safety
/// `args` must be valid for clone3(2), with a stack that nothing else uses until the child has
/// ended or executed a program. With `CLONE_VM` the child shares the caller's memory and its
/// thread-local storage: `entry` must then touch only what no other thread writes, and all that it
/// reads must outlive it.
#[cfg(target_arch = "aarch64")]
pub unsafe fn clone3_on_stack(
    args: &CloneArgs,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    const CLONE3: usize = 435;
    let ret: isize;
    // SAFETY: all registers but x0 keep their values over `svc`, in the child too, so x9 and x10
    // still hold the entry and its argument there. The child's sp is the end of its stack, 16-byte
    // aligned by the contract; zero x29 and x30 end the chain of frames. The child never reaches
    // label 2.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x10",
            "blr x9",
            "brk #1",
            "2:",
            in("x8") CLONE3,
            inlateout("x0") args as *const CloneArgs => ret,
            in("x1") core::mem::size_of::<CloneArgs>(),
            in("x9") entry,
            in("x10") argument,
        );
    }
    ret
}

/// Calls clone(2) with these flags and runs `entry(argument)` in the child on the stack that ends
/// at `top`. `nr` is the call's number, as this file knows none.
///
/// Returns in the parent only: the child's process id, or a negated error number. For programs
/// under a filter that refuses clone3. With `CLONE_PIDFD` the pidfd is put at `pidfd`.
///
/// # Safety
/// As [`clone3_on_stack`]; `top` must be 16-byte aligned and the flags must not ask for thread ids
/// or thread-local storage. `pidfd` is null or valid for a write.
#[cfg(target_arch = "x86_64")]
pub unsafe fn clone_on_stack(
    nr: usize,
    flags: usize,
    top: *mut u8,
    pidfd: *mut i32,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let ret: isize;
    // SAFETY: as in `clone3_on_stack`.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r9",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") nr as isize => ret,
            in("rdi") flags,
            in("rsi") top,
            in("rdx") pidfd,
            in("r10") 0,
            in("r8") 0,
            in("r9") argument,
            in("r12") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    ret
}

/// Calls clone(2) with these flags and runs `entry(argument)` in the child on the stack that ends
/// at `top`. `nr` is the call's number, as this file knows none.
///
/// Returns in the parent only: the child's process id, or a negated error number. For programs
/// under a filter that refuses clone3. With `CLONE_PIDFD` the pidfd is put at `pidfd`.
///
/// # Safety
/// As [`clone3_on_stack`]; `top` must be 16-byte aligned and the flags must not ask for thread ids
/// or thread-local storage. `pidfd` is null or valid for a write.
#[cfg(target_arch = "aarch64")]
pub unsafe fn clone_on_stack(
    nr: usize,
    flags: usize,
    top: *mut u8,
    pidfd: *mut i32,
    entry: extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let ret: isize;
    // SAFETY: as in `clone3_on_stack`.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x10",
            "blr x9",
            "brk #1",
            "2:",
            in("x8") nr,
            inlateout("x0") flags as isize => ret,
            in("x1") top,
            in("x2") pidfd,
            in("x3") 0,
            in("x4") 0,
            in("x9") entry,
            in("x10") argument,
        );
    }
    ret
}
