//! A terminal with a command on it, typed at and read by a test.

use crate::common::{lacking, until, wait};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use nix::unistd::Pid;
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A command with a terminal as its own, in a session of its own.
pub struct Terminal {
    pty: OpenptyResult,
    child: Child,
    screen: Arc<Mutex<String>>,
    before: Termios,
}

impl Terminal {
    /// Starts `cofferdam` with these arguments.
    pub fn cofferdam(arguments: &[&str]) -> Self {
        Self::start(&mut Self::command(arguments))
    }

    /// The command that [`Terminal::start`] takes.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        // Whoever runs the tests may ignore some signals (nohup), and those are not passed on.
        command.args(["--ctty", "--wait", "env", "--default-signal"]);
        command.arg(env!("CARGO_BIN_EXE_cofferdam")).args(arguments);
        command.env("TERM", "xterm-256color");
        command
    }

    pub fn start(command: &mut Command) -> Self {
        let pty = openpty(None, None).expect("a terminal");
        let before = tcgetattr(&pty.slave).expect("modes");
        let stream = || Stdio::from(pty.slave.try_clone().expect("dup"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let this = Self {
            child: command.spawn().expect("start"),
            pty,
            screen: Arc::default(),
            before,
        };
        this.resize(30, 100);
        let mut from = File::from(this.pty.master.try_clone().expect("dup"));
        let screen = Arc::clone(&this.screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                screen.lock().expect("no panic").push_str(&text);
            }
        });
        this
    }

    pub fn type_in(&self, keys: &str) {
        let mut keyboard = File::from(self.pty.master.try_clone().expect("dup"));
        keyboard.write_all(keys.as_bytes()).expect("write");
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.pty.master, size).expect("a size");
    }

    /// What was shown so far.
    pub fn screen(&self) -> String {
        self.screen.lock().expect("no panic").clone()
    }

    /// Waits until a text is shown.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        until(&format!("{text:?} in {:?}", self.screen()), || {
            self.screen().contains(text)
        });
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub fn send(&self, signal: Signal) {
        kill(self.pid(), signal).expect("kill");
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.pty.slave).expect("modes")
    }

    /// Whether what is typed goes through as it is.
    pub fn is_raw(&self) -> bool {
        let cooked = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
        !self.modes().local_flags.intersects(cooked)
    }

    /// Waits until what is typed goes to the program.
    #[track_caller]
    pub fn is_joined(&self) {
        until("the terminal is raw", || self.is_raw());
    }

    pub fn is_as_before(&self) -> bool {
        self.modes() == self.before
    }

    /// Waits for the end; the exit code and what was shown. The terminal must be as it was.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = wait(&mut self.child).code();
        assert!(self.is_as_before(), "left changed: {:?}", self.screen());
        // What was written last may not be read yet; a mark comes after it.
        let mut mark = File::from(self.pty.slave.try_clone().expect("dup"));
        mark.write_all(b"<end>").expect("write");
        self.shows("<end>");
        (code, self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a session with a terminal can be made.
pub fn has_setsid() -> bool {
    let found = Command::new("setsid")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if found.is_err() {
        lacking("setsid of util-linux, to make a session");
    }
    found.is_ok()
}
