//! Taking a request and starting its program.

use crate::protocol::{
    AT_CLONE, AT_DIRECTORY, AT_EXEC, AT_REQUEST, AT_STDIO, Request, SHIELD, SOCKET,
};
use crate::sysno;
use core::ptr::null_mut;

/// Reads one request, and the descriptors that come with it; false when the host is gone.
pub fn receive(request: &mut Request, stdio: &mut [i32; 3]) -> bool {
    #[repr(C)]
    struct Iovec(*mut u8, usize);
    #[repr(C, align(8))]
    struct Control {
        length: usize,
        level: i32,
        kind: i32,
        fds: [i32; 4],
    }
    #[repr(C)]
    struct Message {
        name: *mut u8,
        name_length: u32,
        iov: *mut Iovec,
        iov_length: usize,
        control: *mut Control,
        control_length: usize,
        flags: i32,
    }
    let bytes = (request as *mut Request).cast::<u8>();
    let mut done = 0;
    while done < size_of::<Request>() {
        // SAFETY: `done` is below the structure's size.
        let mut iov = Iovec(unsafe { bytes.add(done) }, size_of::<Request>() - done);
        let mut control = Control {
            length: 0,
            level: 0,
            kind: 0,
            fds: [-1; 4],
        };
        let mut message = Message {
            name: null_mut(),
            name_length: 0,
            iov: &raw mut iov,
            iov_length: 1,
            control: &raw mut control,
            control_length: size_of::<Control>(),
            flags: 0,
        };
        // SAFETY: recvmsg(2) writes to the bytes and the control buffer within the lengths given;
        // any bytes make a valid Request.
        let n = unsafe {
            syscall!(
                sysno::RECVMSG,
                SOCKET,
                &raw mut message,
                sysno::MSG_CMSG_CLOEXEC
            )
        };
        if n == -(sysno::EINTR as isize) {
            continue;
        }
        if n <= 0 {
            return false;
        }
        if control.level == sysno::SOL_SOCKET && control.kind == sysno::SCM_RIGHTS {
            stdio.copy_from_slice(&control.fds[..3]);
        }
        done += n as usize;
    }
    true
}

/// Reads exactly `length` bytes to `to`; false when the host is gone.
fn read_all(to: *mut u8, length: usize) -> bool {
    let mut done = 0;
    while done < length {
        // SAFETY: read(2) writes at most the rest of the buffer of `length` bytes.
        let n = unsafe { syscall!(sysno::READ, SOCKET, to.add(done), length - done) };
        if n == -(sysno::EINTR as isize) {
            continue;
        }
        if n <= 0 {
            return false;
        }
        done += n as usize;
    }
    true
}

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
    step: u32,
    errno: i32,
}

/// Reads the strings of a request and starts its program; its process id, or the step and error.
pub fn start(request: &Request, stdio: [i32; 3]) -> Result<i32, (u32, i32)> {
    if stdio.iter().any(|&fd| fd < 0) {
        return Err((AT_REQUEST, sysno::EPROTO));
    }
    let (candidates, argc, envc) = (
        request.candidates as usize,
        request.argc as usize,
        request.envc as usize,
    );
    // One null pointer ends each of the two arrays.
    let pointers = candidates + argc + envc + 2;
    let Some((memory, size)) = read_strings(request, pointers * 8) else {
        return Err((AT_REQUEST, sysno::ENOMEM));
    };
    let strings = request.strings as usize;
    let table = strings.next_multiple_of(8);
    // SAFETY: the table lies in the mapping, aligned to 8 bytes, behind the strings.
    let array = unsafe { memory.add(table).cast::<*const u8>() };
    let mut text = Strings::new(memory, strings);
    let directory = text.take().ok_or((AT_REQUEST, sysno::EPROTO))?;
    let mut slot = array;
    for (count, ended) in [(candidates, false), (argc, true), (envc, true)] {
        for _ in 0..count {
            let string = text.take().ok_or((AT_REQUEST, sysno::EPROTO))?;
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
        step: 0,
        errno: 0,
    };
    let pid = vfork(&mut plan);
    for fd in stdio {
        // SAFETY: close(2) touches no memory.
        unsafe { syscall!(sysno::CLOSE, fd) };
    }
    // SAFETY: the mapping made above; the child has executed the program or is gone.
    unsafe { syscall!(sysno::MUNMAP, memory, size) };
    if pid < 0 {
        return Err((AT_CLONE, -pid as i32));
    }
    if plan.step != 0 {
        return Err((plan.step, plan.errno));
    }
    Ok(pid as i32)
}

/// Reads the strings of a request to the start of a new mapping that has `more` bytes of zeroes
/// behind them, aligned to 8; the mapping and its size.
pub fn read_strings(request: &Request, more: usize) -> Option<(*mut u8, usize)> {
    let strings = request.strings as usize;
    let size = strings.next_multiple_of(8) + more;
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
    if (-4095..0).contains(&memory) || !read_all(memory as *mut u8, strings) {
        return None;
    }
    Some((memory as *mut u8, size))
}

/// Takes NUL-terminated strings one after the other.
pub struct Strings {
    next: *const u8,
    end: *const u8,
}

impl Strings {
    /// The strings in the first `length` bytes of a mapping.
    pub fn new(memory: *const u8, length: usize) -> Self {
        Self {
            next: memory,
            end: memory.wrapping_add(length),
        }
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

/// Runs the child's part in a new process that shares this memory, and waits until it has executed
/// the program or ended (clone(2) with `CLONE_VM|CLONE_VFORK`).
fn vfork(plan: &mut Start) -> isize {
    #[repr(align(16))]
    struct Stack(#[allow(dead_code)] [u8; 16384]);
    static mut STACK: Stack = Stack([0; 16384]);
    // SAFETY: one past the end of the static, which only the one child at a time uses.
    let top = unsafe { (&raw mut STACK).add(1) };
    // SAFETY: the child runs on its own stack while this process, its only other user, sleeps.
    unsafe {
        crate::raw::clone_on_stack(
            sysno::CLONE,
            sysno::CLONE_VM_VFORK_SIGCHLD,
            top.cast(),
            child,
            (plan as *mut Start).cast(),
        )
    }
}

extern "C" fn child(argument: *mut u8) -> ! {
    // SAFETY: the argument is the Start that `vfork` was given; its owner sleeps.
    let plan = unsafe { &mut *argument.cast::<Start>() };
    (plan.step, plan.errno) = prepare_and_exec(plan);
    crate::exit(127)
}

/// Returns only on failure: the step and error.
fn prepare_and_exec(plan: &Start) -> (u32, i32) {
    if plan.shield {
        out_of_reach();
    }
    let nothing_blocked = 0_u64;
    // SAFETY: rt_sigprocmask(2) reads 8 bytes; setsid(2) touches no memory.
    unsafe {
        syscall!(
            sysno::RT_SIGPROCMASK,
            sysno::SIG_SETMASK,
            &raw const nothing_blocked,
            0,
            8
        );
        syscall!(sysno::SETSID);
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
    (AT_EXEC, exec(plan))
}

/// Takes init, and all above it, out of the reach of the program's signals: without a process
/// namespace they are processes of the same user in the same Landlock domain. A domain of its own
/// below that one keeps signals in (`LANDLOCK_SCOPE_SIGNAL`). An older kernel refuses, and the
/// program runs all the same: the host's report says what the namespaces layer lacks.
fn out_of_reach() {
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
        if ruleset >= 0 {
            syscall!(sysno::LANDLOCK_RESTRICT_SELF, ruleset, 0);
            syscall!(sysno::CLOSE, ruleset);
        }
    }
}

/// Tries each candidate as execvp(3) does: a missing one leads on to the next, and a refused one is
/// remembered.
fn exec(plan: &Start) -> i32 {
    let mut refused = false;
    for i in 0..plan.candidate_count {
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
