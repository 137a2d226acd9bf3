//! The twin for tokio: the same ends, and futures that can be dropped at any moment.

#![cfg(feature = "tokio")]

use cofferdam::tokio::Command;
use cofferdam::{PtySize, Sandbox, SpawnError, Stdio};
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

fn sandbox() -> Sandbox {
    Sandbox::builder().build().expect("the default policy")
}

fn sh(sandbox: &Sandbox, script: &str) -> Command {
    let mut command = sandbox.command("sh");
    command.args(["-c", script]);
    Command::from(command)
}

/// Whether a process of the host has this text in its command line.
fn runs(text: &str) -> bool {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok())
    })
    .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
    .any(|line| line.windows(text.len()).any(|part| part == text.as_bytes()))
}

fn marker(n: u32) -> String {
    format!("7{:07}.{n:04}", std::process::id())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_run_side_by_side() {
    let sandbox = sandbox();
    let start = Instant::now();
    let all: Vec<_> = (0..20)
        .map(|n: i32| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                let output = sh(
                    &sandbox,
                    &format!("sleep 0.3; echo {n}; echo e >&2; exit {n}"),
                )
                .output()
                .await;
                let output = output.expect("the shell");
                assert_eq!(output.stdout, format!("{n}\n").as_bytes());
                assert_eq!(output.stderr, b"e\n");
                assert_eq!(output.status.code(), Some(n));
                assert!(output.enforcement.is_full());
            })
        })
        .collect();
    for one in all {
        one.await.expect("a task");
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn waiting_can_be_given_up_and_taken_up() {
    let sandbox = sandbox();
    let mut child = sh(&sandbox, "sleep 0.4; exit 6")
        .spawn()
        .expect("the shell");
    for _ in 0..5 {
        assert!(
            timeout(Duration::from_millis(20), child.wait())
                .await
                .is_err()
        );
    }
    let status = child.wait().await.expect("wait");
    assert_eq!(status.code(), Some(6));
}

#[tokio::test]
async fn streams_are_streams_of_tokio() {
    let sandbox = sandbox();
    let mut command = sandbox.command("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Command::from(command).spawn().expect("cat");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    let bytes = vec![b'x'; 1 << 20];
    let feed = bytes.clone();
    let feeder = tokio::spawn(async move { stdin.write_all(&feed).await });
    let mut back = Vec::new();
    stdout.read_to_end(&mut back).await.expect("read");
    feeder.await.expect("a task").expect("write");
    assert!(back == bytes);
    assert!(child.wait().await.expect("wait").success());
}

#[tokio::test]
async fn dropping_a_future_or_a_child_ends_the_tree() {
    let sandbox = sandbox();
    let (first, second) = (marker(1), marker(2));
    let script = format!("(setsid sleep {first} &) ; sleep {first}");
    assert!(
        timeout(Duration::from_millis(300), sh(&sandbox, &script).output())
            .await
            .is_err()
    );
    assert!(!runs(&first), "it outlived its future");
    let child = sh(
        &sandbox,
        &format!("(setsid sleep {second} &) ; sleep {second}"),
    )
    .spawn()
    .expect("the shell");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(runs(&second), "the control shows nothing");
    drop(child);
    assert!(!runs(&second), "it outlived its child");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_serves_many_tasks() {
    let sandbox = sandbox();
    let session = std::sync::Arc::new(sandbox.start().expect("started"));
    let all: Vec<_> = (0..20)
        .map(|n: i32| {
            let session = session.clone();
            tokio::spawn(async move {
                let mut command = session.command("sh");
                command.args(["-c", &format!("sleep 0.2; echo {n}; exit {n}")]);
                let output = Command::from(command).output().await.expect("the shell");
                assert_eq!(output.stdout, format!("{n}\n").as_bytes());
                assert_eq!(output.status.code(), Some(n));
            })
        })
        .collect();
    for one in all {
        one.await.expect("a task");
    }
    // A future that is dropped kills its command, and the session goes on.
    let marker = marker(3);
    let mut command = session.command("sleep");
    command.arg(&marker);
    let mut command = Command::from(command);
    let limit = Duration::from_millis(200);
    assert!(timeout(limit, command.status()).await.is_err());
    assert!(!runs(&marker), "it outlived its future");
    // A child that outlives its session has been killed.
    let mut child = command.spawn().expect("sleep");
    drop(std::sync::Arc::try_unwrap(session).expect("the last one"));
    let status = timeout(Duration::from_secs(10), child.wait()).await;
    assert_eq!(status.expect("in time").expect("wait").signal(), Some(9));
    assert!(matches!(command.spawn(), Err(SpawnError::SessionEnded(_))));
}

#[tokio::test]
async fn a_terminal_is_read_and_written() {
    let sandbox = sandbox();
    let size = PtySize {
        rows: 30,
        columns: 90,
    };
    let mut command = sandbox.command("sh");
    command.args([
        "-c",
        "stty -echo; stty size; while read line; do echo got $line; done",
    ]);
    command.pty(size);
    let mut child = Command::from(command).spawn().expect("the shell");
    let mut pty = child.pty.take().expect("a terminal");
    assert_eq!(pty.size().expect("a size"), size);
    let mut seen = Vec::new();
    let until = async |pty: &mut cofferdam::tokio::Pty, seen: &mut Vec<u8>, text: &str| {
        let mut piece = [0; 256];
        while !String::from_utf8_lossy(seen).contains(text) {
            let n = pty.read(&mut piece).await.expect("read");
            assert_ne!(
                n,
                0,
                "{text:?} is not in {:?}",
                String::from_utf8_lossy(seen)
            );
            seen.extend_from_slice(&piece[..n]);
        }
    };
    until(&mut pty, &mut seen, "30 90").await;
    // Nothing comes, and waiting for it blocks nobody.
    let mut piece = [0; 256];
    pty.write_all(b"one\n").await.expect("written");
    until(&mut pty, &mut seen, "got one\r\n").await;
    let nothing = timeout(Duration::from_millis(50), pty.read(&mut piece)).await;
    assert!(nothing.is_err());
    pty.resize(PtySize {
        rows: 5,
        columns: 6,
    })
    .expect("resized");
    pty.write_all(b"two\n\x04").await.expect("written");
    until(&mut pty, &mut seen, "got two\r\n").await;
    assert!(child.wait().await.expect("wait").success());
    assert_eq!(pty.read(&mut piece).await.expect("the end"), 0);
}

#[tokio::test]
async fn what_is_written_to_a_terminal_is_collected() {
    let sandbox = sandbox();
    let mut command = sandbox.command("sh");
    command.args(["-c", "seq 20000; exit 4"]).pty(PtySize {
        rows: 24,
        columns: 80,
    });
    let output = Command::from(command).output().await.expect("the shell");
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 20000);
    assert!(text.ends_with("20000\r\n"));
}

#[tokio::test]
async fn what_was_refused_is_told() {
    let sandbox = sandbox();
    let output = sh(&sandbox, "cat /srv/x")
        .output()
        .await
        .expect("the shell");
    let [denial] = &output.denials[..] else {
        panic!("{output:?}");
    };
    assert_eq!(denial.what, "read /srv/x");
    let output = sh(&sandbox, "true").output().await.expect("the shell");
    assert_eq!(output.denials, []);
}
