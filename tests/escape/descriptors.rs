//! Descriptors of the host, and what standard streams lead to.

use crate::support::*;
use cofferdam::Stdio;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

/// Opens as a careless host does: without `O_CLOEXEC`.
fn leak(path: &Path) -> OwnedFd {
    let path = std::ffi::CString::new(text(path)).expect("no NUL");
    // SAFETY: open(2) reads the path up to its NUL.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was just made and is nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[test]
fn leaked_descriptors_stay_outside() {
    let scene = Scene::new();
    let held = [
        leak(&scene.canary("file")),
        leak(Path::new("/")),
        leak(&scene.beyond),
    ];
    let attack: &[&str] = &["processes", "descriptors"];
    let control = one_outside(attack);
    for fd in &held {
        assert!(
            control.contains(&format!(" {}=", fd.as_raw_fd())),
            "{control}"
        );
    }
    let answer = one_inside(&build(wall()), attack);
    let numbers: Vec<_> = answer
        .split(' ')
        .skip(1)
        .filter_map(|fd| fd.split('=').next())
        .collect();
    assert_eq!(numbers, ["0", "1", "2"], "{answer}");
}

#[test]
fn init_holds_nothing_of_the_host() {
    let scene = Scene::new();
    let _held = [leak(&scene.canary("file")), leak(Path::new("/"))];
    let mut waiting = Waiting::inside(&build(wall()), &["processes", "hold"]);
    assert_eq!(waiting.says(), "ready");
    let directory = format!("/proc/{}/fd", waiting.id());
    match fs::read_dir(&directory) {
        Ok(entries) => {
            let mut links: Vec<String> = entries
                .map(|entry| fs::read_link(entry.expect("an entry").path()).expect("a link"))
                .map(|link| link.display().to_string())
                .collect();
            links.sort();
            let kinds: Vec<&str> = links.iter().filter_map(|l| l.split('[').next()).collect();
            let expected = [
                "/dev/null",
                "/dev/null",
                "/dev/null",
                "anon_inode:",
                "socket:",
            ];
            assert_eq!(kinds, expected, "{links:?}");
        }
        // Not even the host's own user can look into a process that cannot be dumped.
        Err(error) => {
            assert!(!is_root());
            assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        }
    }
}

#[test]
fn a_leaked_directory_is_no_working_directory() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let held = leak(&scene.beyond);
    let directory = format!("/proc/self/fd/{}", held.as_raw_fd());
    let control = Command::new(ATTACKER)
        .args(["files", "read", "file"])
        .current_dir(&directory)
        .output()
        .expect("started");
    assert_eq!(control.stdout, b"done canary\n");

    let sandbox = build(scene.wall());
    for fd in 3..=held.as_raw_fd() + 3 {
        let started = sandbox
            .command(INSIDE)
            .args(["files", "read", "file"])
            .current_dir(format!("/proc/self/fd/{fd}"))
            .output();
        if let Ok(output) = started {
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!done(answer.trim()), "descriptor {fd}: {answer}");
        }
    }
    let attacks: [&[&str]; 2] = [
        &["processes", "directory"],
        &["files", "list", "/proc/self/cwd/"],
    ];
    let answers = inside(&sandbox, &attacks);
    assert_eq!(answers[0], format!("done {}", scene.workspace.display()));
    assert_eq!(answers[1], "done");
    assert_eq!(fs::read(canary).expect("the file"), b"canary");
}

/// Runs an attack with a file as one of its standard streams, without the wall and behind it.
fn with_stream(attack: &[&str], open: impl Fn(&Path) -> File, which: usize) -> [String; 2] {
    let scene = Scene::new();
    let outside = scene.canary("outside");
    let mut command = Command::new(ATTACKER);
    command.args(attack);
    match which {
        0 => command.stdin(open(&outside)),
        _ => command.stderr(open(&outside)),
    };
    command.output().expect("started");

    let inside = scene.canary("inside");
    let sandbox = build(wall());
    let mut command = sandbox.command(INSIDE);
    command.args(attack).timeout(PATIENCE);
    let stream = Stdio::from(open(&inside));
    match which {
        0 => command.stdin(stream),
        _ => command.stderr(stream),
    };
    command.output().unwrap_or_else(|error| panic!("{error}"));
    [outside, inside].map(|path| {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&path).expect("it").permissions(),
        );
        format!(
            "{} {:o}",
            fs::read_to_string(path).expect("the file"),
            mode & 0o7777
        )
    })
}

#[test]
fn a_file_for_reading_cannot_be_written() {
    let open = |path: &Path| File::open(path).expect("the file");
    let before = with_stream(&["processes", "directory"], open, 0);
    assert_eq!(before[0], before[1]);
    let attacks: [&[&str]; 4] = [
        &["files", "pipe-write", "/proc/self/fd/0"],
        &["files", "pipe-write", "/dev/stdin"],
        &["files", "truncate", "/proc/self/fd/0"],
        &["files", "chmod", "/proc/self/fd/0", "0777"],
    ];
    for attack in attacks {
        let [outside, inside] = with_stream(attack, open, 0);
        assert_ne!(outside, before[0], "{attack:?} does nothing outside");
        assert_eq!(inside, before[1], "{attack:?}");
    }
}

#[test]
fn a_file_for_appending_cannot_be_changed_otherwise() {
    let open = |path: &Path| File::options().append(true).open(path).expect("the file");
    let before = with_stream(&["processes", "directory"], open, 2);
    let attacks: [&[&str]; 3] = [
        &["files", "truncate", "/proc/self/fd/2"],
        &["files", "pipe-write", "/proc/self/fd/2"],
        &["files", "chmod", "/proc/self/fd/2", "0777"],
    ];
    for attack in attacks {
        let [outside, inside] = with_stream(attack, open, 2);
        assert!(
            !outside.starts_with("canary 6"),
            "{attack:?} does nothing outside: {outside}"
        );
        // Through the pipe it can only add to the end, as it was allowed to.
        assert!(inside.starts_with("canary"), "{attack:?}: {inside}");
        assert_eq!(
            inside.rsplit(' ').next(),
            before[1].rsplit(' ').next(),
            "{attack:?}"
        );
    }
}

#[test]
fn a_file_for_writing_cannot_be_read() {
    let secret = secret();
    let scene = Scene::new();
    let file = scene.beyond.join("log");
    fs::write(&file, &secret).expect("a file");
    let open = || File::options().append(true).open(&file).expect("the file");
    let attack = ["files", "read", "/proc/self/fd/2"];
    let control = Command::new(ATTACKER)
        .args(attack)
        .stderr(open())
        .output()
        .expect("started");
    assert!(String::from_utf8_lossy(&control.stdout).contains(&secret));
    let output = build(wall())
        .command(INSIDE)
        // The pipe is its own other end: reading it would wait for itself.
        .args([
            "files",
            "open",
            "r",
            "/proc/self/fd/2",
            "--",
            "files",
            "stat",
            "/proc/self/fd/2",
        ])
        .stderr(Stdio::from(open()))
        .timeout(PATIENCE)
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    let link = fs::read_to_string(&file).expect("the file");
    assert_eq!(link, secret);
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&secret));
    let answer = Command::new(ATTACKER)
        .args(["processes", "descriptors"])
        .stderr(open())
        .output()
        .expect("started");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("2=/"));
    let answer = build(wall())
        .command(INSIDE)
        .args(["processes", "descriptors"])
        .stderr(Stdio::from(open()))
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.contains("2=pipe:"), "{answer}");
}
