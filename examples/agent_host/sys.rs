//! The system calls that std does not have, each with a safe face.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_long, c_void};
use std::io;

/// The kernel's name of an error (errno(3)).
pub fn errno_name(error: &io::Error) -> String {
    let name = match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM",
        Some(libc::ENOENT) => "ENOENT",
        Some(libc::ESRCH) => "ESRCH",
        Some(libc::EIO) => "EIO",
        Some(libc::EBADF) => "EBADF",
        Some(libc::ECHILD) => "ECHILD",
        Some(libc::EAGAIN) => "EAGAIN",
        Some(libc::ENOMEM) => "ENOMEM",
        Some(libc::EACCES) => "EACCES",
        Some(libc::EFAULT) => "EFAULT",
        Some(libc::EBUSY) => "EBUSY",
        Some(libc::ENODEV) => "ENODEV",
        Some(libc::ENOTDIR) => "ENOTDIR",
        Some(libc::EINVAL) => "EINVAL",
        Some(libc::ENOSPC) => "ENOSPC",
        Some(libc::EROFS) => "EROFS",
        Some(libc::ENOSYS) => "ENOSYS",
        Some(libc::ENETUNREACH) => "ENETUNREACH",
        Some(libc::ECONNREFUSED) => "ECONNREFUSED",
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT",
        Some(other) => return format!("errno {other}"),
        None => return error.kind().to_string(),
    };
    name.to_owned()
}

fn check(result: c_long) -> io::Result<c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

fn c_path(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Lets any process trace this one where Yama asks for such leave (prctl(2), `PR_SET_PTRACER`), so
/// that the attack on its memory would succeed without a wall. Without Yama there is nothing to do.
pub fn allow_any_tracer() {
    // SAFETY: PR_SET_PTRACER takes numbers only.
    let _ = unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
}

/// Reads another process's memory (process_vm_readv(2)).
pub fn read_memory(pid: i32, address: usize, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0_u8; length];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: length,
    };
    let remote = libc::iovec {
        iov_base: address as *mut c_void,
        iov_len: length,
    };
    // SAFETY: `local` names `length` writable bytes, which outlive the call; `remote` is an address
    // of another process, which the kernel checks.
    let read = unsafe { libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) };
    bytes.truncate(check(read as c_long)? as usize);
    Ok(bytes)
}

/// Stops another process and reads its memory word by word (ptrace(2)), then lets it go on.
pub fn trace_memory(pid: i32, address: usize, length: usize) -> io::Result<Vec<u8>> {
    // SAFETY: PTRACE_ATTACH ignores address and data.
    check(unsafe { libc::ptrace(libc::PTRACE_ATTACH, pid, 0, 0) })?;
    let mut status = 0;
    // SAFETY: `status` is writable and outlives the call.
    check(c_long::from(unsafe {
        libc::waitpid(pid, &mut status, libc::__WALL)
    }))?;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        // SAFETY: PTRACE_PEEKDATA reads a word of the tracee, whose address the kernel checks; the
        // library hands the word back as the result.
        let word = unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, pid, address + bytes.len(), 0) };
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    // SAFETY: PTRACE_DETACH ignores the address and delivers no signal with data 0.
    check(unsafe { libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0) })?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Kills by process id (kill(2)).
pub fn kill(pid: i32) -> io::Result<()> {
    // SAFETY: kill takes numbers only.
    check(c_long::from(unsafe { libc::kill(pid, libc::SIGKILL) })).map(drop)
}

/// Kills by process descriptor (pidfd_open(2), pidfd_send_signal(2)).
pub fn kill_by_descriptor(pid: i32) -> io::Result<()> {
    // SAFETY: pidfd_open takes numbers only.
    let pidfd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means that of kill(2); the other arguments are numbers. The descriptor
    // is left to the end of this short-lived process.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, none, 0) })
        .map(drop)
}

/// A new user namespace (unshare(2)).
pub fn unshare_user() -> io::Result<()> {
    // SAFETY: unshare takes numbers only; this process has one thread.
    check(c_long::from(unsafe { libc::unshare(libc::CLONE_NEWUSER) })).map(drop)
}

/// A new mount namespace, with a user namespace to own it where that is needed.
pub fn unshare_mounts(with_user: bool) -> io::Result<()> {
    let user = if with_user { libc::CLONE_NEWUSER } else { 0 };
    // SAFETY: unshare takes numbers only; this process has one thread.
    check(c_long::from(unsafe {
        libc::unshare(libc::CLONE_NEWNS | user)
    }))
    .map(drop)
}

/// Mounts a tmpfs (mount(2)). With `private`, first keeps every mount of this namespace from
/// spreading to others.
pub fn mount_tmpfs(source: &str, target: &str, private: bool) -> io::Result<()> {
    const NONE: *const libc::c_char = std::ptr::null();
    if private {
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: the target is a string that ends in NUL; a change of propagation takes no other.
        let made = unsafe { libc::mount(NONE, c"/".as_ptr(), NONE, flags, std::ptr::null()) };
        check(c_long::from(made))?;
    }
    let (source, target) = (c_path(source)?, c_path(target)?);
    let kind: &CStr = c"tmpfs";
    // SAFETY: the three strings end in NUL and outlive the call; tmpfs takes null as no options.
    let made = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            0,
            std::ptr::null(),
        )
    };
    check(c_long::from(made)).map(drop)
}

/// Takes private memory and touches every page of it; never gives it back.
pub fn take_memory(length: usize) -> io::Result<()> {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other memory.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    for offset in (0..length).step_by(4096) {
        // SAFETY: the mapping has `length` writable bytes, and nobody else knows of it.
        unsafe { start.cast::<u8>().add(offset).write_volatile(1) };
    }
    Ok(())
}

/// Forks children that do nothing until this process ends, at most `most`; how many there are, and
/// what stopped the next one.
pub fn fork_sleepers(most: usize) -> (usize, Option<io::Error>) {
    let mut pipe = [0; 2];
    // SAFETY: `pipe` has room for two descriptors.
    if let Err(error) = check(c_long::from(unsafe { libc::pipe(pipe.as_mut_ptr()) })) {
        return (0, Some(error));
    }
    for made in 0..most {
        // SAFETY: this process has one thread, and the child makes only calls that are safe after
        // fork(2) (signal-safety(7)): close, read, _exit.
        match unsafe { libc::fork() } {
            -1 => return (made, Some(io::Error::last_os_error())),
            0 => {
                let mut byte = 0_u8;
                // SAFETY: the child's own copies of the pipe; `byte` is one writable byte. The read
                // ends when the last write end is closed: with the parent.
                unsafe {
                    libc::close(pipe[1]);
                    libc::read(pipe[0], (&raw mut byte).cast(), 1);
                    libc::_exit(0);
                }
            }
            _ => {}
        }
    }
    (most, None)
}

/// The columns of the terminal that standard output is, if it is one (ioctl_tty(2)).
pub fn terminal_columns() -> Option<usize> {
    // SAFETY: all-zero is a valid winsize, a structure of numbers.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one winsize, and `size` is one.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
