//! Ending processes: those of one program, or all.

use crate::socket::close;
use crate::sysno;

/// How often the processes of a program are looked for anew, while they make others.
const ROUNDS: usize = 16;

/// Kills a program and all that is still in its session (setsid(2)). What has made a session of its own
/// meant to outlive it.
pub fn kill_session(leader: i32) {
    for _ in 0..ROUNDS {
        // SAFETY: kill(2) touches no memory. The leader has not been reaped, so its number is its own,
        // and so is that of its process group.
        unsafe {
            syscall!(sysno::KILL, leader, sysno::SIGKILL);
            syscall!(sysno::KILL, -(leader as isize), sysno::SIGKILL);
        }
        if !kill_members(leader) {
            return;
        }
    }
}

/// Kills what `/proc` shows of a session but its leader; false when there is nothing, or no `/proc`.
fn kill_members(leader: i32) -> bool {
    // SAFETY: openat(2) reads the path up to its NUL.
    let list = unsafe {
        syscall!(
            sysno::OPENAT,
            sysno::AT_FDCWD,
            c"/proc".as_ptr(),
            sysno::O_RDONLY_CLOEXEC,
            0
        )
    };
    if list < 0 {
        return false;
    }
    let mut found = false;
    each_name(list as i32, |name, _| {
        let mut pid = 0_usize;
        // SAFETY: the name ends in a NUL.
        unsafe {
            let mut at = name;
            while at.read().is_ascii_digit() {
                pid = pid
                    .wrapping_mul(10)
                    .wrapping_add((at.read() - b'0') as usize);
                at = at.add(1);
            }
            // getsid(2) and kill(2) touch no memory.
            if at.read() == 0
                && pid != leader as usize
                && syscall!(sysno::GETSID, pid) == leader as isize
            {
                syscall!(sysno::KILL, pid, sysno::SIGKILL);
                found = true;
            }
        }
    });
    close(list as i32);
    found
}

/// In a process namespace: kills all but this process, which is process 1 and so the parent of every
/// orphan, and reaps them.
pub fn kill_namespace() {
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
pub fn kill_descendants() {
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
            // SAFETY: read(2) writes at most the length of the buffer.
            let n = unsafe { syscall!(sysno::READ, file, text.as_mut_ptr(), text.len()) };
            close(file as i32);
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

/// Where a linux_dirent64 has its length (2 bytes), its type (1 byte) and its name (getdents64(2)).
const LENGTH: usize = 16;
const KIND: usize = 18;
const NAME: usize = 19;

/// Calls `visit` with the NUL-terminated name and the type (`DT_*`) of each entry of a directory.
pub fn each_name(directory: i32, mut visit: impl FnMut(*const u8, u8)) {
    #[repr(align(8))]
    struct Entries([u8; 4096]);
    let mut entries = Entries([0; 4096]);
    loop {
        // SAFETY: getdents64(2) writes at most the length of the buffer.
        let n = unsafe {
            syscall!(
                sysno::GETDENTS64,
                directory,
                entries.0.as_mut_ptr(),
                entries.0.len()
            )
        };
        if n <= 0 {
            return;
        }
        let mut at = 0;
        while at + NAME < n as usize {
            // SAFETY: the kernel writes whole entries, so one that starts below `n` ends there too.
            // Pointers and no slices: bounds checks would bring the formatting of panics in.
            unsafe {
                let entry = entries.0.as_ptr().add(at);
                visit(entry.add(NAME), entry.add(KIND).read());
                let length = entry.add(LENGTH).cast::<u16>().read_unaligned();
                at += if length == 0 {
                    n as usize
                } else {
                    length as usize
                };
            }
        }
    }
}
