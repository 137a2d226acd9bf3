//! The size of a terminal.

use crate::{Errno, Result, syscall};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Rows and columns of a terminal (ioctl_tty(2) `TIOCGWINSZ`).
///
/// # Errors
/// `ENOTTY` for what is no terminal.
pub fn size(terminal: BorrowedFd<'_>) -> Result<(u16, u16)> {
    let mut size = [0_u16; 4];
    // SAFETY: TIOCGWINSZ writes one winsize, four shorts.
    Errno::check(unsafe {
        syscall!(
            libc::SYS_ioctl,
            terminal.as_raw_fd(),
            libc::TIOCGWINSZ,
            &raw mut size
        )
    })?;
    Ok((size[0], size[1]))
}

/// Gives a terminal a size, from either side; a change is told to the processes in its foreground by
/// `SIGWINCH` (ioctl_tty(2) `TIOCSWINSZ`).
///
/// # Errors
/// `ENOTTY` for what is no terminal; `EIO` when it has hung up.
pub fn set_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<()> {
    let size = [rows, columns, 0, 0];
    // SAFETY: TIOCSWINSZ reads one winsize, four shorts.
    Errno::check(unsafe {
        syscall!(
            libc::SYS_ioctl,
            terminal.as_raw_fd(),
            libc::TIOCSWINSZ,
            &raw const size
        )
    })
    .map(drop)
}
