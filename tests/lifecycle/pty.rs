//! Commands with a terminal, driven from the host's side.

use crate::support::{marker, processes_with, sandbox, within};
use cofferdam::{Child, Command, Enforce, Layer, Pty, PtySize, Sandbox, SpawnError, Stdio};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const SIZE: PtySize = PtySize {
    rows: 33,
    columns: 77,
};
const SOON: Duration = Duration::from_secs(10);

/// A person at the terminal: types, and reads until something appears.
struct Person {
    pty: Pty,
    pieces: Receiver<Vec<u8>>,
    seen: String,
}

impl Person {
    fn at(child: &mut Child) -> Self {
        let pty = child.pty.take().expect("a terminal");
        let mut reader = pty.try_clone().expect("a copy");
        let (send, pieces) = channel();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut piece) {
                if send.send(piece[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            pty,
            pieces,
            seen: String::new(),
        }
    }

    fn types(&mut self, text: &str) {
        self.pty.write_all(text.as_bytes()).expect("a terminal");
    }

    /// Reads until the text appears, and forgets what came before its end.
    fn sees(&mut self, text: &str) -> String {
        let until = Instant::now() + SOON;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("no {text:?} ({error}): {:?}", self.seen),
            }
        }
    }

    /// Everything until nothing inside has the terminal open.
    fn rest(mut self) -> String {
        while let Ok(piece) = self.pieces.recv_timeout(SOON) {
            self.seen.push_str(&String::from_utf8_lossy(&piece));
        }
        self.seen
    }
}

/// What a script on a terminal writes.
fn says(command: &mut Command, script: &str) -> String {
    let output = command.args(["-c", script]).pty(SIZE).output();
    let output = output.expect("the shell runs");
    assert!(output.stderr.is_empty());
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

const FACTS: &str = "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three; : </dev/tty && echo controlling; ls -l /proc/self/fd | wc -l";

#[test]
fn alone_in_a_session_and_in_a_pool_there_is_a_terminal() {
    // A header, 0, 1, 2 and the directory being listed: no other descriptor got in.
    let expected = "/dev/pts/0\n33 77\nthree\ncontrolling\n5\n";
    let sandbox = sandbox();
    assert_eq!(says(&mut sandbox.command("sh"), FACTS), expected);
    let session = sandbox.start().expect("started");
    assert_eq!(says(&mut session.command("sh"), FACTS), expected);
    assert_eq!(says(&mut session.command("sh"), FACTS), expected);
    let pool = sandbox.pool(NonZero::new(2).expect("two")).expect("a pool");
    assert!(pool.wait_ready(SOON));
    assert_eq!(says(&mut pool.command("sh"), FACTS), expected);
    // Without one the same program says so.
    let output = sandbox.command("tty").output().expect("tty");
    assert_eq!(output.stdout, b"not a tty\n");
}

#[test]
fn the_size_can_be_changed_and_the_program_hears_of_it() {
    let sandbox = sandbox();
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done";
    let mut child = sandbox
        .command("sh")
        .args(["-c", script])
        .pty(SIZE)
        .spawn()
        .expect("sh");
    let mut person = Person::at(&mut child);
    person.sees("ready");
    assert_eq!(person.pty.size().expect("a size"), SIZE);
    for (rows, columns) in [(10, 20), (999, 500), (24, 80)] {
        let size = PtySize { rows, columns };
        // A shell that is at work in its trap does not hear of another.
        thread::sleep(Duration::from_millis(100));
        person.pty.resize(size).expect("resized");
        person.sees(&format!("{rows} {columns}"));
        assert_eq!(person.pty.size().expect("a size"), size);
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[test]
fn a_shell_has_job_control() {
    let sandbox = sandbox();
    let session = sandbox.start().expect("started");
    let pool = sandbox.pool(NonZero::new(1).expect("one")).expect("a pool");
    for mut command in [
        sandbox.command("bash"),
        session.command("bash"),
        pool.command("bash"),
    ] {
        let marker = marker();
        command
            .args(["--norc", "--noediting", "-i"])
            .env("PS1", "prompt> ")
            .pty(SIZE);
        let mut child = command.spawn().expect("bash");
        let mut person = Person::at(&mut child);
        let greeting = person.sees("prompt> ");
        assert!(!greeting.contains("job control"), "{greeting}");
        person.types(&format!("sleep {marker}\n"));
        assert!(within(SOON, || processes_with(&marker).len() == 1));
        // The shell gives the terminal to the job a moment after it has started it.
        thread::sleep(Duration::from_millis(100));
        person.types("\x1a");
        person.sees("Stopped");
        person.sees("prompt> ");
        person.types("bg\n");
        person.sees("prompt> ");
        person.types("jobs\n");
        person.sees("Running");
        person.sees("prompt> ");
        person.types("fg\n");
        person.sees("sleep");
        thread::sleep(Duration::from_millis(100));
        person.types("\x03");
        person.sees("prompt> ");
        person.types("echo status $?\n");
        person.sees("status 130");
        assert!(processes_with(&marker).is_empty());
        person.sees("prompt> ");
        person.types("\x04");
        let status = child.wait().expect("wait");
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(person.rest().contains("exit"));
    }
}

#[test]
fn the_end_of_the_input_is_typed() {
    let sandbox = sandbox();
    let mut child = sandbox.command("cat").pty(SIZE).spawn().expect("cat");
    let mut person = Person::at(&mut child);
    person.types("line\n");
    // The echo, and what cat writes.
    person.sees("line\r\nline\r\n");
    person.types("\x04");
    assert!(child.wait().expect("wait").success());
    assert_eq!(person.rest(), "");
}

#[test]
fn closing_the_terminal_hangs_up() {
    let sandbox = sandbox();
    let session = sandbox.start().expect("started");
    for mut command in [sandbox.command("sleep"), session.command("sleep")] {
        let mut child = command.arg("1000").pty(SIZE).spawn().expect("sleep");
        let pty = child.pty.take().expect("a terminal");
        let copy = pty.try_clone().expect("a copy");
        drop(pty);
        assert!(
            child
                .wait_timeout(Duration::from_millis(100))
                .expect("wait")
                .is_none()
        );
        drop(OwnedFd::from(copy));
        let status = child.wait().expect("wait");
        assert_eq!(status.signal(), Some(libc_hangup()), "{status}");
    }
    // The program's end is the end of what is read, and what is typed then is of no use.
    let mut child = session.command("true").pty(SIZE).spawn().expect("true");
    child.wait().expect("wait");
    let mut pty = child.pty.take().expect("a terminal");
    let mut rest = String::new();
    pty.read_to_string(&mut rest).expect("an end");
    assert_eq!(rest, "");
}

/// SIGHUP.
fn libc_hangup() -> i32 {
    1
}

#[test]
fn killing_and_limits_work_on_a_terminal() {
    let sandbox = sandbox();
    let session = sandbox.start().expect("started");
    for mut command in [sandbox.command("bash"), session.command("bash")] {
        let marker = marker();
        let script = format!("trap '' HUP TERM INT; sleep {marker} & bash -mc 'sleep {marker}; :'");
        command.args(["-c", &script]).pty(SIZE);
        let mut child = command.spawn().expect("bash");
        assert!(within(SOON, || processes_with(&marker).len() >= 4));
        child.kill().expect("kill");
        assert_eq!(child.wait().expect("wait").signal(), Some(9));
        assert!(within(SOON, || processes_with(&marker).is_empty()));
        let status = command.timeout(Duration::from_millis(300)).status();
        assert!(status.expect("bash").timed_out());
        assert!(within(SOON, || processes_with(&marker).is_empty()));
    }
}

#[test]
fn terminals_of_one_session_are_separate_and_seen_by_the_same_user() {
    let session = sandbox().start().expect("started");
    let mut first = session.command("cat").pty(SIZE).spawn().expect("cat");
    let mut second = session.command("cat").pty(SIZE).spawn().expect("cat");
    let output = session.command("ls").arg("/dev/pts").output().expect("ls");
    assert_eq!(output.stdout, b"0\n1\nptmx\n");
    let (mut one, mut two) = (Person::at(&mut first), Person::at(&mut second));
    one.types("for one\n");
    two.types("for two\n");
    assert!(!one.sees("for one\r\nfor one\r\n").contains("two"));
    assert!(!two.sees("for two\r\nfor two\r\n").contains("one"));
    // Programs of one session run under one user, who may write to its terminals.
    let script = "echo hello > /dev/pts/1";
    assert!(
        session
            .command("sh")
            .args(["-c", script])
            .status()
            .expect("the shell")
            .success()
    );
    two.sees("hello");
    // A number is used again, once nobody has the terminal open any more.
    drop((first, one));
    assert!(within(SOON, || {
        let output = session.command("tty").pty(SIZE).output().expect("tty");
        output.stdout == b"/dev/pts/0\r\n"
    }));
}

#[test]
fn no_terminal_where_there_can_be_none() {
    let sandbox = sandbox();
    let streams: [fn(&mut Command); 3] = [
        |command| {
            command.stdin(Stdio::null());
        },
        |command| {
            command.stdout(Stdio::piped());
        },
        |command| {
            command.stderr(Stdio::inherit());
        },
    ];
    for stream in streams {
        let mut command = sandbox.command("true");
        stream(command.pty(SIZE));
        let error = command.spawn().expect_err("two masters");
        assert!(matches!(error, SpawnError::TerminalAndStream), "{error:?}");
    }
    // No /dev of its own.
    let bare = Sandbox::builder().filesystem(|files| files.dev(false));
    let bare = bare.build().expect("no /dev");
    let session = bare.start().expect("started");
    for mut command in [bare.command("true"), session.command("true")] {
        let error = command.pty(SIZE).spawn().expect_err("no /dev");
        assert!(matches!(error, SpawnError::NoTerminal), "{error:?}");
    }
    assert!(session.command("true").status().expect("true").success());
    // No view at all.
    let off = Sandbox::builder().layers(|layers| {
        let layers = layers.with(Layer::Filesystem, Enforce::Off);
        layers.with(Layer::Landlock, Enforce::Prefer)
    });
    match off.build() {
        Ok(off) => {
            let error = off.command("true").pty(SIZE).spawn().expect_err("no view");
            assert!(matches!(error, SpawnError::NoTerminal), "{error:?}");
        }
        // Root is given no such wall.
        Err(error) => println!("{error}"),
    }
}

#[test]
fn the_program_gets_no_more_than_its_side() {
    let sandbox = sandbox();
    let session = sandbox.start().expect("started");
    let mut other = session.command("cat").pty(SIZE).spawn().expect("cat");
    let other = Person::at(&mut other);
    assert!(other.pty.size().is_ok());
    let script = "ls -l /proc/self/fd";
    let text = says(&mut session.command("sh"), script);
    assert!(!text.contains("ptmx") && !text.contains("socket"), "{text}");
    assert_eq!(text.matches("/dev/pts/1").count(), 3, "{text}");
    // The control: the host has the other side.
    let number = other.pty.try_clone().expect("a copy");
    let fd = std::os::fd::AsFd::as_fd(&number).as_raw_fd();
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("a link");
    assert!(link.to_string_lossy().contains("ptmx"), "{link:?}");
}
