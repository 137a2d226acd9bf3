//! `run --tty`: a terminal for a program, with or without one here.

use crate::common::{cofferdam, directory, finish, run, text, until, walls};
use crate::pty::{Terminal, has_setsid};
use nix::sys::signal::Signal;
use std::io::Write;
use std::process::Stdio;

fn with_input(options: &[&str], script: &str, input: &[u8]) -> crate::common::Ended {
    let mut command = cofferdam();
    command
        .arg("run")
        .args(options)
        .args(["--", "sh", "-c", script]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("start");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("write");
    drop(stdin);
    finish(child)
}

#[test]
fn a_program_has_a_terminal_where_there_is_none() {
    if walls() {
        let script = ["sh", "-c", "test -t 0 && test -t 1 && stty size; exit 6"];
        let control = run(&[], &script).expect(6);
        assert_eq!(control.stdout, "", "the control has a terminal");
        let ended = run(&["--tty"], &script).expect(6);
        assert_eq!(ended.stdout, "24 80\r\n");
    }
}

#[test]
fn the_end_of_input_is_typed() {
    if walls() {
        for input in [&b""[..], b"line\n", b"no end of line"] {
            let ended = with_input(&["--tty"], "stty -echo; cat > /dev/null; echo over", input);
            assert!(ended.expect(0).stdout.ends_with("over\r\n"));
        }
    }
}

#[test]
fn all_that_was_printed_is_shown() {
    if walls() {
        let ended = run(&["--tty"], &["seq", "1", "100000"]).expect(0);
        assert_eq!(ended.stdout.lines().count(), 100_000);
        assert!(ended.stdout.ends_with("\n100000\r\n"));
    }
}

#[test]
fn what_runs_on_in_the_background_does_not_keep_it() {
    if walls() {
        let here = directory();
        let script = "(trap '' HUP; yes) & sleep 0.1; exit 2";
        for options in [
            &["--tty"][..],
            &["--tty", "--overlay", "-w", text(here.path())],
        ] {
            run(options, &["sh", "-c", script]).expect(2);
        }
    }
}

#[test]
fn a_reader_that_leaves_hangs_up() {
    if walls() {
        let mut command = cofferdam();
        command.args(["run", "--tty", "--", "yes"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("start");
        drop(child.stdout.take());
        assert_eq!(crate::common::wait(&mut child).code(), Some(128 + 1));
    }
}

#[test]
fn signals_are_passed_on() {
    if walls() && has_setsid() {
        for (signal, name) in [
            (Signal::SIGTERM, "TERM"),
            (Signal::SIGINT, "INT"),
            (Signal::SIGQUIT, "QUIT"),
            (Signal::SIGHUP, "HUP"),
        ] {
            let here = directory();
            let script =
                format!("trap 'exit 42' {name}; touch ready; while :; do sleep 0.02; done");
            let words = [
                "run",
                "-t",
                "-w",
                text(here.path()),
                "--",
                "sh",
                "-c",
                &script,
            ];
            let terminal = Terminal::cofferdam(&words);
            until("ready", || here.path().join("ready").exists());
            terminal.is_joined();
            terminal.send(signal);
            let (code, screen) = terminal.end();
            assert_eq!(code, Some(42), "{name}: {screen}");
        }
    }
}

#[test]
fn what_ignores_a_hangup_is_killed_in_the_end() {
    if walls() && has_setsid() {
        let here = directory();
        let script = "trap '' HUP; touch ready; while :; do sleep 0.1; done";
        let words = [
            "run",
            "-t",
            "-w",
            text(here.path()),
            "--",
            "sh",
            "-c",
            script,
        ];
        let terminal = Terminal::cofferdam(&words);
        until("ready", || here.path().join("ready").exists());
        terminal.is_joined();
        terminal.send(Signal::SIGHUP);
        assert_eq!(terminal.end().0, Some(128 + 9));
    }
}
