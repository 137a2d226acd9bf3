//! Bad input is refused before anything runs, in words that help and harm nothing.

use crate::common::{call, cofferdam, directory, end, lacking, text};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

#[track_caller]
fn refused(options: &[&str], words: &[&str]) {
    let mut arguments = vec!["run"];
    arguments.extend(options);
    arguments.extend(["--", "echo", "ran"]);
    let ended = call(&arguments).expect(125);
    assert_eq!(ended.stdout, "", "it ran: {ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
}

#[test]
fn paths() {
    refused(
        &["--workspace", "/nonexistent/work"],
        &["/nonexistent/work", "--workspace"],
    );
    refused(&["--workspace", ".."], &["`..`", "filesystem.workspace"]);
    refused(&["--read", "a/../b"], &["`..`", "filesystem.read"]);
    refused(&["--read", ""], &["a value is required"]);
    refused(&["--write", "/"], &["`/` would be writable"]);
    refused(&["--read", "/proc"], &["/proc"]);
    refused(&["--workspace", "/tmp"], &["/tmp"]);
}

#[test]
fn conflicts() {
    let here = directory();
    let path = text(here.path());
    refused(
        &["--read", path, "--write", path],
        &["two different accesses"],
    );
    refused(&["--workspace", path, "--hide", path], &["hidden"]);
    refused(
        &["--prefer", "cgroup", "--off", "cgroup"],
        &["cgroup", "keep one"],
    );
    refused(
        &["--off", "cgroup", "--memory", "1G"],
        &["limits.memory", "cgroup"],
    );
}

#[test]
fn values() {
    refused(&["--memory", "1.5G"], &["fraction", "1536MiB"]);
    refused(&["--memory", "0"], &["zero"]);
    refused(&["--processes", "0"], &["zero"]);
    refused(&["--cpus", "-1"], &["cpus"]);
    refused(&["--cpus", "nan"], &["cpus"]);
    refused(&["--timeout", "10"], &["lacks a unit"]);
    refused(&["--timeout", "0s"], &["zero"]);
    refused(&["--network", "https://a.test"], &["URL", "`a.test:443`"]);
    refused(&["--off", "cgruop"], &["did you mean `cgroup`?"]);
    refused(&["--allow", "ptrase"], &["did you mean `ptrace`?"]);
    refused(&["--syscalls", "strikt"], &["strikt", "`strict`"]);
    refused(&["--syscalls", "/nonexistent.json"], &["/nonexistent.json"]);
    refused(&["--env", "=x"], &["names no variable"]);
    refused(&["--policy", "/nonexistent.toml"], &["/nonexistent.toml"]);
}

#[test]
fn a_hostile_name_does_not_steer_the_terminal() {
    let name = OsStr::from_bytes(b"/nonexistent/\x1b]0;owned\x07\x1b[2J\nforged: line");
    for option in [
        "--read",
        "--policy",
        "--restrict",
        "--syscalls",
        "--memory",
        "--off",
    ] {
        let ended = end(cofferdam()
            .arg("run")
            .arg(option)
            .arg(name)
            .args(["--", "true"]))
        .expect(125);
        let bad = |c: char| c.is_control() && c != '\n';
        assert!(!ended.stderr.contains(bad), "{option}: {:?}", ended.stderr);
    }
    for option in ["--read", "--policy"] {
        let ended = end(cofferdam()
            .arg("run")
            .arg(option)
            .arg(name)
            .args(["--", "true"]))
        .expect(125);
        let forged = ended.stderr.lines().any(|line| line.starts_with("forged"));
        assert!(!forged, "{option}: {:?}", ended.stderr);
    }
    let program = end(cofferdam().args(["run", "--"]).arg(name));
    assert!(!program.stderr.contains('\x1b'), "{program:?}");
}

/// As in a rootless container: root, but of a user namespace without other ids.
#[test]
fn a_root_with_no_other_ids_is_told_so() {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--map-root-user");
        command
    };
    if end(unshare().arg("true")).code != Some(0) {
        return lacking("a_root_with_no_other_ids_is_told_so: user namespaces, unshare(1)");
    }
    let program = cofferdam();
    let program = program.get_program();
    let refused = end(unshare().arg(program).args(["run", "--", "echo", "ran"])).expect(125);
    assert_eq!(refused.stdout, "");
    for words in ["the namespaces layer", "this user namespace", "uid_map"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
}
