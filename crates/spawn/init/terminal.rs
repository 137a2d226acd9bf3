//! A terminal for a program: a pair of the sandbox's own devpts (pty(7), devpts in the kernel's
//! Documentation/filesystems).

use crate::socket::close;
use crate::sysno;

/// The two sides of a new terminal of this size: the host's, and the program's. Both close on exec.
pub fn open(rows: u16, columns: u16) -> Result<(i32, i32), i32> {
    // The name lies in a devpts that was mounted for this sandbox, in a directory that nobody inside
    // can change.
    // SAFETY: openat(2) reads the path up to its NUL.
    let host = unsafe {
        syscall!(
            sysno::OPENAT,
            sysno::AT_FDCWD,
            c"/dev/pts/ptmx".as_ptr(),
            sysno::O_RDWR_CLOEXEC_NOCTTY,
            0
        )
    };
    if host < 0 {
        return Err(-host as i32);
    }
    let host = host as i32;
    match other_side(host, rows, columns) {
        Ok(program) => Ok((host, program)),
        Err(errno) => {
            close(host);
            Err(errno)
        }
    }
}

fn other_side(host: i32, rows: u16, columns: u16) -> Result<i32, i32> {
    let unlocked = 0_i32;
    // winsize of the kernel (tty_ioctl(4)): rows, columns, and two that nothing uses.
    let size = [rows, columns, 0, 0];
    // SAFETY: TIOCSPTLCK reads an int, TIOCSWINSZ a winsize; TIOCGPTPEER (Linux 4.13) touches no
    // memory, and opens the other side of exactly this one whatever is mounted where.
    let answers = unsafe {
        [
            syscall!(sysno::IOCTL, host, sysno::TIOCSPTLCK, &raw const unlocked),
            syscall!(sysno::IOCTL, host, sysno::TIOCSWINSZ, &raw const size),
            syscall!(
                sysno::IOCTL,
                host,
                sysno::TIOCGPTPEER,
                sysno::O_RDWR_CLOEXEC_NOCTTY
            ),
        ]
    };
    let mut last = 0;
    for answer in answers {
        if answer < 0 {
            return Err(-answer as i32);
        }
        last = answer;
    }
    Ok(last as i32)
}

/// Makes standard input the controlling terminal of this session, whose leader the caller is
/// (`TIOCSCTTY`, tty_ioctl(4)).
pub fn take() -> Result<(), i32> {
    // SAFETY: TIOCSCTTY with 0 touches no memory.
    let answer = unsafe { syscall!(sysno::IOCTL, 0, sysno::TIOCSCTTY, 0) };
    if answer < 0 {
        Err(-answer as i32)
    } else {
        Ok(())
    }
}
