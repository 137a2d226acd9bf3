//! What to run: the request that init gets.

use crate::plan::Layers;
use crate::protocol::{OWN_SOCKET, Request, SHIELD, START, SUBREAPER, TERMINAL};
use std::ffi::CString;
use std::time::Duration;

/// A program to run inside, with everything resolved to the strings that execve(2) takes.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// Paths inside the sandbox to try in turn, as execvp(3) does over `PATH`.
    pub candidates: Vec<CString>,
    /// The arguments, the program's own name first.
    pub argv: Vec<CString>,
    /// The variables, `NAME=value`.
    pub envp: Vec<CString>,
    /// The working directory inside the sandbox.
    pub directory: CString,
    /// The wall-clock time after which the program is ended, to the nanosecond.
    pub timeout: Option<Duration>,
    /// A terminal of this size for standard input, output and error.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal, in characters (tty_ioctl(4), `winsize`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// What init has to know of a plan, as bits of a request.
pub(crate) fn flags(layers: &Layers) -> u32 {
    match (layers.namespaces.pid, layers.landlock.is_some()) {
        (true, _) => 0,
        (false, true) => SUBREAPER | SHIELD,
        (false, false) => SUBREAPER,
    }
}

impl Command {
    /// The bytes that start this command: the request, then its strings. `flags` are those of the plan,
    /// `own_socket` is for one of many.
    pub(crate) fn encode(&self, flags: u32, own_socket: bool) -> Vec<u8> {
        let strings = || {
            std::iter::once(&self.directory)
                .chain(&self.candidates)
                .chain(&self.argv)
                .chain(&self.envp)
                .map(|string| string.as_bytes_with_nul())
        };
        let length: usize = strings().map(<[u8]>::len).sum();
        // execve(2) refuses (E2BIG) what is larger than this field holds, by far.
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let request = Request {
            kind: START,
            strings: count(length),
            candidates: count(self.candidates.len()),
            argc: count(self.argv.len()),
            envc: count(self.envp.len()),
            argument: flags
                | if own_socket { OWN_SOCKET } else { 0 }
                | if self.terminal.is_some() { TERMINAL } else { 0 },
            rows: self.terminal.map_or(0, |size| size.rows),
            columns: self.terminal.map_or(0, |size| size.columns),
            reserved: 0,
            timeout: self.timeout.map_or(0, |limit| {
                // A limit of nothing would read as no limit.
                u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1)
            }),
        };
        let mut bytes = Vec::with_capacity(size_of::<Request>() + length);
        bytes.extend_from_slice(&request.to_bytes());
        strings().for_each(|string| bytes.extend_from_slice(string));
        bytes
    }
}
