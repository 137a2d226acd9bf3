//! What init does all the time: start, reap, keep time, obey the host, and go.

use crate::ending::{kill_descendants, kill_namespace, kill_session};
use crate::protocol::{
    AT_CAPACITY, AT_REQUEST, AT_SOCKET, EXITED, MADE, MAKE, OWN_SOCKET, Reply, Request, SIGNAL, SOCKET, START, STARTED,
    TIMED_OUT,
};
use crate::socket::{MOST_FDS, close, receive, send};
use crate::table::{Running, Table};
use crate::time::{Timespec, deadline, now};
use crate::{exit, fail, failed, must, program, sysno};

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

/// How long init waits in between where it cannot sleep until something happens.
static PAUSE: Timespec = Timespec::new(2_000_000);

/// Gives every signal its default action. What the host ignores is ignored across execve(2): its
/// SIGPIPE would change how programs end, and with its SIGCHLD ignored no child could be waited for.
pub fn default_signals() {
    /// sigaction of the kernel, without a handler (rt_sigaction(2)).
    #[repr(C)]
    struct Action([usize; 4]);
    let action = Action([0; 4]);
    for signal in 1..=sysno::SIGNALS {
        // SAFETY: rt_sigaction(2) reads one sigaction.
        let answer = unsafe { syscall!(sysno::RT_SIGACTION, signal, &raw const action, 0, 8) };
        // These two cannot be ignored, nor be given an action.
        if signal != sysno::SIGKILL && signal != sysno::SIGSTOP {
            must(answer);
        }
    }
}

/// A descriptor that is readable when a child has ended (signalfd(2)).
fn watch_children() -> i32 {
    let mask = 1_u64 << (sysno::SIGCHLD - 1);
    // Without them the end of a program would not be noticed.
    // SAFETY: both calls read the 8 bytes of the mask.
    let (blocked, descriptor) = unsafe {
        (
            syscall!(
                sysno::RT_SIGPROCMASK,
                sysno::SIG_SETMASK,
                &raw const mask,
                0,
                8
            ),
            syscall!(
                sysno::SIGNALFD4,
                -1_isize,
                &raw const mask,
                8,
                sysno::SFD_CLOEXEC_NONBLOCK
            ),
        )
    };
    must(blocked);
    must(descriptor);
    descriptor as i32
}

/// The programs, and the one whose end is the end of all, if there is one.
pub struct Supervisor {
    table: &'static mut Table,
    signals: i32,
    subreaper: bool,
    /// The process id of the only program; 0 for many, or none yet.
    only: i32,
}

impl Supervisor {
    /// With nothing running.
    pub fn new(subreaper: bool) -> Self {
        Self {
            table: Table::take(),
            signals: watch_children(),
            subreaper,
            only: 0,
        }
    }

    /// Starts a program and answers, on its own socket or on the host's. The only program that cannot
    /// be started is the end.
    pub fn start(&mut self, request: &Request, fds: &[i32; MOST_FDS]) {
        let limit = deadline(request.timeout);
        let own = request.argument & OWN_SOCKET != 0;
        let [first, second, third, fourth] = *fds;
        let (socket, stdio) = match own {
            true => (first, [second, third, fourth]),
            false => (SOCKET, [first, second, third]),
        };
        let Some(place) = self.table.free() else {
            // Its strings are on the way, behind them the next request.
            if let Some(strings) = program::Strings::read(request, 0) {
                strings.unmap();
            }
            stdio.into_iter().for_each(close);
            send(socket, &failed(AT_CAPACITY, sysno::EAGAIN), -1);
            close(socket);
            return;
        };
        match program::start(request, stdio) {
            Ok(started) => {
                *place = Running {
                    pid: started.pid,
                    socket,
                    released: false,
                    detail: 0,
                    deadline: limit,
                };
                if !own {
                    self.only = started.pid;
                }
                let reply = Reply {
                    kind: STARTED,
                    value: started.pid,
                    ..Reply::default()
                };
                let sent = send(socket, &reply, started.terminal);
                close(started.terminal);
                // A program that the host does not know of must not run. Of several, this one ends alone.
                if !sent && own {
                    kill_session(started.pid);
                    close(socket);
                    place.socket = -1;
                } else if !sent {
                    self.end(0, sysno::SIGKILL as i32);
                }
            }
            Err((step, errno)) if own => {
                send(socket, &failed(step, errno), -1);
                close(socket);
            }
            Err((step, errno)) => fail(step, errno),
        }
    }

    /// Runs until the host goes, or the only program.
    pub fn run(&mut self) -> ! {
        loop {
            let (count, until) = self.table.arm(self.signals);
            let left = (until != u64::MAX).then(|| Timespec::new(until.saturating_sub(now())));
            let limit = left.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
            // SAFETY: ppoll(2) reads and writes `count` pollfds, and reads the timespec or none.
            let n =
                unsafe { syscall!(sysno::PPOLL, &raw mut self.table.polls, count, limit, 0, 0) };
            // Nothing was written on an interruption.
            if n > 0 {
                self.attend();
            } else if n < 0 && n != -(sysno::EINTR as isize) {
                // ppoll(2) takes no more entries than the limit of open files, which a program may
                // have set to nothing (prlimit(2)): what the host says is heard all the same.
                // SAFETY: nanosleep(2) reads one timespec.
                unsafe { syscall!(sysno::NANOSLEEP, &raw const PAUSE, 0) };
                self.table.look();
                self.attend();
            }
            if until != u64::MAX {
                self.expire();
            }
        }
    }

    /// Does what the last poll found. New programs come last: they may take the places, and the
    /// numbers of descriptors, that it speaks of.
    fn attend(&mut self) {
        if self.table.polls.signals.happened != 0 {
            self.reap();
        }
        let places = self.table.places.iter_mut();
        let polls = self.table.polls.places.iter();
        for (place, poll) in places.zip(polls).take(self.table.used) {
            if poll.happened != 0 && place.pid != 0 && poll.fd == place.socket {
                attend_to(place);
            }
        }
        if self.table.polls.host.happened != 0 {
            self.obey();
        }
    }

    /// Ends the programs whose time is over.
    fn expire(&mut self) {
        let now = now();
        let mut over = false;
        for place in self.table.places() {
            if place.pid != 0 && place.deadline <= now {
                place.deadline = u64::MAX;
                place.detail = TIMED_OUT;
                if place.pid == self.only {
                    over = true;
                } else {
                    kill_session(place.pid);
                }
            }
        }
        if over {
            self.end(TIMED_OUT, sysno::SIGKILL as i32);
        }
    }

    /// Reaps all that has ended; the end of the only program is the end of everything.
    fn reap(&mut self) {
        let mut info = [0_u8; 128];
        // SAFETY: read(2) writes at most one signalfd_siginfo, 128 bytes; it is not looked at.
        unsafe { syscall!(sysno::READ, self.signals, info.as_mut_ptr(), info.len()) };
        loop {
            let (mut status, mut usage) = (0_i32, Rusage::default());
            // SAFETY: wait4(2) writes one int and one rusage.
            let pid = unsafe {
                syscall!(
                    sysno::WAIT4,
                    -1_isize,
                    &raw mut status,
                    sysno::WNOHANG | sysno::WALL,
                    &raw mut usage
                )
            };
            if pid <= 0 {
                return;
            }
            if pid == self.only as isize {
                self.end(0, status);
            }
            let ended = self.table.places().find(|place| place.pid as isize == pid);
            if let Some(place) = ended {
                send(place.socket, &exited(status, place.detail, &usage), -1);
                close(place.socket);
                place.pid = 0;
            }
        }
    }

    /// Reads what the host wants; a host that has closed its side, or is gone, ends everything.
    fn obey(&mut self) {
        let (mut request, mut fds) = (Request::default(), [-1; MOST_FDS]);
        if !receive(SOCKET, &mut request, &mut fds) {
            self.end(0, sysno::SIGKILL as i32);
        }
        match request.kind {
            SIGNAL if self.only != 0 => signal(self.only, request.argument),
            MAKE => make(&fds),
            START if self.only == 0 => self.start(&request, &fds),
            // The two sides are of one build; anything else would be read wrongly from here on.
            _ => fail(AT_REQUEST, sysno::EPROTO),
        }
    }

    /// Ends everything, and tells the host how the only program ended and what all of it used. What is
    /// left to the kernel to kill, when this process goes, is in nobody's figures.
    fn end(&mut self, detail: u32, status: i32) -> ! {
        if self.subreaper {
            kill_descendants();
        } else {
            kill_namespace();
        }
        let mut usage = Rusage::default();
        // SAFETY: getrusage(2) writes one rusage.
        unsafe { syscall!(sysno::GETRUSAGE, sysno::RUSAGE_CHILDREN, &raw mut usage) };
        send(SOCKET, &exited(status, detail, &usage), -1);
        exit(0)
    }
}

/// Reads what the host says of one program of many; one whose socket it has closed is ended.
fn attend_to(place: &mut Running) {
    let (mut request, mut fds) = (Request::default(), [-1; MOST_FDS]);
    if !receive(place.socket, &mut request, &mut fds) {
        place.released = true;
        kill_session(place.pid);
    } else if request.kind == SIGNAL {
        signal(place.pid, request.argument);
    }
}

/// Makes a socket for the host, which alone connects it. Nothing here waits; a host that does not take the
/// answer loses it.
fn make(fds: &[i32; MOST_FDS]) {
    let [answer, ..] = *fds;
    // SAFETY: socket(2) touches no memory.
    let made = unsafe { syscall!(sysno::SOCKET, sysno::AF_INET, sysno::SOCK_STREAM_HOST, 0) } as i32;
    if made < 0 {
        send(answer, &failed(AT_SOCKET, -made), -1);
    } else {
        let reply = Reply {
            kind: MADE,
            ..Reply::default()
        };
        send(answer, &reply, made);
    }
    close(made);
    fds.iter().copied().for_each(close);
}

fn signal(pid: i32, number: u32) {
    // SAFETY: kill(2) touches no memory. The program has not been reaped, so the number is its own.
    unsafe { syscall!(sysno::KILL, pid, number) };
}

fn exited(status: i32, detail: u32, usage: &Rusage) -> Reply {
    let microseconds = |[seconds, micros]: [i64; 2]| (seconds * 1_000_000 + micros) as u64;
    Reply {
        kind: EXITED,
        value: status,
        detail,
        reserved: 0,
        user: microseconds(usage.user),
        system: microseconds(usage.system),
        max_rss: (usage.max_rss as u64).wrapping_mul(1024),
        major_faults: usage.major_faults as u64,
        context_switches: (usage.voluntary as u64).wrapping_add(usage.involuntary as u64),
    }
}
