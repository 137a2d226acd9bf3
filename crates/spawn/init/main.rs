//! Process 1 of a sandbox: a static program without a standard library.
//!
//! It takes requests over its socket, starts programs, reaps whatever ends, keeps the time limits, and
//! goes when the host goes, or the program if it was the only one to be. As it is process 1 of its
//! namespace, the kernel then kills everything that is left (pid_namespaces(7)). (Its other task,
//! outside of any sandbox, is in `watch`.)
//!
//! It is executed from a sealed memfd with an empty environment, so it holds nothing of the host's
//! memory, and nothing inside can change it through `/proc/1/exe`.

#![no_std]
#![no_main]

mod protocol;
#[macro_use]
mod raw;
mod ending;
mod memory;
mod program;
mod remove;
mod socket;
mod supervise;
mod sysno;
mod table;
mod terminal;
mod time;
mod watch;

use core::arch::global_asm;
use protocol::{AT_READY, AT_REQUEST, FAILED, OPEN, REMOVE, Reply, Request, SOCKET, START, SUBREAPER, WATCH};
use socket::{MOST_FDS, receive, send};
use supervise::Supervisor;

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
    must(unsafe { syscall!(sysno::PRCTL, sysno::PR_SET_DUMPABLE, 0, 0, 0, 0) });
    // No program gets this socket.
    // SAFETY: F_SETFD touches no memory.
    must(unsafe { syscall!(sysno::FCNTL, SOCKET, sysno::F_SETFD, sysno::FD_CLOEXEC) });

    supervise::default_signals();

    let (mut request, mut fds) = (Request::default(), [-1; MOST_FDS]);
    if !receive(SOCKET, &mut request, &mut fds) {
        exit(125);
    }
    if request.kind == WATCH || request.kind == REMOVE {
        watch::run(&request);
    }
    let subreaper = request.argument & SUBREAPER != 0;
    if subreaper {
        // SAFETY: PR_SET_CHILD_SUBREAPER touches no memory.
        must(unsafe { syscall!(sysno::PRCTL, sysno::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) });
    }
    let mut supervisor = Supervisor::new(subreaper);
    match request.kind {
        START => supervisor.start(&request, &fds),
        OPEN => answer(SOCKET, &STARTED_REPLY, -1),
        _ => fail(AT_REQUEST, sysno::EPROTO),
    }
    supervisor.run()
}

/// The answer to [`OPEN`].
const STARTED_REPLY: Reply = Reply {
    kind: protocol::STARTED,
    value: 1,
    detail: 0,
    reserved: 0,
    user: 0,
    system: 0,
    max_rss: 0,
    major_faults: 0,
    context_switches: 0,
};

/// What init cannot do without: if the kernel refuses it, nothing is started.
fn must(result: isize) {
    if result < 0 {
        fail(AT_READY, -result as i32);
    }
}

/// Sends an answer that the host waits for. Where there is no memory for it the host learns from the end of the
/// socket that nothing runs, so nothing may.
fn answer(socket: i32, reply: &Reply, fd: i32) {
    if !send(socket, reply, fd) {
        exit(125);
    }
}

/// Tells the host that nothing was started, and ends.
fn fail(step: u32, errno: i32) -> ! {
    send(SOCKET, &failed(step, errno), -1);
    exit(125)
}

/// The answer that nothing was started.
fn failed(step: u32, errno: i32) -> Reply {
    Reply {
        kind: FAILED,
        value: errno,
        detail: step,
        ..Reply::default()
    }
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
