//! The exit code says what happened.

use crate::common::{BOUND, call, directory, run, text, walls};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

#[test]
fn the_commands_own_code() {
    if walls() {
        run(&[], &["true"]).expect(0);
        run(&[], &["sh", "-c", "exit 3"]).expect(3);
        run(&[], &["sh", "-c", "exit 255"]).expect(255);
    }
}

#[test]
fn a_signal_is_128_and_its_number() {
    if walls() {
        run(&[], &["sh", "-c", "kill -9 $$"]).expect(128 + 9);
        run(&[], &["sh", "-c", "kill -TERM $$"]).expect(128 + 15);
    }
}

#[test]
fn the_time_limit_is_124_and_ends_everything() {
    if walls() {
        let begin = Instant::now();
        // The descendant holds the output open; were it left, reading would not end.
        let script = "sleep 300 & exec sleep 300";
        run(&["--timeout", "200ms"], &["sh", "-c", script]).expect(124);
        assert!(begin.elapsed() < BOUND / 2, "{:?}", begin.elapsed());
        // A program that is in time keeps its own code.
        run(&["--timeout", "50s"], &["sh", "-c", "exit 7"]).expect(7);
    }
}

#[test]
fn what_cannot_be_executed_is_126() {
    if walls() {
        let here = directory();
        let file = here.path().join("plain");
        fs::write(&file, "#!/bin/sh\nexit 0\n").expect("write");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
        let options = ["--workspace", text(here.path())];
        let ended = run(&options, &[text(&file)]).expect(126);
        assert!(ended.stderr.contains("cannot be executed"), "{ended:?}");
        // The same file with the bit set runs.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
        run(&options, &[text(&file)]).expect(0);
    }
}

#[test]
fn what_is_not_inside_is_127_and_says_where_the_host_has_it() {
    if walls() {
        let ended = run(&[], &["no-such-program-anywhere"]).expect(127);
        assert!(
            ended
                .stderr
                .contains("\"no-such-program-anywhere\" is not inside"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("check the spelling"), "{ended:?}");

        let here = directory();
        let tool = here.path().join("bin/my-tool");
        fs::create_dir(here.path().join("bin")).expect("mkdir");
        fs::write(&tool, "#!/bin/sh\nexit 11\n").expect("write");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("chmod");
        let path = format!("{}:/usr/bin:/bin", text(tool.parent().expect("a parent")));
        let with = |home: &str, options: &[&str]| {
            let mut command = crate::common::cofferdam();
            command
                .env("PATH", &path)
                .env("HOME", home)
                .arg("run")
                .args(options);
            crate::common::end(command.args(["--", "my-tool"]))
        };
        // In the home: the preset is the remedy, and works.
        let ended = with(text(here.path()), &[]).expect(127);
        assert!(ended.stderr.contains("--toolchains"), "{ended:?}");
        with(text(here.path()), &["--toolchains"]).expect(11);
        // Elsewhere: its directory is.
        let ended = with("/nonexistent/home", &[]).expect(127);
        let read = text(tool.parent().expect("a parent"));
        assert!(
            ended.stderr.contains(&format!("--read {read}")),
            "{ended:?}"
        );
        with("/nonexistent/home", &["--read", read]).expect(11);
    }
}

#[test]
fn a_sandbox_that_cannot_be_put_up_is_125_and_runs_nothing() {
    let here = directory();
    let made = here.path().join("made");
    let script = format!("touch {}", text(&made));
    let options = [
        "--workspace",
        text(here.path()),
        "--read",
        "/nonexistent/path",
    ];
    let ended = run(&options, &["sh", "-c", &script]).expect(125);
    assert!(ended.stderr.contains("/nonexistent/path"), "{ended:?}");
    assert!(!made.exists(), "it ran");
    if walls() {
        run(&options[..2], &["sh", "-c", &script]).expect(0);
        assert!(made.exists(), "the control did not run");
    }
}

#[test]
fn a_command_line_without_sense_is_125() {
    call(&["run", "--no-such-option", "--", "true"]).expect(125);
    call(&["run"]).expect(125);
    call(&["no-such-command"]).expect(125);
    call(&["--help"]).expect(0);
    call(&["run", "--help"]).expect(0);
    call(&["--version"]).expect(0);
}
