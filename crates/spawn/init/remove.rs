//! Removing directories that a sandbox filled: no link is followed, and depth costs no memory.

use crate::ending::each_name;
use crate::socket::close;
use crate::sysno;

/// Directories held open at a time; what lies deeper is moved up first.
const DEPTH: usize = 48;

/// How often a directory is read again while entries of it come and go.
const ROUNDS: usize = 100_000;

/// Removes what is in a directory under names that begin like this, whatever it is.
pub fn with_prefix(directory: *const u8, prefix: *const u8) {
    let list = open(sysno::AT_FDCWD, directory);
    if list < 0 {
        return;
    }
    each_name(list, |name, _| {
        // A prefix that is empty or a dot would begin `..` too.
        if begins(name, prefix) && !is_dots(name) {
            remove(list, name, None);
        }
    });
    close(list);
}

fn begins(name: *const u8, prefix: *const u8) -> bool {
    let (mut name, mut prefix) = (name, prefix);
    // SAFETY: both end in a NUL, and the name is not read beyond a byte that differs from the prefix.
    unsafe {
        while prefix.read() != 0 {
            if name.read() != prefix.read() {
                return false;
            }
            name = name.add(1);
            prefix = prefix.add(1);
        }
    }
    true
}

/// The directory that is being removed, for what lies too deep in it.
#[derive(Clone, Copy)]
struct Top {
    directory: i32,
    depth: usize,
}

/// Removes one entry; whether it is gone from there.
fn remove(parent: i32, name: *const u8, top: Option<Top>) -> bool {
    if unlink(parent, name, 0) || unlink(parent, name, sysno::AT_REMOVEDIR) {
        return true;
    }
    for _ in 0..ROUNDS {
        let directory = open_closed(parent, name);
        if directory < 0 {
            return false;
        }
        let progress = match top {
            Some(top) if top.depth >= DEPTH => {
                let moved = move_up(parent, name, top.directory);
                close(directory);
                return moved;
            }
            Some(top) => empty(
                directory,
                Top {
                    depth: top.depth + 1,
                    ..top
                },
            ),
            None => empty(
                directory,
                Top {
                    directory,
                    depth: 0,
                },
            ),
        };
        close(directory);
        if unlink(parent, name, sysno::AT_REMOVEDIR) {
            return true;
        }
        if !progress {
            return false;
        }
    }
    false
}

/// Removes all entries of a directory; whether any of them went.
fn empty(directory: i32, top: Top) -> bool {
    let mut progress = false;
    each_name(directory, |name, _| {
        if !is_dots(name) && remove(directory, name, Some(top)) {
            progress = true;
        }
    });
    progress
}

/// Moves a directory to the top under a name that nothing has.
fn move_up(parent: i32, name: *const u8, top: i32) -> bool {
    static mut MOVED: u64 = 0;
    loop {
        // SAFETY: there is one thread.
        let number = unsafe {
            MOVED += 1;
            MOVED
        };
        let mut text = *b"cofferdam-00000000000000000000\0";
        write_number(&mut text, number as usize);
        // SAFETY: renameat2(2) reads both names up to their NULs.
        let moved = unsafe {
            syscall!(
                sysno::RENAMEAT2,
                parent,
                name,
                top,
                text.as_ptr(),
                sysno::RENAME_NOREPLACE
            )
        };
        // A sandbox could have made such names; there are not more of them than it made.
        if moved != -(sysno::EEXIST as isize) {
            return moved >= 0;
        }
    }
}

/// Writes a number before the NUL that ends a text.
fn write_number(text: &mut [u8], number: usize) {
    let mut rest = number;
    for digit in text.iter_mut().rev().skip(1) {
        if !digit.is_ascii_digit() {
            return;
        }
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn is_dots(name: *const u8) -> bool {
    begins(c".".as_ptr().cast(), name) || begins(c"..".as_ptr().cast(), name)
}

fn unlink(parent: i32, name: *const u8, flags: usize) -> bool {
    // SAFETY: unlinkat(2) reads the name up to its NUL.
    unsafe { syscall!(sysno::UNLINKAT, parent, name, flags) >= 0 }
}

fn open(parent: isize, path: *const u8) -> i32 {
    // SAFETY: openat(2) reads the path up to its NUL.
    unsafe {
        syscall!(
            sysno::OPENAT,
            parent,
            path,
            sysno::O_DIRECTORY_NOFOLLOW_CLOEXEC,
            0
        ) as i32
    }
}

/// Opens a directory, which its mode may have closed.
fn open_closed(parent: i32, name: *const u8) -> i32 {
    // SAFETY: openat(2) reads the path up to its NUL.
    let place = unsafe {
        syscall!(
            sysno::OPENAT,
            parent,
            name,
            sysno::O_DIRECTORY_NOFOLLOW_CLOEXEC | sysno::O_PATH,
            0
        )
    };
    if place < 0 {
        return -1;
    }
    let mut path = *b"/proc/self/fd/0000000000\0";
    write_number(&mut path, place as usize);
    // The kernel does not take leading zeroes for a number here (proc_pid_fd(5)).
    let zeroes = path
        .iter()
        .skip(14)
        .take_while(|&&c| c == b'0')
        .count()
        .min(9);
    let mut short = [0_u8; 25];
    let kept = path.iter().take(14).chain(path.iter().skip(14 + zeroes));
    for (to, from) in short.iter_mut().zip(kept) {
        *to = *from;
    }
    // What was opened, and not what has the name now: a link would be followed.
    // SAFETY: fchmodat(2) reads the path up to its NUL.
    unsafe { syscall!(sysno::FCHMODAT, sysno::AT_FDCWD, short.as_ptr(), 0o700) };
    let directory = open(place, c".".as_ptr().cast());
    close(place as i32);
    directory
}
