//! The terminal: kept as it was found, and its keyboard kept from what runs in the background.
//!
//! The program is in a session of its own, so the kernel's job control, which stops a background
//! process that reads its terminal, does not hold for it (`__tty_check_change` in the kernel's
//! `tty_jobctrl.c`). What is typed to the shell meanwhile, a password perhaps, must not reach it.

use cofferdam::{Command, Stdio};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

/// The terminal of a background job cannot be opened for writing alone.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is a background job, and its terminal cannot be opened for writing only: {0}; send the \
     output to a file"
)]
pub(crate) struct WriteOnlyError(#[source] io::Error);

/// Whether a standard stream is a terminal.
pub(crate) fn is_shared() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// In the background, gives the command no input from the terminal, and descriptors of it that
/// cannot be read.
pub(crate) fn withhold_keyboard(command: &mut Command) -> Result<(), WriteOnlyError> {
    if is_background(&io::stdin()) {
        command.stdin(Stdio::null());
    }
    if is_background(&io::stdout()) {
        command.stdout(write_only("/proc/self/fd/1")?);
    }
    if is_background(&io::stderr()) {
        command.stderr(write_only("/proc/self/fd/2")?);
    }
    Ok(())
}

/// Whether another process group has the terminal.
pub(crate) fn is_background(stream: &(impl AsFd + IsTerminal)) -> bool {
    stream.is_terminal() && tcgetpgrp(stream).is_ok_and(|group| group != getpgrp())
}

fn write_only(path: &str) -> Result<File, WriteOnlyError> {
    let flags = OFlag::O_NOCTTY.bits();
    let file = File::options().write(true).custom_flags(flags).open(path);
    file.map_err(WriteOnlyError)
}

/// How the standard streams were found. A program may leave a terminal without echo, or a stream
/// that it shares with the shell in non-blocking mode.
#[derive(Debug)]
pub(crate) struct Terminal {
    modes: Option<Termios>,
    flags: [Option<OFlag>; 3],
}

impl Terminal {
    /// Looks at the streams.
    pub(crate) fn save() -> Self {
        Self {
            modes: tcgetattr(io::stdin()).ok(),
            flags: [flags(io::stdin()), flags(io::stdout()), flags(io::stderr())],
        }
    }

    /// Puts everything back.
    pub(crate) fn restore(&self) {
        if let Some(modes) = &self.modes {
            put_modes(modes);
        }
        let [stdin, stdout, stderr] = self.flags;
        block_again(io::stdin(), stdin);
        block_again(io::stdout(), stdout);
        block_again(io::stderr(), stderr);
    }
}

/// Has reads and writes of a descriptor return at once.
pub(crate) fn set_nonblocking(stream: &impl AsFd) -> Result<(), Errno> {
    let flags = OFlag::from_bits_truncate(fcntl(stream, FcntlArg::F_GETFL)?);
    fcntl(stream, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

fn put_modes(modes: &Termios) {
    // In the background the terminal is another's, and its modes are too.
    let changed = tcgetattr(io::stdin()).is_ok_and(|now| now != *modes);
    if changed && !is_background(&io::stdin()) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
    }
}

fn flags(stream: impl AsFd) -> Option<OFlag> {
    let bits = fcntl(stream, FcntlArg::F_GETFL).ok()?;
    Some(OFlag::from_bits_truncate(bits))
}

/// Takes a stream out of non-blocking mode if it was not in it before.
fn block_again(stream: impl AsFd, before: Option<OFlag>) {
    let Some(before) = before.filter(|before| !before.contains(OFlag::O_NONBLOCK)) else {
        return;
    };
    if flags(&stream).is_some_and(|now| now.contains(OFlag::O_NONBLOCK)) {
        let _ = fcntl(stream, FcntlArg::F_SETFL(before));
    }
}
