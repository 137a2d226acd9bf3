//! A host under ptrace(2): one call of one of its processes fails, or it is killed, and everything it has
//! started is known until it is gone.
//!
//! `strace -e inject` counts for each process from its first call on, so the third openat(2) of the child cannot be
//! had without that of the host. Here a call is named by the process, as it descends from the host, and counted from
//! the moment at which the host says so.

use crate::shape::PROGRAM;
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_long;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// The host says with this signal that its calls count from now on; untraced it would end it.
pub const BEGIN: i32 = libc::SIGUSR2;

/// The host says with this option of prctl(2), which the kernel does not know, that they count no longer.
pub const END: i32 = 0x636f_6666;

/// How long a host may take; the slowest takes a second.
const LIMIT: Duration = Duration::from_secs(40);

/// How long what a host has started may outlive it: the watchers take a fifth of a second.
const AFTER: Duration = Duration::from_secs(20);

/// One call: which process or thread, which call, and the how-manieth of its kind there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The host is `host`; behind each slash is a `p`rocess or `t`hread that the one before made, counted from 1, and
    /// `!` stands for a program that it has executed since.
    pub task: String,
    pub number: i64,
    pub nth: u32,
}

/// A call that was seen, with its arguments.
#[derive(Clone, Debug)]
pub struct Seen {
    pub call: Call,
    pub args: [u64; 6],
}

/// What is done to a host.
#[derive(Clone, Debug)]
pub enum Act {
    Nothing,
    /// A call fails with this error number.
    Fail(Call, i32),
    /// The host is killed so long after it has begun.
    KillAfter(Duration),
    /// The host is killed at the n-th call of all its processes and threads together.
    KillAt(u64),
}

/// What became of a host.
#[derive(Debug, Default)]
pub struct Run {
    pub calls: Vec<Seen>,
    /// Begin to end of what counts.
    pub took: Duration,
    /// The call that was to fail was met.
    pub met: bool,
    /// The program that is to run inside was executed.
    pub ran: bool,
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// It did not end in time, and was killed.
    pub hung: bool,
    /// What outlived it for too long, and was killed.
    pub left: Vec<String>,
    pub pid: u32,
}

/// What the watchdog has to know.
#[derive(Default)]
struct Watched {
    over: bool,
    host_gone: Option<Instant>,
    kill_at: Option<Instant>,
    killed: bool,
    hung: bool,
    left: Vec<String>,
    tasks: BTreeMap<i32, String>,
}

type Shared = Arc<(Mutex<Watched>, Condvar)>;

#[derive(Default)]
struct Task {
    name: String,
    processes: u32,
    threads: u32,
    counts: HashMap<i64, u32>,
    /// What the answer to the call under way is to be.
    answer: Option<i64>,
    /// It is the program inside, or made by it: its calls are its own matter.
    inside: bool,
}

/// Whether this process may trace others at all; the reason why not.
pub fn available() -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("a tracer for this architecture".into());
    }
    // One that ends with its standard input.
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("cat(1)");
    let pid = child.id() as i32;
    let seized = ptrace(libc::PTRACE_SEIZE, pid, 0, 0);
    let _ = child.kill();
    let _ = child.wait();
    seized.map(drop).map_err(|errno| {
        let error = std::io::Error::from_raw_os_error(errno);
        format!("ptrace(2): {error}")
    })
}

/// Runs a host, which begins when it can read from its standard input.
pub fn run(command: &mut Command, act: &Act) -> Run {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a host");
    let host = child.id() as i32;
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SEIZE, host, 0, options as u64).expect("a host that can be traced");
    let shared: Shared = Arc::default();
    let watchdog = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || watch(host, &shared))
    };
    let mut tracer = Tracer {
        host,
        act,
        tasks: HashMap::from([(
            host,
            Task {
                name: "host".into(),
                ..Task::default()
            },
        )]),
        early: Vec::new(),
        counting: false,
        began: None,
        total: 0,
        run: Run {
            pid: child.id(),
            ..Run::default()
        },
        shared: Arc::clone(&shared),
    };
    tracer.publish();
    go(&mut child);
    tracer.until_all_is_gone();
    let mut run = tracer.run;
    {
        let mut watched = lock(&shared);
        watched.over = true;
        run.hung = watched.hung;
        run.left = std::mem::take(&mut watched.left);
    }
    shared.1.notify_all();
    watchdog.join().expect("a watchdog");
    run
}

fn go(child: &mut Child) {
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"g").expect("a host that reads");
}

struct Tracer<'a> {
    host: i32,
    act: &'a Act,
    tasks: HashMap<i32, Task>,
    /// Tasks that have stopped before it was known whose they are.
    early: Vec<i32>,
    counting: bool,
    began: Option<Instant>,
    total: u64,
    run: Run,
    shared: Shared,
}

impl Tracer<'_> {
    fn until_all_is_gone(&mut self) {
        loop {
            let mut status = 0;
            // SAFETY: waitpid(2) writes one int.
            let pid =
                unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            if pid < 0 {
                match errno() {
                    libc::EINTR => continue,
                    // Nobody is left.
                    _ => return,
                }
            }
            if libc::WIFSTOPPED(status) {
                self.stopped(pid, status);
            } else {
                self.ended(pid, status);
            }
        }
    }

    fn ended(&mut self, pid: i32, status: i32) {
        self.tasks.remove(&pid);
        if pid == self.host {
            if self.run.took.is_zero() {
                self.run.took = self.began.map(|began| began.elapsed()).unwrap_or_default();
            }
            self.run.code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            self.run.signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
            self.counting = false;
            lock(&self.shared).host_gone = Some(Instant::now());
            self.shared.1.notify_all();
        }
        self.adopt();
        self.publish();
    }

    /// Lets those go on whose maker was killed before it could be heard that it had made them.
    fn adopt(&mut self) {
        if self.tasks.contains_key(&self.host) {
            return;
        }
        for pid in std::mem::take(&mut self.early) {
            let name = "a last one".into();
            self.tasks.insert(
                pid,
                Task {
                    name,
                    ..Task::default()
                },
            );
            self.resume(pid, 0);
        }
        self.publish();
    }

    fn stopped(&mut self, pid: i32, status: i32) {
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        if !self.tasks.contains_key(&pid) {
            self.early.push(pid);
            self.adopt();
            return;
        }
        match event {
            libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                self.has_made(pid);
                self.resume(pid, 0);
            }
            libc::PTRACE_EVENT_EXEC => {
                self.has_executed(pid);
                self.resume(pid, 0);
            }
            // Of a new task, or of one that a signal has stopped.
            libc::PTRACE_EVENT_STOP => self.resume(pid, 0),
            _ if signal == libc::SIGTRAP | 0x80 => {
                self.at_a_call(pid);
                self.resume(pid, 0);
            }
            _ if signal == BEGIN && pid == self.host && self.began.is_none() => {
                // To be stopped at each call would make other moments of those of a clock.
                self.counting = !matches!(self.act, Act::KillAfter(_));
                self.began = Some(Instant::now());
                if let Act::KillAfter(time) = self.act {
                    lock(&self.shared).kill_at = Some(Instant::now() + *time);
                    self.shared.1.notify_all();
                }
                self.resume(pid, 0);
            }
            _ => self.resume(pid, signal),
        }
    }

    /// A new process or thread: it is known from here on.
    fn has_made(&mut self, pid: i32) {
        let mut new = 0_u64;
        let _ = ptrace(libc::PTRACE_GETEVENTMSG, pid, 0, (&raw mut new) as u64);
        let new = new as i32;
        let threads = fs::metadata(format!("/proc/{pid}/task/{new}")).is_ok();
        let Some(maker) = self.tasks.get_mut(&pid) else {
            return;
        };
        let name = if threads {
            maker.threads += 1;
            format!("{}/t{}", maker.name, maker.threads)
        } else {
            maker.processes += 1;
            format!("{}/p{}", maker.name, maker.processes)
        };
        let inside = maker.inside;
        self.tasks.insert(
            new,
            Task {
                name,
                inside,
                ..Task::default()
            },
        );
        self.publish();
        if let Some(at) = self.early.iter().position(|early| *early == new) {
            self.early.remove(at);
            self.resume(new, 0);
        }
    }

    fn has_executed(&mut self, pid: i32) {
        // The host itself was seized somewhat before it had executed this program.
        if pid == self.host {
            return;
        }
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let inside = line.starts_with(PROGRAM.as_bytes());
        self.run.ran |= inside;
        if let Some(task) = self.tasks.get_mut(&pid) {
            task.name.push('!');
            task.counts.clear();
            task.inside = inside;
        }
        self.publish();
    }

    fn at_a_call(&mut self, pid: i32) {
        let mut info = Info([0; 11]);
        let size = size_of::<Info>() as u64;
        if ptrace(PTRACE_GET_SYSCALL_INFO, pid, size, (&raw mut info) as u64).is_err() {
            return;
        }
        let Info([kind, _, _, rest @ ..]) = info;
        match kind & 0xff {
            ENTRY => {
                let [number, args @ ..] = rest;
                let mut six = [0; 6];
                six.copy_from_slice(&args[..6]);
                self.enters(pid, number as i64, six);
            }
            EXIT => {
                let Some(task) = self.tasks.get_mut(&pid) else {
                    return;
                };
                if let Some(answer) = task.answer.take() {
                    registers(pid, |registers| registers.answer(answer));
                }
            }
            _ => {}
        }
    }

    fn enters(&mut self, pid: i32, number: i64, args: [u64; 6]) {
        if pid == self.host && number == libc::SYS_prctl && args[0] == END as u64 {
            self.counting = false;
            self.run.took = self.began.map(|began| began.elapsed()).unwrap_or_default();
        }
        if !self.counting {
            return;
        }
        self.total += 1;
        if let Act::KillAt(total) = self.act
            && *total == self.total
        {
            kill(self.host);
        }
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        let nth = task.counts.entry(number).or_default();
        *nth += 1;
        let call = Call {
            task: task.name.clone(),
            number,
            nth: *nth,
        };
        if let Act::Fail(wanted, errno) = self.act
            && *wanted == call
        {
            self.run.met = true;
            task.answer = Some(-i64::from(*errno));
            // A descriptor whose close(2) fails is closed all the same.
            if number != libc::SYS_close {
                registers(pid, Registers::leave_out);
            }
        }
        self.run.calls.push(Seen { call, args });
    }

    fn resume(&self, pid: i32, signal: i32) {
        let task = self.tasks.get(&pid);
        let matters =
            task.is_some_and(|task| self.counting && !task.inside || task.answer.is_some());
        let request = match matters {
            true => libc::PTRACE_SYSCALL,
            false => libc::PTRACE_CONT,
        };
        // It may have been killed meanwhile.
        let _ = ptrace(request, pid, 0, signal as u64);
    }

    /// Lets the watchdog know who is there.
    fn publish(&self) {
        let tasks = self.tasks.iter();
        lock(&self.shared).tasks = tasks.map(|(pid, task)| (*pid, task.name.clone())).collect();
    }
}

/// Kills the host when it is time, and what takes too long.
fn watch(host: i32, shared: &Shared) {
    let start = Instant::now();
    let mut watched = lock(shared);
    while !watched.over {
        let now = Instant::now();
        let mut next = start + LIMIT;
        if let Some(at) = watched.kill_at.filter(|_| !watched.killed) {
            if at <= now {
                watched.killed = true;
                kill(host);
            } else {
                next = next.min(at);
            }
        }
        match watched.host_gone {
            None if start + LIMIT <= now => {
                watched.hung = true;
                kill(host);
                next = now + AFTER;
            }
            Some(gone) if gone + AFTER <= now => {
                let tasks: Vec<_> = watched.tasks.clone().into_iter().collect();
                for (pid, name) in tasks {
                    watched.left.push(format!("{name}: {}", described(pid)));
                    kill(pid);
                }
                next = now + AFTER;
            }
            Some(gone) => next = gone + AFTER,
            None => {}
        }
        let wait = next.saturating_duration_since(now);
        let waited = shared.1.wait_timeout(watched, wait);
        (watched, _) = waited.unwrap_or_else(PoisonError::into_inner);
    }
}

fn described(pid: i32) -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let stat = read("stat");
    format!(
        "{} {} wchan {}",
        stat.split(' ').take(4).collect::<Vec<_>>().join(" "),
        read("syscall").trim(),
        read("wchan")
    )
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Watched> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kill(pid: i32) {
    // SAFETY: kill(2) touches no memory. The tracer has not reaped it, so the number is its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn errno() -> i32 {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or_default()
}

/// `PTRACE_GET_SYSCALL_INFO`, Linux 5.3, and what it says of where a task stands.
const PTRACE_GET_SYSCALL_INFO: u32 = 0x420e;
const ENTRY: u64 = 1;
const EXIT: u64 = 2;

/// `struct ptrace_syscall_info` (ptrace(2)) in words: the kind in the first byte; instruction and stack pointer;
/// then number and arguments, or the answer.
#[repr(C)]
struct Info([u64; 11]);

fn ptrace(request: u32, pid: i32, address: u64, data: u64) -> Result<c_long, i32> {
    // SAFETY: each caller passes numbers, or the address of what the request writes there.
    match unsafe { libc::ptrace(request, pid, address, data) } {
        -1 => Err(errno()),
        answer => Ok(answer),
    }
}

#[cfg(target_arch = "x86_64")]
struct Registers(libc::user_regs_struct);

#[cfg(target_arch = "x86_64")]
impl Registers {
    /// There is no call -1, so nothing is done.
    fn leave_out(&mut self) {
        self.0.orig_rax = u64::MAX;
    }

    fn answer(&mut self, answer: i64) {
        self.0.rax = answer as u64;
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(pid: i32, change: impl FnOnce(&mut Registers)) {
    // SAFETY: all zeroes are valid registers.
    let mut all = Registers(unsafe { std::mem::zeroed() });
    if ptrace(libc::PTRACE_GETREGS, pid, 0, (&raw mut all.0) as u64).is_ok() {
        change(&mut all);
        let _ = ptrace(libc::PTRACE_SETREGS, pid, 0, (&raw mut all.0) as u64);
    }
}

/// Elsewhere [`available`] says that there is no tracer.
#[cfg(not(target_arch = "x86_64"))]
struct Registers;

#[cfg(not(target_arch = "x86_64"))]
impl Registers {
    fn leave_out(&mut self) {}

    fn answer(&mut self, _: i64) {}
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(_: i32, _: impl FnOnce(&mut Registers)) {}
