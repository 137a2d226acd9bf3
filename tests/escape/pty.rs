//! Terminals that sandboxes are given.

use crate::support::*;
use cofferdam::{PtySize, Sandbox};
use std::process::Command;

const SIZE: PtySize = PtySize {
    rows: 24,
    columns: 80,
};

/// Attacks with a terminal as standard streams; what they say, line for line.
fn on_a_terminal(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let mut command = sandbox.command(INSIDE);
    let output = command.args(words).pty(SIZE).timeout(PATIENCE).output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    text.lines().map(str::to_owned).collect()
}

/// The same outside, on a terminal that script(1) makes.
fn outside_on_a_terminal(words: &[&str]) -> String {
    let line = std::iter::once(&ATTACKER).chain(words).copied();
    let line = line.collect::<Vec<_>>().join(" ");
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output();
    String::from_utf8_lossy(&output.expect("script(1)").stdout).replace('\r', "")
}

#[test]
fn nothing_is_typed_into_the_sandbox_s_own_terminal() {
    let sandbox = build(wall());
    for request in [
        "0x5412",
        "0x100005412",
        "0xffffffff00005412",
        "0x541c",
        "0x10000541c",
    ] {
        let words = ["terminal", "ioctl", request];
        assert_eq!(on_a_terminal(&sandbox, &words), ["EPERM"], "{request}");
        let control = outside_on_a_terminal(&words);
        if request.ends_with("541c") {
            // For the machine's own console, which no test has.
            assert!(!control.contains("EPERM"), "{control}");
        } else if control.contains("EIO") {
            lacks("TIOCSTI for this user (dev.tty.legacy_tiocsti is 0)");
        } else {
            assert!(control.contains("done"), "{request}: {control}");
        }
    }
}

#[test]
fn the_terminal_of_a_sandbox_is_its_own() {
    let (one, two) = (build(wall()), build(wall()));
    let (first, second) = (one.start().expect("started"), two.start().expect("started"));
    let mut holder = first.command("cat");
    let holder = holder.pty(SIZE).spawn().expect("cat");
    let list = |session: &cofferdam::Session| {
        let words = ["files", "list", "/dev/pts"];
        let output = session
            .command(INSIDE)
            .args(words)
            .output()
            .expect("started");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    };
    // A command of the same session sees it, one of another does not, and neither sees the host's.
    assert_eq!(list(&first), "done 0 ptmx");
    assert_eq!(list(&second), "done ptmx");
    assert_eq!(
        one_inside(&two, &["files", "open", "w", "/dev/pts/0"]),
        "ENOENT"
    );
    let output = first
        .command(INSIDE)
        .args(["files", "open", "w", "/dev/pts/0"])
        .output();
    assert_eq!(output.expect("started").stdout, b"done\n");
    let controls = one_outside(&["files", "list", "/dev/pts"]);
    assert!(controls.contains("ptmx"), "{controls}");
    drop(holder);
}

#[test]
fn a_program_on_a_terminal_holds_its_own_side_alone() {
    let sandbox = build(wall());
    let answer = on_a_terminal(&sandbox, &["processes", "descriptors"]);
    assert_eq!(answer, ["done 0=/dev/pts/0 1=/dev/pts/0 2=/dev/pts/0"]);
    let controlling = on_a_terminal(&sandbox, &["terminal", "controlling"]);
    assert_eq!(controlling, ["done"]);
    // Without one there is none to open.
    assert_eq!(one_inside(&sandbox, &["terminal", "controlling"]), "ENXIO");
}
