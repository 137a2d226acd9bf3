//! Limits of control groups version 2, as root and in what an ordinary user was delegated.

use crate::guest::{guest, in_guest, prefer};
use cofferdam::Sandbox;
use std::time::Duration;

/// Far above what anything here takes in a virtual machine without hardware support.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn memory_beyond_the_limit_is_an_oom_verdict() {
    if !in_guest() {
        return;
    }
    if !guest().can_run() {
        return;
    }
    let limited = Sandbox::builder().limits(|limits| limits.memory_mib(48));
    let sandbox = prefer(limited).build().expect("limits");
    let hog = |size: &str| {
        let block = format!("bs={size}");
        let arguments = [
            "if=/dev/zero",
            "of=/dev/null",
            &block,
            "count=1",
            "status=none",
        ];
        let mut command = sandbox.command("dd");
        command.args(arguments).timeout(PATIENCE);
        command.status().expect("dd")
    };
    let status = hog("256M");
    assert!(status.oom_killed(), "{status}");
    let status = hog("4M");
    assert!(status.success() && !status.oom_killed(), "{status}");
}

#[test]
fn the_number_of_processes_is_exact() {
    if !in_guest() {
        return;
    }
    if !guest().can_run() {
        return;
    }
    let limited = Sandbox::builder().limits(|limits| limits.processes(5));
    let sandbox = prefer(limited).build().expect("limits");
    // The shell is one of them; it gives up when it cannot fork.
    let mut command = sandbox.command("sh");
    command
        .args(["-c", "while :; do sleep 1000 & echo; done"])
        .timeout(PATIENCE);
    let output = command.output().expect("the shell");
    assert_eq!(output.stdout.len(), 4, "{}", output.status);
}

#[test]
fn everything_ends_with_the_command() {
    if !in_guest() {
        return;
    }
    if !guest().can_run() {
        return;
    }
    let limited = Sandbox::builder().limits(|limits| limits.memory_mib(64));
    let sandbox = prefer(limited).build().expect("limits");
    let mut command = sandbox.command("sh");
    let script = "trap '' TERM; for n in 1 2 3; do setsid sleep 4321 & done; echo; wait";
    command.args(["-c", script]).timeout(Duration::from_secs(3));
    let output = command.output().expect("the shell");
    assert!(output.status.timed_out(), "{}", output.status);
    assert_eq!(output.stdout, b"\n", "the control: it did start them");
    let left = std::process::Command::new("pgrep")
        .args(["-f", "^sleep 4321$"])
        .output();
    let left = left.expect("pgrep");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
