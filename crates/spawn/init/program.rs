//! Taking a request and starting its program.

use crate::protocol::{
    AT_CLONE, AT_DIRECTORY, AT_EXEC, AT_READY, AT_REQUEST, AT_STDIO, AT_STOPPED, AT_TERMINAL, Request,
    SHIELD, SOCKET, TERMINAL,
};
use crate::socket::{close, read_all};
use crate::table::reading;
use crate::time::Timespec;
use crate::{sysno, terminal};

/// What the new process needs, and where it says why it failed: it shares this memory until it
/// executes the program.
struct Start {
    directory: *const u8,
    candidates: *const *const u8,
    candidate_count: usize,
    argv: *const *const u8,
    envp: *const *const u8,
    stdio: [i32; 3],
    shield: bool,
    terminal: bool,
    step: u32,
    errno: i32,
}

/// A program that runs.
pub struct Started {
    pub pid: i32,
    /// The host's side of its terminal; -1 where it has none.
    pub terminal: i32,
}

/// Reads the strings of a request and starts its program, with three descriptors or a new terminal as
/// standard input, output and error; the step and error where it fails. The three are closed here in
/// any case.
pub fn start(request: &Request, stdio: [i32; 3]) -> Result<Started, (u32, i32)> {
    if request.argument & TERMINAL == 0 {
        let started = start_with(request, stdio, false);
        stdio.into_iter().for_each(close);
        return started.map(|pid| Started { pid, terminal: -1 });
    }
    stdio.into_iter().for_each(close);
    let opened = terminal::open(request.rows, request.columns);
    let (host, own) = match opened {
        Ok(pair) => pair,
        // What follows is another request to come, so these strings are taken off the socket.
        Err(errno) => {
            return match Strings::read(request, 0) {
                Some(strings) => {
                    strings.unmap();
                    Err((AT_TERMINAL, errno))
                }
                None => Err((AT_REQUEST, sysno::ENOMEM)),
            };
        }
    };
    let started = start_with(request, [own; 3], true);
    close(own);
    match started {
        Ok(pid) => Ok(Started {
            pid,
            terminal: host,
        }),
        Err(failed) => {
            close(host);
            Err(failed)
        }
    }
}

fn start_with(request: &Request, stdio: [i32; 3], terminal: bool) -> Result<i32, (u32, i32)> {
    let (candidates, argc, envc) = (
        request.candidates as usize,
        request.argc as usize,
        request.envc as usize,
    );
    // One null pointer ends each of the two arrays.
    let pointers = candidates + argc + envc + 2;
    let Some(mut text) = Strings::read(request, pointers * 8) else {
        return Err((AT_REQUEST, sysno::ENOMEM));
    };
    let result = start_from(
        &mut text,
        request,
        [candidates, argc, envc],
        stdio,
        terminal,
    );
    text.unmap();
    result
}

fn start_from(
    text: &mut Strings,
    request: &Request,
    [candidates, argc, envc]: [usize; 3],
    stdio: [i32; 3],
    terminal: bool,
) -> Result<i32, (u32, i32)> {
    let broken = (AT_REQUEST, sysno::EPROTO);
    if stdio.iter().any(|&fd| fd < 0) {
        // What init has no number left for does not arrive (MSG_CTRUNC in recvmsg(2)).
        return Err((AT_STDIO, sysno::EMFILE));
    }
    let array = text.behind().cast::<*const u8>();
    let directory = text.take().ok_or(broken)?;
    let mut slot = array;
    for (count, ended) in [(candidates, false), (argc, true), (envc, true)] {
        for _ in 0..count {
            let string = text.take().ok_or(broken)?;
            // SAFETY: at most `pointers` slots are passed, all in the mapping.
            slot = unsafe {
                slot.write(string);
                slot.add(1)
            };
        }
        if ended {
            // A null pointer ends argv and envp; fresh memory is zero already.
            // SAFETY: as above.
            slot = unsafe { slot.add(1) };
        }
    }
    // SAFETY: these lie in the mapping.
    let (argv, envp) = unsafe { (array.add(candidates), array.add(candidates + argc + 1)) };
    let mut plan = Start {
        directory,
        candidates: array,
        candidate_count: candidates,
        argv,
        envp,
        stdio,
        shield: request.argument & SHIELD != 0,
        terminal,
        step: 0,
        errno: 0,
    };
    let pid = run(&mut plan)?;
    if plan.step != 0 {
        return Err((plan.step, plan.errno));
    }
    Ok(pid)
}

/// The NUL-terminated strings of a request, in a mapping of their own, taken one after the other.
pub struct Strings {
    memory: *mut u8,
    size: usize,
    next: *const u8,
    end: *const u8,
}

impl Strings {
    /// Reads the strings of a request to the start of a new mapping that has `more` bytes of zeroes
    /// behind them, aligned to 8.
    pub fn read(request: &Request, more: usize) -> Option<Self> {
        let strings = request.strings as usize;
        let size = (strings.next_multiple_of(8) + more).max(1);
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let memory = unsafe {
            syscall!(
                sysno::MMAP,
                0,
                size,
                sysno::PROT_READ_WRITE,
                sysno::MAP_PRIVATE_ANONYMOUS,
                -1_isize,
                0
            )
        };
        if (-4095..0).contains(&memory) {
            skip(strings);
            return None;
        }
        let memory = memory as *mut u8;
        let text = Self {
            memory,
            size,
            next: memory,
            end: memory.wrapping_add(strings),
        };
        // SAFETY: the mapping is at least as long as the strings.
        if unsafe { read_all(SOCKET, memory, strings) } {
            Some(text)
        } else {
            text.unmap();
            None
        }
    }

    /// The zeroes behind the strings.
    fn behind(&self) -> *mut u8 {
        self.memory
            .wrapping_add((self.end as usize - self.memory as usize).next_multiple_of(8))
    }

    /// Gives the memory back.
    pub fn unmap(self) {
        // SAFETY: the mapping made by `read`; a child that used it has executed a program or is gone.
        unsafe { syscall!(sysno::MUNMAP, self.memory, self.size) };
    }

    /// The next one.
    pub fn take(&mut self) -> Option<*const u8> {
        let string = self.next;
        while self.next < self.end {
            // SAFETY: below `end`, so inside the strings.
            let byte = unsafe { self.next.read() };
            // SAFETY: at most `end`.
            self.next = unsafe { self.next.add(1) };
            if byte == 0 {
                return Some(string);
            }
        }
        None
    }
}

/// Takes bytes off the socket that nobody wants, so that the next request is found.
fn skip(mut length: usize) {
    let mut waste = [0_u8; 512];
    while length > 0 {
        let part = length.min(waste.len());
        // SAFETY: at most the length of the buffer.
        if !unsafe { read_all(SOCKET, waste.as_mut_ptr(), part) } {
            return;
        }
        length -= part;
    }
}

/// How long, in nanoseconds, and how often a process that is stopped before it has executed its
/// program is let go on.
const PAUSE: u64 = 20_000_000;
const CONTINUES: usize = 16;

/// Runs the child's part in a new process that shares this memory, and waits until it has executed the
/// program or ended.
///
/// Not with `CLONE_VFORK`: in a session a program can stop every process beside it with
/// `kill(-1, SIGSTOP)`, and init would wait for the stopped one and serve nobody.
fn run(plan: &mut Start) -> Result<i32, (u32, i32)> {
    #[repr(align(16))]
    struct Stack(#[allow(dead_code)] [u8; 16384]);
    static mut STACK: Stack = Stack([0; 16384]);
    let mut pipe = [-1_i32; 2];
    // SAFETY: pipe2(2) writes two descriptors.
    let answer = unsafe { syscall!(sysno::PIPE2, &raw mut pipe, sysno::O_CLOEXEC) };
    if answer < 0 {
        return Err((AT_STDIO, -answer as i32));
    }
    let [ended, held] = pipe;
    // SAFETY: one past the end of the static, which only the one child at a time uses.
    let top = unsafe { (&raw mut STACK).add(1) };
    // SAFETY: the child runs on its own stack, and this process touches neither that nor the plan
    // until the child has let go of both, below.
    let pid = unsafe {
        crate::raw::clone_on_stack(
            sysno::CLONE,
            sysno::CLONE_VM_SIGCHLD,
            top.cast(),
            core::ptr::null_mut(),
            child,
            (plan as *mut Start).cast(),
        )
    };
    close(held);
    let result = if pid < 0 {
        Err((AT_CLONE, -pid as i32))
    } else {
        // The child has the other end until it executes or is gone; the kernel lets go of the memory
        // before it closes descriptors, in both.
        await_end(ended, pid as i32)
    };
    close(ended);
    result
}

/// Waits until nobody holds the other end of a pipe; the process that does is let go on if something
/// stops it, and killed if that happens over and over.
fn await_end(pipe: i32, pid: i32) -> Result<i32, (u32, i32)> {
    let mut stops = 0;
    loop {
        let (mut poll, mut pause) = (reading(pipe), Timespec::new(PAUSE));
        // SAFETY: ppoll(2) reads and writes one pollfd and the timespec, which is then what was left.
        let n = unsafe { syscall!(sysno::PPOLL, &raw mut poll, 1, &raw mut pause, 0, 0) };
        if n > 0 {
            return match stops {
                CONTINUES.. => Err((AT_STOPPED, sysno::EAGAIN)),
                _ => Ok(pid),
            };
        }
        // Merely slow is for as long as it takes.
        if n == 0 && stops < CONTINUES && is_stopped(pid) {
            stops += 1;
            let signal = match stops {
                CONTINUES.. => sysno::SIGKILL,
                _ => sysno::SIGCONT,
            };
            // SAFETY: kill(2) touches no memory. The child has not been reaped.
            unsafe { syscall!(sysno::KILL, pid, signal) };
        }
    }
}

/// Whether a child is stopped (waitid(2) with `WSTOPPED` alone, which reaps nothing).
fn is_stopped(pid: i32) -> bool {
    #[repr(C, align(8))]
    struct Info([i32; 32]);
    let mut info = Info([0; 32]);
    // SAFETY: waitid(2) writes one siginfo, 128 bytes.
    let answer = unsafe {
        syscall!(
            sysno::WAITID,
            sysno::P_PID,
            pid,
            &raw mut info,
            sysno::WSTOPPED | sysno::WNOHANG,
            0
        )
    };
    // si_signo is zero when there is nothing to tell.
    answer == 0 && info.0.first().is_some_and(|&signal| signal != 0)
}

extern "C" fn child(argument: *mut u8) -> ! {
    // SAFETY: the argument is the Start that `run` was given; its owner waits.
    let plan = unsafe { &mut *argument.cast::<Start>() };
    (plan.step, plan.errno) = prepare_and_exec(plan);
    crate::exit(127)
}

/// Returns only on failure: the step and error.
fn prepare_and_exec(plan: &Start) -> (u32, i32) {
    if plan.shield
        && let Err(errno) = out_of_reach()
    {
        return (AT_READY, errno);
    }
    let nothing_blocked = 0_u64;
    // SAFETY: rt_sigprocmask(2) reads 8 bytes; setsid(2) touches no memory.
    let ready = unsafe {
        [
            syscall!(
                sysno::RT_SIGPROCMASK,
                sysno::SIG_SETMASK,
                &raw const nothing_blocked,
                0,
                8
            ),
            syscall!(sysno::SETSID),
        ]
    };
    for answer in ready {
        if answer < 0 {
            return (AT_READY, -answer as i32);
        }
    }
    // SAFETY: chdir(2) reads the path up to its NUL.
    let answer = unsafe { syscall!(sysno::CHDIR, plan.directory) };
    if answer < 0 {
        return (AT_DIRECTORY, -answer as i32);
    }
    // Out of the way of 0, 1 and 2 first, whatever numbers they came as.
    let mut moved = [-1_isize; 3];
    for (to, from) in moved.iter_mut().zip(plan.stdio) {
        // SAFETY: F_DUPFD_CLOEXEC touches no memory.
        *to = unsafe { syscall!(sysno::FCNTL, from, sysno::F_DUPFD_CLOEXEC, 10) };
        if *to < 0 {
            return (AT_STDIO, -*to as i32);
        }
    }
    for (new, old) in moved.into_iter().enumerate() {
        // SAFETY: dup3(2) touches no memory.
        let answer = unsafe { syscall!(sysno::DUP3, old, new, 0) };
        if answer < 0 {
            return (AT_STDIO, -answer as i32);
        }
    }
    if plan.terminal
        && let Err(errno) = terminal::take()
    {
        return (AT_TERMINAL, errno);
    }
    (AT_EXEC, exec(plan))
}

/// Takes init, and all above it, out of the reach of the program's signals: without a process
/// namespace they are processes of the same user in the same Landlock domain. A domain of its own
/// below that one keeps signals in (`LANDLOCK_SCOPE_SIGNAL`). An older kernel refuses, and the
/// program runs all the same: the host's report says what the namespaces layer lacks. One that merely has no room for
/// it now is no older kernel.
fn out_of_reach() -> Result<(), i32> {
    let attributes = [0_u64, 0, sysno::LANDLOCK_SCOPE_SIGNAL];
    // SAFETY: landlock_create_ruleset(2) reads 24 bytes; the others touch no memory.
    unsafe {
        let size = size_of_val(&attributes);
        let ruleset = syscall!(
            sysno::LANDLOCK_CREATE_RULESET,
            &raw const attributes,
            size,
            0
        );
        match -ruleset as i32 {
            errno @ (sysno::ENOMEM | sysno::EMFILE | sysno::ENFILE) => return Err(errno),
            1.. => return Ok(()),
            _ => {}
        }
        let answer = syscall!(sysno::LANDLOCK_RESTRICT_SELF, ruleset, 0);
        syscall!(sysno::CLOSE, ruleset);
        match answer {
            0.. => Ok(()),
            _ => Err(-answer as i32),
        }
    }
}

/// Tries each candidate as execvp(3) does: a missing one leads on to the next, and a refused one is
/// remembered. Where there are several it looks first, as a host that hears of what is executed would hear of
/// each that is not there.
fn exec(plan: &Start) -> i32 {
    let mut refused = false;
    for i in 0..plan.candidate_count {
        if plan.candidate_count > 1 {
            // SAFETY: faccessat(2) reads a NUL-terminated string.
            let answer = unsafe {
                let path = plan.candidates.add(i).read();
                syscall!(sysno::FACCESSAT, sysno::AT_FDCWD, path, 0)
            };
            if matches!(-answer as i32, sysno::ENOENT | sysno::ENOTDIR) {
                continue;
            }
        }
        // SAFETY: the arrays hold pointers to NUL-terminated strings and end in null pointers.
        let answer = unsafe {
            syscall!(
                sysno::EXECVE,
                plan.candidates.add(i).read(),
                plan.argv,
                plan.envp
            )
        };
        match -answer as i32 {
            sysno::ENOENT | sysno::ENOTDIR => {}
            sysno::EACCES => refused = true,
            errno => return errno,
        }
    }
    if refused {
        sysno::EACCES
    } else {
        sysno::ENOENT
    }
}
