//! The terminal stays as it was.

use crate::common::{cofferdam, directory, text, until, wait, walls};
use crate::pty::has_setsid;
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

fn cooked(modes: &Termios) -> bool {
    modes
        .local_flags
        .contains(LocalFlags::ECHO | LocalFlags::ICANON)
}

/// A command with the terminal as its own, in a session of its own.
fn on_terminal(pty: &OpenptyResult, words: &[&str]) -> Command {
    let mut command = Command::new("setsid");
    // Whoever runs the tests may ignore some signals (nohup, a shell's background), and those are not passed on.
    command.args(["--ctty", "--wait", "env", "--default-signal"]);
    command.args(words);
    let stream = || Stdio::from(pty.slave.try_clone().expect("dup"));
    command.stdin(stream()).stdout(stream()).stderr(stream());
    command
}

#[test]
fn modes_are_put_back() {
    if walls() && has_setsid() {
        let pty = openpty(None, None).expect("a terminal");
        assert!(cooked(&tcgetattr(&pty.slave).expect("modes")));
        let before = tcgetattr(&pty.slave).expect("modes");
        let mut run = on_terminal(
            &pty,
            &[
                env!("CARGO_BIN_EXE_cofferdam"),
                "run",
                "--",
                "stty",
                "raw",
                "-echo",
            ],
        );
        assert_eq!(wait(&mut run.spawn().expect("start")).code(), Some(0));
        assert!(tcgetattr(&pty.slave).expect("modes") == before, "left raw");
        let mut control = on_terminal(&pty, &["stty", "raw", "-echo"]);
        assert_eq!(wait(&mut control.spawn().expect("start")).code(), Some(0));
        assert!(
            !cooked(&tcgetattr(&pty.slave).expect("modes")),
            "the control changed nothing"
        );
    }
}

#[test]
fn modes_are_put_back_on_a_terminal_of_another_session() {
    if walls() {
        let pty = openpty(None, None).expect("a terminal");
        let before = tcgetattr(&pty.slave).expect("modes");
        let mut command = cofferdam();
        command.args(["run", "--", "stty", "raw", "-echo"]);
        command.stdin(Stdio::from(pty.slave.try_clone().expect("dup")));
        assert_eq!(wait(&mut command.spawn().expect("start")).code(), Some(0));
        assert!(tcgetattr(&pty.slave).expect("modes") == before, "left raw");
    }
}

#[test]
fn an_interrupt_typed_at_the_terminal_reaches_the_program() {
    if walls() && has_setsid() {
        let pty = openpty(None, None).expect("a terminal");
        let here = directory();
        let script = "trap 'exit 42' INT; touch ready; while :; do sleep 0.02; done";
        let words = [
            env!("CARGO_BIN_EXE_cofferdam"),
            "run",
            "--workspace",
            text(here.path()),
            "--",
            "sh",
            "-c",
            script,
        ];
        let mut child = on_terminal(&pty, &words).spawn().expect("start");
        until("the program is ready", || {
            here.path().join("ready").exists()
        });
        // A stop is refused, since what runs on inside would read what is typed to the shell.
        type_at(&pty, &[26]);
        until("the stop is refused", || said(&pty).contains("not stopped"));
        type_at(&pty, &[3]);
        assert_eq!(wait(&mut child).code(), Some(42));
    }
}

/// Reads a line from standard output, which on a terminal can be read too, and from standard input.
const READER: &str = "touch ready; read -r one <&1 && echo \"$one\" > one; \
                      read -r two && echo \"$two\" > two; touch done";

#[test]
fn a_background_job_reads_nothing_of_what_is_typed() {
    if !(walls() && has_setsid()) {
        return;
    }
    for background in [false, true] {
        let pty = openpty(None, None).expect("a terminal");
        let here = directory();
        let script = match background {
            true => "set -m; \"$@\" & wait",
            false => "\"$@\"",
        };
        let cofferdam = [
            env!("CARGO_BIN_EXE_cofferdam"),
            "run",
            "-w",
            text(here.path()),
        ];
        let words = [
            &["sh", "-c", script, "sh"],
            &cofferdam[..],
            &["--", "sh", "-c", READER],
        ]
        .concat();
        let mut child = on_terminal(&pty, &words).spawn().expect("start");
        until("the program is ready", || {
            here.path().join("ready").exists()
        });
        type_at(&pty, b"password\nmore\n");
        until("the program is done", || here.path().join("done").exists());
        wait(&mut child);
        let read = ["one", "two"].map(|name| here.path().join(name).exists());
        assert_eq!(read, [!background; 2], "background: {background}");
    }
}

fn type_at(pty: &OpenptyResult, keys: &[u8]) {
    let mut keyboard = File::from(pty.master.try_clone().expect("dup"));
    keyboard.write_all(keys).expect("write");
}

/// What has appeared on the screen since it was last looked at; waits for something.
fn said(pty: &OpenptyResult) -> String {
    let mut screen = File::from(pty.master.try_clone().expect("dup"));
    let mut bytes = [0; 4096];
    let length = screen.read(&mut bytes).expect("read");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
