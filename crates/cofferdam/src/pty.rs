//! A terminal for a command.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use cofferdam_spawn::TerminalSize as PtySize;

/// The host's side of a command's terminal (pty(7)): what is written here is typed there, and what the
/// command prints is read here.
///
/// What is read is as hostile as the command: escape sequences in it act on the terminal that shows
/// them.
#[derive(Debug)]
pub struct Pty {
    file: File,
}

impl Pty {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { file: fd.into() }
    }

    /// Gives the terminal a size; the command gets `SIGWINCH` if it changes.
    ///
    /// # Errors
    /// `EIO` when the terminal has hung up.
    pub fn resize(&self, size: PtySize) -> io::Result<()> {
        let set = cofferdam_sys::terminal::set_size(self.as_fd(), size.rows, size.columns);
        set.map_err(|errno| io::Error::from_raw_os_error(errno.raw()))
    }

    /// The size that it has.
    ///
    /// # Errors
    /// `EIO` when the terminal has hung up.
    pub fn size(&self) -> io::Result<PtySize> {
        let (rows, columns) = cofferdam_sys::terminal::size(self.as_fd())
            .map_err(|errno| io::Error::from_raw_os_error(errno.raw()))?;
        Ok(PtySize { rows, columns })
    }

    /// Another handle of the same terminal, so that one thread can read while another writes.
    ///
    /// # Errors
    /// At a limit of open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
        })
    }
}

/// The end of the input is when nothing inside has the terminal open any more.
impl Read for &Pty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (&self.file).read(buffer) {
            // What a terminal answers when its other side is closed (tty_read in the kernel's tty_io.c).
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(0),
            other => other,
        }
    }
}

impl Read for Pty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for &Pty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Pty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Pty> for OwnedFd {
    fn from(pty: Pty) -> Self {
        pty.file.into()
    }
}
