//! What a person at a terminal is asked after a run with an overlay.

use crate::common::{directory, text, walls};
use crate::pty::{Terminal, has_setsid};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;

const SCRIPT: &str =
    "echo a > a; mkdir d; echo b > d/b; ln -s /etc/passwd out; ln -s /etc/group out2";

fn start(here: &Path) -> Terminal {
    let words = [
        "run",
        "--overlay",
        "-w",
        text(here),
        "--",
        "sh",
        "-c",
        SCRIPT,
    ];
    let terminal = Terminal::cofferdam(&words);
    terminal.shows("[n]one: ");
    assert_eq!(
        fs::read_dir(here).expect("read").count(),
        0,
        "applied unasked"
    );
    terminal
}

fn names(here: &Path) -> Vec<String> {
    let entries = fs::read_dir(here).expect("read").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// How often something was shown.
fn wait_for(terminal: &Terminal, text: &str, times: usize) {
    crate::common::until(&format!("{times} times {text:?}"), || {
        terminal.screen().matches(text).count() >= times
    });
}

#[test]
fn all_asks_for_each_that_is_risky() {
    if walls() && has_setsid() {
        let here = directory();
        let terminal = start(here.path());
        terminal.type_in("a\n");
        wait_for(&terminal, "apply? ", 1);
        terminal.type_in("y\n");
        wait_for(&terminal, "apply? ", 2);
        terminal.type_in("n\n");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("4 changes applied"), "{screen}");
        assert_eq!(names(here.path()), ["a", "d", "out"]);
    }
}

#[test]
fn each_can_be_chosen_after_a_look() {
    if walls() && has_setsid() {
        let here = directory();
        let terminal = start(here.path());
        terminal.type_in("d\n");
        terminal.shows("+++ b/a");
        terminal.type_in("l\n");
        wait_for(&terminal, "[n]one: ", 3);
        terminal.type_in("c\n");
        wait_for(&terminal, "apply? ", 1);
        terminal.type_in("d\n");
        wait_for(&terminal, "apply? ", 2);
        terminal.type_in("y\n");
        // The directory, with which what is in it is out of the question.
        wait_for(&terminal, "apply? ", 3);
        terminal.type_in("n\n");
        wait_for(&terminal, "apply? ", 4);
        terminal.type_in("q\n");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert_eq!(names(here.path()), ["a"], "{screen}");
    }
}

#[test]
fn the_rest_can_be_taken_without_what_is_risky() {
    if walls() && has_setsid() {
        let here = directory();
        let terminal = start(here.path());
        terminal.type_in("c\n");
        wait_for(&terminal, "apply? ", 1);
        terminal.type_in("n\n");
        wait_for(&terminal, "apply? ", 2);
        terminal.type_in("a\n");
        wait_for(&terminal, "apply? ", 3);
        terminal.type_in("n\n");
        wait_for(&terminal, "apply? ", 4);
        terminal.type_in("n\n");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert_eq!(names(here.path()), ["d"], "{screen}");
        assert!(here.path().join("d/b").exists());
    }
}

#[test]
fn no_answer_applies_nothing() {
    if walls() && has_setsid() {
        for keys in ["n\n", "\x04", "\nwhat?\nn\n"] {
            let here = directory();
            let terminal = start(here.path());
            terminal.type_in(keys);
            let (code, screen) = terminal.end();
            assert_eq!(code, Some(0), "{screen}");
            assert!(screen.contains("nothing was applied"), "{screen}");
            assert!(names(here.path()).is_empty());
        }
        // A signal, typed or sent, ends it as it ends any program.
        let here = directory();
        let terminal = start(here.path());
        terminal.type_in("\x03");
        assert_eq!(terminal.end().0, None);
        let terminal = start(here.path());
        terminal.send(Signal::SIGTERM);
        assert_eq!(terminal.end().0, None);
        assert!(names(here.path()).is_empty());
    }
}

#[test]
fn after_a_shell_it_asks_too() {
    if walls() && has_setsid() {
        let here = directory();
        let terminal =
            Terminal::cofferdam(&["shell", "--overlay", "-w", text(here.path()), "--", "sh"]);
        terminal.is_joined();
        terminal.type_in("echo x > made; exit 3\n");
        terminal.shows("[n]one: ");
        assert!(terminal.is_as_before(), "asked on a raw terminal");
        terminal.type_in("a\n");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(3), "{screen}");
        assert_eq!(names(here.path()), ["made"]);
    }
}
