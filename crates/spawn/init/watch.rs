//! The other task of this program: to outlive the host and remove its control groups.
//!
//! A host that is killed cannot remove the directories of its sandboxes. Their processes end by
//! themselves, as their inits see the end of their sockets; the directories stay unless somebody
//! else removes them. That is this process: it sleeps on its socket until the host is gone.

use crate::program::{self, Strings};
use crate::protocol::{Reply, Request, STARTED};
use crate::{exit, send, sysno};

/// How often, and how long in between, a directory is tried whose processes are still ending: ten
/// seconds in all.
const TRIES: usize = 500;
const PAUSE: [u64; 2] = [0, 20_000_000];

/// Reads the directories, lets go of the host as a parent, waits for its end and cleans up.
pub fn run(request: &Request) -> ! {
    let Some((memory, _)) = program::read_strings(request, 0) else {
        exit(125)
    };
    // A host that waits for all its children must not wait for this one: the second process has
    // none but the system's own as its parent.
    // SAFETY: clone(2) with no flag but the exit signal is fork(2); the child has its own memory.
    let pid = unsafe { syscall!(sysno::CLONE, sysno::SIGCHLD, 0, 0, 0, 0) };
    if pid != 0 {
        send(&Reply {
            kind: STARTED,
            value: pid as i32,
            ..Reply::default()
        });
        exit(0);
    }
    let (mut request_after, mut fds) = (Request::default(), [-1_i32; 3]);
    while program::receive(&mut request_after, &mut fds) {}

    let mut strings = Strings::new(memory, request.strings as usize);
    while let Some(directory) = strings.take() {
        clean(directory);
    }
    exit(0)
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

/// Where a linux_dirent64 has its length (2 bytes), its type (1 byte) and its name (getdents64(2)).
const LENGTH: usize = 16;
const KIND: usize = 18;
const NAME: usize = 19;

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
    #[repr(align(8))]
    struct Entries([u8; 4096]);
    let mut entries = Entries([0; 4096]);
    loop {
        // SAFETY: getdents64(2) writes at most the length of the buffer.
        let n = unsafe {
            syscall!(
                sysno::GETDENTS64,
                list,
                entries.0.as_mut_ptr(),
                entries.0.len()
            )
        };
        if n <= 0 {
            break;
        }
        let mut at = 0;
        while at + NAME < n as usize {
            // SAFETY: the kernel writes whole entries, so one that starts below `n` ends there too.
            // Pointers and no slices: bounds checks would bring the formatting of panics in.
            unsafe {
                let entry = entries.0.as_ptr().add(at);
                let name = entry.add(NAME);
                if entry.add(KIND).read() == sysno::DT_DIR && name.read() != b'.' {
                    syscall!(sysno::UNLINKAT, sysno::AT_FDCWD, name, sysno::AT_REMOVEDIR);
                }
                let length = entry.add(LENGTH).cast::<u16>().read_unaligned();
                at += if length == 0 {
                    n as usize
                } else {
                    length as usize
                };
            }
        }
    }
    // SAFETY: close(2) touches no memory.
    unsafe { syscall!(sysno::CLOSE, list) };
}
