//! The caller's terminal in raw mode, while this process is in its foreground.

use crate::terminal;
use nix::sys::termios::{FlushArg, SetArg, Termios, cfmakeraw, tcflush, tcgetattr, tcsetattr};
use std::io;

/// Standard input as a keyboard. Dropping it puts the terminal's modes back.
#[derive(Debug)]
pub(super) struct Keyboard {
    /// The modes as they were found, while they are changed.
    found: Option<Termios>,
}

impl Keyboard {
    /// Makes the terminal raw, if there is one and it is this process's to use.
    pub(super) fn take() -> Self {
        let mut keyboard = Self { found: None };
        keyboard.attach();
        keyboard
    }

    /// Whether the terminal is in raw mode for this process.
    pub(super) fn is_attached(&self) -> bool {
        self.found.is_some()
    }

    /// Makes the terminal raw; again, where the shell has changed it while this process was stopped.
    /// In the background the terminal is another's: then nothing is done.
    pub(super) fn attach(&mut self) {
        if terminal::is_background(&io::stdin()) {
            self.found = None;
            return;
        }
        let Some(found) = self.found.take().or_else(|| tcgetattr(io::stdin()).ok()) else {
            return;
        };
        let mut raw = found.clone();
        cfmakeraw(&mut raw);
        if tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).is_ok() {
            self.found = Some(found);
        }
    }

    /// Puts the modes back. What was typed and not read is thrown away: it was meant for the program,
    /// and would be obeyed by the shell outside; so would a terminal's answers to what the program asked.
    pub(super) fn release(&mut self) {
        let Some(found) = self.found.take() else {
            return;
        };
        if !terminal::is_background(&io::stdin()) {
            let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
            // Not after the output is through: a terminal that is held would never let go.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &found);
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.release();
    }
}
