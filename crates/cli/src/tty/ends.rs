//! The two ends that the caller has: where bytes come from, and where they are shown.

use super::screen::Screen;
use crate::terminal;
use cofferdam::{Pty, PtySize};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Bytes that wait on one way, at most.
const WAITING: usize = 64 << 10;

/// What a terminal or pipe that is ready to be written takes without blocking.
const CHUNK: usize = 4096;

/// Bytes on their way.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < WAITING
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Writes a part; how much is written is seen by what is left.
    pub(super) fn write_to(&mut self, mut to: impl Write) -> io::Result<()> {
        let length = self.bytes.len().min(CHUNK);
        match to.write(&self.bytes[..length]) {
            Ok(written) => drop(self.bytes.drain(..written)),
            Err(error) if is_not_yet(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether it can be tried again.
pub(super) fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Where the program's output is shown: standard output.
#[derive(Debug)]
pub(super) struct Display {
    to: File,
    is_terminal: bool,
    screen: Screen,
    pub waiting: Waiting,
}

impl Display {
    pub(super) fn open() -> io::Result<Self> {
        let is_terminal = io::stdout().is_terminal();
        // An open file description of its own, since non-blocking mode is shared by all who have one.
        let own = || {
            let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
            let mut options = File::options();
            options.write(true).custom_flags(flags.bits());
            options.open("/proc/self/fd/1").ok()
        };
        let to = match is_terminal.then(own).flatten() {
            Some(file) => file,
            // A terminal of another user's, as after su(1), cannot be opened anew.
            None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        Ok(Self {
            to,
            is_terminal,
            screen: Screen::default(),
            waiting: Waiting::default(),
        })
    }

    /// Takes what the program printed; how many bytes, and 0 at the end.
    pub(super) fn take_from(&mut self, mut pty: &Pty) -> io::Result<usize> {
        let mut buffer = [0; 16 << 10];
        let length = pty.read(&mut buffer)?;
        self.screen.show(&buffer[..length]);
        self.waiting.push(&buffer[..length]);
        Ok(length)
    }

    pub(super) fn show(&mut self) -> io::Result<()> {
        self.waiting.write_to(&self.to)
    }

    /// Switches off what the program left switched on, as far as the terminal takes it at once.
    pub(super) fn reset(&mut self) {
        if self.is_terminal {
            let _ = self.to.write(&self.screen.reset());
        }
        self.screen = Screen::default();
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.to.as_fd()
    }
}

/// The size of the caller's terminal, whichever stream it is; the usual one without any.
pub(super) fn size() -> PtySize {
    let of = |fd: BorrowedFd<'_>| rustix::termios::tcgetwinsize(fd).ok();
    let found = of(io::stdout().as_fd())
        .or_else(|| of(io::stdin().as_fd()))
        .or_else(|| of(io::stderr().as_fd()));
    found.map_or(
        PtySize {
            rows: 24,
            columns: 80,
        },
        |size| PtySize {
            rows: size.ws_row,
            columns: size.ws_col,
        },
    )
}

/// Has reads and writes of the pty return at once. Its open file description is this process's alone.
pub(super) fn set_nonblocking(pty: &Pty) -> io::Result<()> {
    terminal::set_nonblocking(pty).map_err(Into::into)
}
