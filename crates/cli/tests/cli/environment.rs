//! The environment is a short list.

use crate::common::{cofferdam, end, walls};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const SECRET: &str = "planted-4711";

fn names(options: &[&str]) -> String {
    let mut command = cofferdam();
    command.env("API_KEY", SECRET).env("LANG", "C").arg("run");
    end(command.args(options).args(["--", "env"]))
        .expect(0)
        .stdout
}

#[test]
fn a_secret_of_the_host_is_not_inside() {
    let mut control = std::process::Command::new("env");
    let seen = end(control.env("API_KEY", SECRET)).expect(0).stdout;
    assert!(seen.contains(SECRET), "the control does not see it: {seen}");
    if walls() {
        let inside = names(&[]);
        assert!(
            !inside.contains("API_KEY") && !inside.contains(SECRET),
            "{inside}"
        );
        for name in ["PATH=", "HOME=", "USER=", "TMPDIR=/tmp", "LANG=C"] {
            assert!(
                inside.lines().any(|line| line.starts_with(name)),
                "{name}: {inside}"
            );
        }
    }
}

#[test]
fn a_variable_is_passed_on_or_set_by_name() {
    if walls() {
        let inside = names(&["--env", "API_KEY"]);
        assert!(
            inside.lines().any(|line| line == "API_KEY=planted-4711"),
            "{inside}"
        );
        let inside = names(&[
            "--env",
            "API_KEY",
            "--env",
            "API_KEY=other=x",
            "--env",
            "EMPTY=",
        ]);
        assert!(
            inside.lines().any(|line| line == "API_KEY=other=x"),
            "{inside}"
        );
        assert!(inside.lines().any(|line| line == "EMPTY="), "{inside}");
        let inside = names(&["--env", "SURELY_NOT_SET_ON_THE_HOST"]);
        assert!(!inside.contains("SURELY_NOT_SET"), "{inside}");
    }
}

#[test]
fn bytes_that_are_no_text_are_passed_on() {
    if walls() {
        let mut command = cofferdam();
        command
            .args(["run", "--env"])
            .arg(OsStr::from_bytes(b"RAW=a\xffb"));
        let ended =
            end(command.args(["--", "sh", "-c", "printf %s \"$RAW\" | od -An -tx1"])).expect(0);
        assert_eq!(ended.stdout.trim(), "61 ff 62");
    }
}
