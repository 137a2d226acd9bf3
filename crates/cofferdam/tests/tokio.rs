//! The twin for tokio: the same ends, and futures that can be dropped at any moment.

#![cfg(feature = "tokio")]

use cofferdam::tokio::Command;
use cofferdam::{Sandbox, Stdio};
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
