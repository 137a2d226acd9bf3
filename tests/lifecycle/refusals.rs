//! What cannot be started: a clear error, and nothing ran.

use crate::support::{marker, processes_with, sandbox, sh, with_workspace};
use cofferdam::SpawnError;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn program(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
    fs::write(path, text).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn an_argument_that_is_too_long_says_so() {
    let sandbox = sandbox();
    // MAX_ARG_STRLEN of execve(2): 32 pages, the NUL included.
    let fits = "x".repeat((128 << 10) - 1);
    assert!(
        sandbox
            .command("true")
            .arg(&fits)
            .status()
            .expect("fits")
            .success()
    );
    let error = sandbox
        .command("true")
        .arg(fits + "x")
        .spawn()
        .expect_err("too long");
    match &error {
        SpawnError::NotExecutable { errno, .. } => assert_eq!(errno.raw(), libc::E2BIG),
        other => panic!("{other:?}"),
    }
    assert!(
        error
            .to_string()
            .to_lowercase()
            .contains("argument list too long"),
        "{error}"
    );
}

#[test]
fn arguments_that_are_too_long_together_say_so() {
    let sandbox = sandbox();
    let all = (0..80).map(|_| "x".repeat(100_000));
    let error = sandbox.command("true").args(all).spawn().expect_err("8 MB");
    match error {
        SpawnError::NotExecutable { errno, .. } => assert_eq!(errno.raw(), libc::E2BIG),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_nul_byte_is_refused_wherever_it_stands() {
    let sandbox = sandbox();
    let nul = OsStr::from_bytes(b"a\0b");
    let commands = [
        sandbox.command(nul).spawn(),
        sandbox.command("true").arg(nul).spawn(),
        sandbox.command("true").env("A", nul).spawn(),
        sandbox.command("true").env(nul, "a").spawn(),
        sandbox.command("true").current_dir(nul).spawn(),
        sandbox.command("/bin/\0true").spawn(),
    ];
    for result in commands {
        let error = result.expect_err("a NUL byte");
        assert!(matches!(error, SpawnError::Nul { .. }), "{error:?}");
    }
}

#[test]
fn a_missing_program_is_named_with_the_path_searched() {
    let sandbox = sandbox();
    for name in [
        "no-such-program",
        "/usr/bin/no-such-program",
        "",
        "/usr/bin/true/under",
    ] {
        let error = sandbox.command(name).spawn().expect_err(name);
        assert!(
            matches!(error, SpawnError::NotFound { .. }),
            "{name}: {error:?}"
        );
        assert!(error.is_program());
        assert!(error.to_string().contains("/usr/bin"), "{error}");
    }
    // The search is of the command's own PATH, and the error says so.
    let error = sandbox
        .command("true")
        .env("PATH", "/nowhere")
        .spawn()
        .expect_err("no PATH");
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

#[test]
fn a_program_outside_the_view_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let tool = directory.path().join("tool");
    program(&tool, "#!/bin/sh\n", 0o755);
    let error = sandbox()
        .command(&tool)
        .spawn()
        .expect_err("not in the view");
    assert!(matches!(error, SpawnError::NotFound { .. }), "{error:?}");
}

#[test]
fn what_cannot_be_executed_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    program(&at("plain"), "#!/bin/sh\n", 0o644);
    program(&at("strange"), "no program at all", 0o755);
    program(&at("headless"), "#!/no/such/interpreter\n", 0o755);
    let sandbox = with_workspace(directory.path());
    let refused = |name: &str| sandbox.command(at(name)).spawn().expect_err(name);
    let errno = |error: SpawnError| match error {
        SpawnError::NotExecutable { errno, .. } => errno.raw(),
        other => panic!("{other:?}"),
    };
    assert_eq!(errno(refused("plain")), libc::EACCES);
    assert_eq!(errno(refused(".")), libc::EACCES);
    assert_eq!(errno(refused("strange")), libc::ENOEXEC);
    // As execve(2) answers for a missing interpreter.
    assert!(matches!(refused("headless"), SpawnError::NotFound { .. }));
}

#[test]
fn the_error_names_the_directory_that_was_asked_for() {
    let sandbox = sandbox();
    for directory in ["/no/such/place", "/etc/passwd"] {
        let error = sandbox
            .command("true")
            .current_dir(directory)
            .spawn()
            .expect_err(directory);
        match &error {
            SpawnError::Directory {
                directory: named, ..
            } => {
                assert_eq!(named, Path::new(directory), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn path_is_searched_in_order_as_execvp_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    program(&at("first/tool"), "#!/bin/sh\necho first\n", 0o755);
    program(&at("second/tool"), "#!/bin/sh\necho second\n", 0o755);
    program(&at("closed/tool"), "#!/bin/sh\necho closed\n", 0o644);
    program(&at("tool"), "#!/bin/sh\necho here\n", 0o755);
    let sandbox = with_workspace(directory.path());
    let found = |path: &[&str]| {
        let path = std::env::join_paths(path.iter().map(|name| match name.starts_with('/') {
            true => name.into(),
            false if name.is_empty() || *name == "." => name.into(),
            false => at(name),
        }));
        let mut command = sandbox.command("tool");
        command.env("PATH", path.expect("a path"));
        command
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert_eq!(found(&["first", "second"]).expect("first"), "first");
    assert_eq!(found(&["second", "first"]).expect("second"), "second");
    assert_eq!(found(&["/missing", "second"]).expect("second"), "second");
    // One that is refused is passed over, and only remembered if nothing else is found.
    assert_eq!(found(&["closed", "second"]).expect("second"), "second");
    assert!(found(&["closed", "/missing"]).is_err());
    // The directory the program itself writes to is not searched.
    assert!(found(&[".", ""]).is_err());
}

#[test]
fn a_refused_start_leaves_nothing_running() {
    let sandbox = sandbox();
    let marker = marker();
    for _ in 0..5 {
        sandbox
            .command("no-such-program")
            .arg(&marker)
            .spawn()
            .expect_err("missing");
        sh(&sandbox, &marker)
            .current_dir("/nowhere")
            .spawn()
            .expect_err("no directory");
    }
    assert_eq!(processes_with(&marker), [] as [i32; 0]);
}
