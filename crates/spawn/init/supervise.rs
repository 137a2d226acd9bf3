//! What init does once the program runs: reap, keep time, obey the host, and go.

use crate::protocol::{EXITED, Reply, Request, SIGNAL, SOCKET, TIMED_OUT};
use crate::{exit, program, send, sysno};

#[repr(C)]
#[derive(Clone, Copy)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// rusage of the kernel (getrusage(2)): two timevals, then fourteen longs.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Rusage {
    user: [i64; 2],
    system: [i64; 2],
    /// In KiB.
    max_rss: i64,
    unused: [i64; 4],
    major_faults: i64,
    more: [i64; 6],
    voluntary: i64,
    involuntary: i64,
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: clock_gettime(2) writes one timespec.
    unsafe { syscall!(sysno::CLOCK_GETTIME, sysno::CLOCK_MONOTONIC, &raw mut time) };
    (time.seconds as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.nanoseconds as u64)
}

/// When a limit of `timeout` nanoseconds ends; `None` for 0, no limit.
pub fn deadline(timeout: u64) -> Option<u64> {
    (timeout != 0).then(|| now().saturating_add(timeout))
}

/// Gives every signal its default action. What the host ignores is ignored across execve(2): its
/// SIGPIPE would change how programs end, and with its SIGCHLD ignored no child could be waited for.
pub fn default_signals() {
    /// sigaction of the kernel, without a handler (rt_sigaction(2)).
    #[repr(C)]
    struct Action([usize; 4]);
    let action = Action([0; 4]);
    for signal in 1..=sysno::SIGNALS {
        // SAFETY: rt_sigaction(2) reads one sigaction; SIGKILL and SIGSTOP are refused.
        unsafe { syscall!(sysno::RT_SIGACTION, signal, &raw const action, 0, 8) };
    }
}

/// A descriptor that is readable when a child has ended (signalfd(2)).
pub fn watch_children() -> i32 {
    let mask = 1_u64 << (sysno::SIGCHLD - 1);
    // SAFETY: both calls read the 8 bytes of the mask.
    unsafe {
        syscall!(
            sysno::RT_SIGPROCMASK,
            sysno::SIG_SETMASK,
            &raw const mask,
            0,
            8
        );
        syscall!(
            sysno::SIGNALFD4,
            -1_isize,
            &raw const mask,
            8,
            sysno::SFD_CLOEXEC_NONBLOCK
        ) as i32
    }
}

/// Runs until the program ends, the time is over, or the host goes.
pub fn run(main: i32, deadline: Option<u64>, signals: i32, subreaper: bool) -> ! {
    #[repr(C)]
    struct Poll {
        fd: i32,
        events: i16,
        happened: i16,
    }
    loop {
        let mut polls = [SOCKET, signals].map(|fd| Poll {
            fd,
            events: sysno::POLLIN,
            happened: 0,
        });
        let left = deadline.map(|at| at.saturating_sub(now()));
        if left == Some(0) {
            end(TIMED_OUT, sysno::SIGKILL as i32, subreaper);
        }
        let left = left.map(|left| Timespec {
            seconds: (left / 1_000_000_000) as i64,
            nanoseconds: (left % 1_000_000_000) as i64,
        });
        let limit = left.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
        // SAFETY: ppoll(2) reads and writes two pollfds, and reads the timespec or none.
        unsafe { syscall!(sysno::PPOLL, &raw mut polls, 2, limit, 0, 0) };
        if polls[1].happened != 0 {
            reap(main, signals, subreaper);
        }
        if polls[0].happened != 0 {
            obey(main, subreaper);
        }
    }
}

/// Reaps all that has ended; the end of the program is the end of everything.
fn reap(main: i32, signals: i32, subreaper: bool) {
    let mut info = [0_u8; 128];
    // SAFETY: read(2) writes at most one signalfd_siginfo, 128 bytes; it is not looked at.
    unsafe { syscall!(sysno::READ, signals, info.as_mut_ptr(), info.len()) };
    loop {
        let mut status = 0_i32;
        // SAFETY: wait4(2) writes one int.
        let pid = unsafe {
            syscall!(
                sysno::WAIT4,
                -1_isize,
                &raw mut status,
                sysno::WNOHANG | sysno::WALL,
                0
            )
        };
        if pid <= 0 {
            return;
        }
        if pid == main as isize {
            end(0, status, subreaper);
        }
    }
}

/// Reads what the host wants; a host that has closed its side, or is gone, ends everything.
fn obey(main: i32, subreaper: bool) {
    let (mut request, mut fds) = (Request::default(), [-1_i32; 3]);
    if !program::receive(&mut request, &mut fds) {
        end(0, sysno::SIGKILL as i32, subreaper);
    }
    if request.kind == SIGNAL {
        // SAFETY: kill(2) touches no memory. The program has not been reaped, so the number is its.
        unsafe { syscall!(sysno::KILL, main, request.argument) };
    }
}

/// Ends everything, and tells the host how the program ended and what all of it used. What is left
/// to the kernel to kill, when this process goes, is in nobody's figures.
fn end(detail: u32, status: i32, subreaper: bool) -> ! {
    if subreaper {
        kill_descendants();
    } else {
        kill_namespace();
    }
    let mut usage = Rusage::default();
    // SAFETY: getrusage(2) writes one rusage.
    unsafe { syscall!(sysno::GETRUSAGE, sysno::RUSAGE_CHILDREN, &raw mut usage) };
    let microseconds = |[seconds, micros]: [i64; 2]| (seconds * 1_000_000 + micros) as u64;
    send(&Reply {
        kind: EXITED,
        value: status,
        detail,
        reserved: 0,
        user: microseconds(usage.user),
        system: microseconds(usage.system),
        max_rss: (usage.max_rss as u64).wrapping_mul(1024),
        major_faults: usage.major_faults as u64,
        context_switches: (usage.voluntary as u64).wrapping_add(usage.involuntary as u64),
    });
    exit(0)
}

/// In a process namespace: kills all but this process, which is process 1 and so the parent of every
/// orphan, and reaps them.
fn kill_namespace() {
    // SAFETY: kill(2) touches no memory; -1 is every process of the namespace but the caller.
    unsafe { syscall!(sysno::KILL, -1_isize, sysno::SIGKILL) };
    loop {
        // SAFETY: wait4(2) with null pointers touches no memory.
        let reaped = unsafe { syscall!(sysno::WAIT4, -1_isize, 0, sysno::WALL, 0) };
        if reaped <= 0 && reaped != -(sysno::EINTR as isize) {
            return;
        }
    }
}

/// Without a process namespace: kills every child until none is left. What a killed child leaves
/// behind becomes a child of this process, the subreaper (prctl(2)), and falls in the next round.
fn kill_descendants() {
    loop {
        let mut found = false;
        let mut text = [0_u8; 4096];
        // SAFETY: openat(2) reads the path up to its NUL.
        let file = unsafe {
            syscall!(
                sysno::OPENAT,
                sysno::AT_FDCWD,
                c"/proc/thread-self/children".as_ptr(),
                sysno::O_RDONLY_CLOEXEC,
                0
            )
        };
        if file >= 0 {
            // SAFETY: read(2) writes at most the length of the buffer; close(2) touches no memory.
            let n = unsafe {
                let n = syscall!(sysno::READ, file, text.as_mut_ptr(), text.len());
                syscall!(sysno::CLOSE, file);
                n
            };
            let mut pid = 0_usize;
            for &byte in text.iter().take(n.max(0) as usize) {
                if byte.is_ascii_digit() {
                    pid = pid * 10 + usize::from(byte - b'0');
                } else if pid != 0 {
                    found = true;
                    // SAFETY: kill(2) touches no memory; a child that has not been reaped keeps
                    // its number.
                    unsafe { syscall!(sysno::KILL, pid, sysno::SIGKILL) };
                    pid = 0;
                }
            }
        }
        let options = if found {
            sysno::WALL
        } else {
            sysno::WALL | sysno::WNOHANG
        };
        // SAFETY: wait4(2) with null pointers touches no memory.
        let reaped = unsafe { syscall!(sysno::WAIT4, -1_isize, 0, options, 0) };
        if reaped <= 0 {
            return;
        }
    }
}
