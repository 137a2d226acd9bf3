//! A program on a terminal of its own: what is typed here goes in, what it prints is shown here.

mod ends;
mod keyboard;
mod screen;

use crate::failure::RunFailure;
use crate::signals::Signals;
use cofferdam::{Child, Command, ExitStatus, Policy, Pty};
use ends::{Display, Waiting};
use keyboard::Keyboard;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, raise};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long a program may take to end once its terminal has hung up.
const GRACE: Duration = Duration::from_secs(5);

/// How often a look is taken at what no descriptor tells of.
const LOOK: Duration = Duration::from_millis(100);

/// What is shown of what other programs print once the program has ended, in bytes.
const LAST_WORDS: usize = 1 << 20;

/// What a request to end (SIGTERM) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Termination {
    /// The signal is passed on.
    Signal,
    /// The signal is passed on, and the terminal hangs up: interactive shells ignore the signal.
    HangUp,
}

/// Gives the command a terminal of the size of this one. Variables of the host that tell a size are left
/// out: the size may change.
pub(crate) fn prepare(command: &mut Command, policy: &Policy) {
    command.pty(ends::size());
    for name in ["COLUMNS", "LINES"] {
        if !policy.environment.set.contains_key(name) {
            command.env_remove(name);
        }
    }
}

/// Waits for the program's end, with the terminals joined. The caller's is as it was when this returns,
/// however it returns.
pub(crate) fn attend(
    child: &mut Child,
    signals: &Signals,
    termination: Termination,
) -> Result<ExitStatus, RunFailure> {
    let pty = child.pty.take();
    if let Some(pty) = &pty {
        ends::set_nonblocking(pty).map_err(RunFailure::Relay)?;
    }
    let mut relay = Relay {
        child,
        signals,
        termination,
        pty,
        display: Display::open().map_err(RunFailure::Relay)?,
        typed: Waiting::default(),
        input: Input::open(),
        line_is_open: false,
        silent_until: None,
        hung_up: None,
        requests: 0,
        ended: false,
        last_words: LAST_WORDS,
        keyboard: Keyboard::take(),
    };
    relay.run()
}

/// Where input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Terminal,
    Other,
    Ended,
}

impl Input {
    fn open() -> Self {
        match io::stdin().is_terminal() {
            true => Self::Terminal,
            false => Self::Other,
        }
    }
}

struct Relay<'a> {
    child: &'a mut Child,
    signals: &'a Signals,
    termination: Termination,
    /// `None` once it has hung up.
    pty: Option<Pty>,
    display: Display,
    typed: Waiting,
    input: Input,
    /// The last byte of input ended no line.
    line_is_open: bool,
    /// Nothing inside has the terminal open, which may change; polling would return at once.
    silent_until: Option<Instant>,
    hung_up: Option<Instant>,
    requests: u32,
    ended: bool,
    last_words: usize,
    keyboard: Keyboard,
}

/// However it ends, by a panic too.
impl Drop for Relay<'_> {
    fn drop(&mut self) {
        self.display.reset();
        self.keyboard.release();
    }
}

/// What poll(2) tells of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Child,
    Signals,
    Pty,
    Input,
    Display,
}

impl Relay<'_> {
    fn run(&mut self) -> Result<ExitStatus, RunFailure> {
        loop {
            self.look();
            let ready = self.poll(true)?;
            if ready.contains(&Of::Child) {
                break;
            }
            self.serve(&ready)?;
        }
        let status = self.child.wait()?;
        self.finish()?;
        Ok(status)
    }

    /// Shows what was printed before the end, unless a signal says that there was enough.
    fn finish(&mut self) -> Result<(), RunFailure> {
        self.ended = true;
        self.input = Input::Ended;
        self.typed.clear();
        while self.pty.is_some() || !self.display.waiting.is_empty() {
            self.read();
            if self.last_words == 0 {
                self.pty = None;
            }
            if self.display.waiting.is_empty() {
                break;
            }
            let ready = self.poll(false)?;
            if ready.contains(&Of::Display) {
                self.show();
            }
            while let Some(signal) = self.signals.next().map_err(RunFailure::Poll)? {
                match signal {
                    Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT => {
                        return Ok(());
                    }
                    other => self.own(other),
                }
            }
        }
        Ok(())
    }

    /// What no descriptor tells of.
    fn look(&mut self) {
        if self.input == Input::Terminal && !self.keyboard.is_attached() {
            self.keyboard.attach();
            if self.keyboard.is_attached() {
                self.resize();
            }
        }
        if self
            .silent_until
            .is_some_and(|until| until <= Instant::now())
        {
            self.silent_until = None;
        }
        if self.hung_up.is_some_and(|since| since.elapsed() > GRACE) {
            let _ = self.child.kill();
        }
    }

    fn poll(&self, running: bool) -> Result<Vec<Of>, RunFailure> {
        let mut asked = vec![(Of::Signals, self.signals.as_fd(), PollFlags::POLLIN)];
        if running {
            asked.push((Of::Child, self.child.as_fd(), PollFlags::POLLIN));
        }
        if let Some(pty) = self.pty.as_ref().filter(|_| running) {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, self.display.waiting.has_room());
            flags.set(PollFlags::POLLOUT, !self.typed.is_empty());
            if !flags.is_empty() && self.silent_until.is_none() {
                asked.push((Of::Pty, pty.as_fd(), flags));
            }
        }
        let stdin = io::stdin();
        let listens = match self.input {
            Input::Terminal => self.keyboard.is_attached(),
            Input::Other => true,
            Input::Ended => false,
        };
        if listens && self.typed.has_room() {
            asked.push((Of::Input, stdin.as_fd(), PollFlags::POLLIN));
        }
        if !self.display.waiting.is_empty() {
            asked.push((Of::Display, self.display.as_fd(), PollFlags::POLLOUT));
        }
        let waits = self.silent_until.is_some()
            || self.hung_up.is_some()
            || (self.input == Input::Terminal && !self.keyboard.is_attached());
        let limit = match waits {
            true => PollTimeout::from(LOOK.as_millis() as u16),
            false => PollTimeout::NONE,
        };
        let mut polled: Vec<PollFd<'_>> = asked
            .iter()
            .map(|(_, fd, flags)| PollFd::new(*fd, *flags))
            .collect();
        match poll(&mut polled, limit) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => return Err(RunFailure::Poll(errno)),
        }
        let ready = asked.iter().zip(&polled);
        let ready = ready.filter(|(_, polled)| polled.any().unwrap_or(false));
        Ok(ready.map(|((of, _, _), _)| *of).collect())
    }

    fn serve(&mut self, ready: &[Of]) -> Result<(), RunFailure> {
        for of in ready {
            match of {
                Of::Signals => self.pass_on()?,
                Of::Input => self.listen(),
                Of::Display => self.show(),
                Of::Pty => {
                    self.read();
                    self.write();
                }
                Of::Child => {}
            }
        }
        Ok(())
    }

    fn pass_on(&mut self) -> Result<(), RunFailure> {
        while let Some(signal) = self.signals.next().map_err(RunFailure::Poll)? {
            // A program that has ended just now needs no signal; its end is seen next.
            match signal {
                Signal::SIGINT | Signal::SIGTERM if self.requests > 0 => {
                    let _ = self.child.kill();
                }
                Signal::SIGHUP => self.hang_up(),
                Signal::SIGTERM => {
                    let _ = self.child.signal(signal as i32);
                    if self.termination == Termination::HangUp {
                        self.hang_up();
                    }
                }
                Signal::SIGWINCH | Signal::SIGTSTP | Signal::SIGCONT => self.own(signal),
                other => drop(self.child.signal(other as i32)),
            }
            self.requests += u32::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
        }
        Ok(())
    }

    /// Signals about the caller's terminal, which the program has no part in.
    fn own(&mut self, signal: Signal) {
        match signal {
            Signal::SIGTSTP => {
                self.keyboard.release();
                // The program goes on until its terminal is full: it has another.
                let _ = raise(Signal::SIGSTOP);
                self.keyboard.attach();
            }
            Signal::SIGCONT => self.keyboard.attach(),
            _ => {}
        }
        self.resize();
    }

    fn resize(&self) {
        if let Some(pty) = &self.pty {
            let _ = pty.resize(ends::size());
        }
    }

    /// Closes the program's terminal: the kernel sends SIGHUP to the program and to the foreground of
    /// its session (`pty_close` in the kernel's `pty.c`).
    fn hang_up(&mut self) {
        self.pty = None;
        self.input = Input::Ended;
        self.typed.clear();
        self.hung_up.get_or_insert_with(Instant::now);
    }

    /// Takes what is typed.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(0) | Err(Errno::EIO) if self.input == Input::Terminal => self.hang_up(),
            Ok(0) => {
                // Typed once after a line, and twice within one, it ends the input (termios(3), VEOF).
                let end: &[u8] = if self.line_is_open {
                    b"\x04\x04"
                } else {
                    b"\x04"
                };
                self.typed.push(end);
                self.input = Input::Ended;
            }
            Ok(length) => {
                self.line_is_open = buffer[length - 1] != b'\n';
                self.typed.push(&buffer[..length]);
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.input = Input::Ended,
        }
    }

    /// Takes what is printed.
    fn read(&mut self) {
        let Some(pty) = &self.pty else { return };
        while self.display.waiting.has_room() {
            match self.display.take_from(pty) {
                // As long as nobody inside has it open.
                Ok(0) => {
                    self.silent_until = Some(Instant::now() + LOOK);
                    return;
                }
                Ok(length) if self.ended => {
                    self.last_words = self.last_words.saturating_sub(length);
                }
                Ok(_) => {}
                Err(error) if ends::is_not_yet(&error) => return,
                Err(_) => return self.hang_up(),
            }
        }
    }

    /// Types what waits.
    fn write(&mut self) {
        let Some(pty) = self.pty.as_ref().filter(|_| !self.typed.is_empty()) else {
            return;
        };
        if self.typed.write_to(pty).is_err() {
            self.typed.clear();
        }
    }

    fn show(&mut self) {
        if self.display.show().is_err() {
            // The reader has gone, and with it whom the terminal was for.
            self.display.waiting.clear();
            self.hang_up();
        }
    }
}
