//! Process 1 of a sandbox: a static program without a standard library.
//!
//! It takes a request over its socket, starts the program, reaps whatever ends, keeps the time
//! limit, and goes when the program or the host goes. (Its other task, outside of any sandbox, is in
//! `watch`.) As it is process 1 of its namespace, the
//! kernel then kills everything that is left (pid_namespaces(7)).
//!
//! It is executed from a sealed memfd with an empty environment, so it holds nothing of the host's
//! memory, and nothing inside can change it through `/proc/1/exe`.

#![no_std]
#![no_main]

mod protocol;
#[macro_use]
mod raw;
mod memory;
mod program;
mod supervise;
mod sysno;
mod watch;

use core::arch::global_asm;
use protocol::{AT_REQUEST, FAILED, Reply, Request, SOCKET, START, SUBREAPER, WATCH};

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "bl {main}",
    "brk #1",
    main = sym main,
);

extern "C" fn main() -> ! {
    // Before anything else runs inside: nobody may trace, read or dump this process.
    // SAFETY: PR_SET_DUMPABLE touches no memory.
    unsafe { syscall!(sysno::PRCTL, sysno::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    // SAFETY: F_SETFD touches no memory.
    unsafe { syscall!(sysno::FCNTL, SOCKET, sysno::F_SETFD, sysno::FD_CLOEXEC) };

    supervise::default_signals();

    let mut request = Request::default();
    let mut stdio = [-1_i32; 3];
    if !program::receive(&mut request, &mut stdio) {
        exit(125);
    }
    match request.kind {
        START => {}
        WATCH => watch::run(&request),
        _ => fail(AT_REQUEST, sysno::EPROTO),
    }
    if request.argument & SUBREAPER != 0 {
        // SAFETY: PR_SET_CHILD_SUBREAPER touches no memory.
        unsafe { syscall!(sysno::PRCTL, sysno::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    }
    let deadline = supervise::deadline(request.timeout);
    let signals = supervise::watch_children();
    match program::start(&request, stdio) {
        Ok(pid) => {
            send(&Reply {
                kind: protocol::STARTED,
                value: pid,
                ..Reply::default()
            });
            supervise::run(pid, deadline, signals, request.argument & SUBREAPER != 0)
        }
        Err((step, errno)) => fail(step, errno),
    }
}

/// Tells the host that nothing was started, and ends.
fn fail(step: u32, errno: i32) -> ! {
    send(&Reply {
        kind: FAILED,
        value: errno,
        detail: step,
        ..Reply::default()
    });
    exit(125)
}

/// Sends a reply; a host that is gone is noticed by the next read.
fn send(reply: &Reply) {
    // SAFETY: sendto(2) reads the structure, plain integers without padding.
    unsafe {
        syscall!(
            sysno::SENDTO,
            SOCKET,
            reply as *const Reply,
            size_of::<Reply>(),
            sysno::MSG_NOSIGNAL,
            0,
            0
        )
    };
}

/// Ends this process and with it, in a process namespace, all others.
fn exit(code: i32) -> ! {
    loop {
        // SAFETY: exit_group(2) does not return.
        unsafe { syscall!(sysno::EXIT_GROUP, code) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}
