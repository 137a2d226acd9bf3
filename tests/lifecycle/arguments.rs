//! Arguments, variables and the working directory.

use crate::support::{sandbox, says, sh, with_workspace};
use cofferdam::{Sandbox, SpawnError};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let sandbox = sandbox();
    let bytes = OsStr::from_bytes(b"\xff\xfe \n\t'\"$*\\ \xc3\x28");
    let mut command = sh(&sandbox, "printf %s \"$1\"; printf %s \"$VALUE\"");
    let output = command.arg("sh").arg(bytes).env("VALUE", bytes).output();
    let output = output.expect("the shell");
    assert_eq!(output.stdout, [bytes.as_bytes(), bytes.as_bytes()].concat());
}

#[test]
fn the_first_argument_is_the_programs_name() {
    let sandbox = sandbox();
    let output = sandbox.command("sh").args(["-c", "echo $0"]).output();
    assert_eq!(output.expect("sh").stdout, b"sh\n");
    let output = sandbox
        .command("/bin/sh")
        .args(["-c", "tr '\\0' '\\n' </proc/$$/cmdline | head -1"])
        .output();
    assert_eq!(output.expect("sh").stdout, b"/bin/sh\n");
}

#[test]
fn variables_are_set_replaced_removed_and_cleared() {
    let policy = Sandbox::builder().environment(|all| all.set("FIRST", "one").set("SECOND", "two"));
    let sandbox = policy.build().expect("variables");
    let script = "echo \"${FIRST-none} ${SECOND-none} ${THIRD-none} ${HOME-none}\"";
    let home = says(&sandbox, "echo $HOME");
    assert_eq!(says(&sandbox, script), format!("one two none {home}"));

    let mut command = sh(&sandbox, script);
    command
        .env("FIRST", "other")
        .env("THIRD", "")
        .env_remove("SECOND");
    let output = command.output().expect("the shell");
    assert_eq!(output.stdout, format!("other none  {home}\n").as_bytes());

    let mut command = sandbox.command("/usr/bin/env");
    command.env("GONE", "1").env_clear().env("ONLY", "this");
    assert_eq!(command.output().expect("env").stdout, b"ONLY=this\n");
}

#[test]
fn only_listed_variables_come_in() {
    let sandbox = sandbox();
    let output = sandbox.command("env").output().expect("env");
    let text = String::from_utf8(output.stdout).expect("text");
    let expected: Vec<_> = sandbox
        .environment()
        .map(|(name, _)| name.to_owned())
        .collect();
    for line in text.lines() {
        let name = line.split('=').next().expect("a name");
        assert!(expected.iter().any(|one| one == name), "{name} came in");
    }
    assert_eq!(text.lines().count(), expected.len());
    // cargo gives its tests many; none of them is on the list.
    assert!(!text.contains("CARGO"), "{text}");
}

#[test]
fn names_that_cannot_be_variables_are_refused() {
    let sandbox = sandbox();
    for name in ["", "A=B", "="] {
        let error = sandbox
            .command("true")
            .env(name, "x")
            .spawn()
            .expect_err(name);
        assert!(matches!(error, SpawnError::VariableName { .. }), "{error}");
        assert!(error.is_program());
    }
}

#[test]
fn the_working_directory_is_the_workspace_or_what_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let workspace = fs::canonicalize(directory.path()).expect("canonical");
    fs::create_dir(workspace.join("sub")).expect("mkdir");
    fs::set_permissions(&workspace, fs::Permissions::from_mode(0o755)).expect("mode");
    let sandbox = with_workspace(&workspace);
    assert_eq!(says(&sandbox, "pwd -P"), workspace.to_str().expect("text"));
    let in_directory = |path: &str| {
        let output = sandbox.command("pwd").arg("-P").current_dir(path).output();
        String::from_utf8(output.expect("pwd").stdout).expect("text")
    };
    assert_eq!(
        in_directory("sub"),
        format!("{}/sub\n", workspace.display())
    );
    assert_eq!(in_directory("/usr"), "/usr\n");
    assert_eq!(in_directory("/"), "/\n");
}

#[test]
fn a_mebibyte_of_arguments_arrives_whole() {
    let sandbox = sandbox();
    let mut command = sh(&sandbox, "echo $# ${#1} ${#64}");
    command
        .arg("sh")
        .args((0..64).map(|_| "x".repeat(16 << 10)));
    assert_eq!(
        command.output().expect("the shell").stdout,
        b"64 16384 16384\n"
    );
    let mut command = sh(&sandbox, "echo $#");
    command.arg("sh").args((0..20_000).map(|n| n.to_string()));
    assert_eq!(command.output().expect("the shell").stdout, b"20000\n");
}
