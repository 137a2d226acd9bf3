//! The other task of this program: to outlive the host and remove what it leaves.
//!
//! A host that is killed cannot remove the control groups and other directories of its sandboxes. Their processes end by
//! themselves, as their inits see the end of their sockets; the directories stay unless somebody
//! else removes them. That is this process: it sleeps on its socket until the host is gone.

use crate::ending::each_name;
use crate::program::Strings;
use crate::protocol::{AT_CLONE, AT_REQUEST, Reply, Request, SOCKET, STARTED, WATCH};
use crate::remove;
use crate::socket::{MOST_FDS, close, receive, send};
use crate::{exit, fail, sysno};

/// How often, and how long in between, a directory is tried whose processes are still ending: ten
/// seconds in all.
const TRIES: usize = 500;
/// How often directories are removed: what a sandbox that was ending has written is gone after the second.
const ROUNDS: usize = 10;
const PAUSE: [u64; 2] = [0, 20_000_000];

/// Reads the directories, lets go of the host as a parent, waits for its end and cleans up.
pub fn run(request: &Request) -> ! {
    let Some(mut strings) = Strings::read(request, 0) else {
        fail(AT_REQUEST, sysno::ENOMEM)
    };
    // A host that waits for all its children must not wait for this one: the second process has
    // none but the system's own as its parent.
    // SAFETY: clone(2) with no flag but the exit signal is fork(2); the child has its own memory.
    let pid = unsafe { syscall!(sysno::CLONE, sysno::SIGCHLD, 0, 0, 0, 0) };
    if pid < 0 {
        fail(AT_CLONE, -pid as i32);
    }
    if pid != 0 {
        let reply = Reply {
            kind: STARTED,
            value: pid as i32,
            ..Reply::default()
        };
        if !send(SOCKET, &reply, -1) {
            // The host would wait for the answer as long as anybody holds the socket.
            // SAFETY: kill(2) touches no memory. The child has not been reaped.
            unsafe { syscall!(sysno::KILL, pid, sysno::SIGKILL) };
            exit(125);
        }
        exit(0);
    }
    let (mut request_after, mut fds) = (Request::default(), [-1; MOST_FDS]);
    while receive(SOCKET, &mut request_after, &mut fds) {}

    while let Some(directory) = strings.take() {
        if request.kind == WATCH {
            clean(directory);
        } else if let Some(prefix) = strings.take() {
            remove_directories(directory, prefix);
        }
    }
    exit(0)
}

/// Removes what the host left in a directory. Its sandboxes end at this moment too, and may write until
/// they have.
fn remove_directories(directory: *const u8, prefix: *const u8) {
    for _ in 0..ROUNDS {
        remove::with_prefix(directory, prefix);
        // SAFETY: nanosleep(2) reads one timespec.
        unsafe { syscall!(sysno::NANOSLEEP, PAUSE.as_ptr(), 0) };
    }
}

/// Kills what is left in the groups of one directory, and removes them and it.
fn clean(directory: *const u8) {
    // SAFETY: chdir(2) reads the path up to its NUL.
    if unsafe { syscall!(sysno::CHDIR, directory) } < 0 {
        return;
    }
    // SAFETY: openat(2) reads the path; write(2) one byte; close(2) touches no memory. On a v1
    // hierarchy the file does not exist.
    unsafe {
        let kill = syscall!(
            sysno::OPENAT,
            sysno::AT_FDCWD,
            c"cgroup.kill".as_ptr(),
            sysno::O_WRONLY_CLOEXEC,
            0
        );
        if kill >= 0 {
            syscall!(sysno::WRITE, kill, c"1".as_ptr(), 1);
            syscall!(sysno::CLOSE, kill);
        }
    }
    for _ in 0..TRIES {
        remove_groups();
        // SAFETY: unlinkat(2) reads the path up to its NUL.
        let removed = unsafe {
            syscall!(
                sysno::UNLINKAT,
                sysno::AT_FDCWD,
                directory,
                sysno::AT_REMOVEDIR
            )
        };
        if removed >= 0 || removed == -(sysno::ENOENT as isize) {
            break;
        }
        // SAFETY: nanosleep(2) reads one timespec.
        unsafe { syscall!(sysno::NANOSLEEP, PAUSE.as_ptr(), 0) };
    }
    // The directory that all hosts share, if this was the last: it refuses while it is not empty.
    // SAFETY: chdir(2) and unlinkat(2) read the paths up to their NULs.
    unsafe {
        if syscall!(sysno::CHDIR, c"../..".as_ptr()) >= 0 {
            let shared = c"cofferdam".as_ptr();
            syscall!(
                sysno::UNLINKAT,
                sysno::AT_FDCWD,
                shared,
                sysno::AT_REMOVEDIR
            );
        }
    }
}

/// Tries to remove every directory in the working directory once.
fn remove_groups() {
    // SAFETY: openat(2) reads the path up to its NUL.
    let list = unsafe {
        syscall!(
            sysno::OPENAT,
            sysno::AT_FDCWD,
            c".".as_ptr(),
            sysno::O_RDONLY_CLOEXEC,
            0
        )
    };
    if list < 0 {
        return;
    }
    each_name(list as i32, |name, kind| {
        // SAFETY: the name ends in a NUL; unlinkat(2) reads it.
        unsafe {
            if kind == sysno::DT_DIR && name.read() != b'.' {
                syscall!(sysno::UNLINKAT, sysno::AT_FDCWD, name, sysno::AT_REMOVEDIR);
            }
        }
    });
    close(list as i32);
}
