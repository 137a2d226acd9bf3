//! How commands end: by themselves, by a signal, by a limit, by the host.

use crate::support::{marker, processes_with, sandbox, sh, within};
use cofferdam::{Child, Sandbox, Stdio};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// A shell that starts daemons which have let go of everything: other sessions, other parents, no
/// signal but SIGKILL ends them.
fn tree(sandbox: &Sandbox, marker: &str) -> Child {
    let script = format!(
        "trap '' HUP INT TERM
         for n in 1 2 3; do (setsid sh -c 'trap \"\" HUP INT TERM; sleep {marker} & wait' &) ; done
         setsid setsid sleep {marker} </dev/null >/dev/null 2>&1 &
         sleep {marker}"
    );
    let mut command = sh(sandbox, &script);
    let streams = command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = streams.spawn().expect("the shell");
    // Four daemons, three shells above them, the script and its sleep.
    assert!(
        within(SOON, || processes_with(marker).len() >= 8),
        "{:?}",
        processes_with(marker)
    );
    child
}

#[test]
fn exit_codes_come_through() {
    let sandbox = sandbox();
    for code in [0, 1, 2, 124, 125, 126, 127, 128, 200, 255] {
        let status = sh(&sandbox, &format!("exit {code}"))
            .status()
            .expect("the shell");
        assert_eq!((status.code(), status.signal()), (Some(code), None));
        assert_eq!(status.success(), code == 0);
        assert!(!status.timed_out() && !status.oom_killed());
    }
}

#[test]
fn signals_come_through() {
    let sandbox = sandbox();
    for signal in [1, 2, 3, 6, 9, 10, 13, 14, 15, 31] {
        let status = sh(&sandbox, &format!("kill -{signal} $$"))
            .status()
            .expect("the shell");
        assert_eq!((status.code(), status.signal()), (None, Some(signal)));
        assert!(!status.timed_out());
        assert_eq!(status.to_string(), format!("signal {signal}"));
    }
}

#[test]
fn the_program_starts_with_default_signals() {
    // Nothing blocked, nothing ignored, whatever the host does with its own.
    let output = sandbox()
        .command("cat")
        .arg("/proc/self/status")
        .output()
        .expect("cat");
    let text = String::from_utf8(output.stdout).expect("text");
    let all = text
        .lines()
        .filter(|line| line.starts_with("SigBlk") || line.starts_with("SigIgn"));
    let all: Vec<_> = all.collect();
    assert_eq!(
        all,
        ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]
    );
}

#[test]
fn waiting_has_its_variants() {
    let sandbox = sandbox();
    let mut command = sh(&sandbox, "sleep 0.3; exit 7");
    let mut child = command.spawn().expect("the shell");
    assert!(child.try_wait().expect("try_wait").is_none());
    assert!(
        child
            .wait_timeout(Duration::ZERO)
            .expect("no time")
            .is_none()
    );
    let status = child
        .wait_timeout(Duration::MAX)
        .expect("wait")
        .expect("an end");
    assert_eq!(status.code(), Some(7));
    // The end stays known.
    assert_eq!(child.try_wait().expect("again"), Some(status.clone()));
    assert_eq!(child.wait().expect("again"), status);
}

#[test]
fn wait_timeout_is_exact_to_milliseconds() {
    let sandbox = sandbox();
    let mut child = sandbox.command("sleep").arg("1000").spawn().expect("sleep");
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let limit = Duration::from_millis(37);
        let start = Instant::now();
        assert!(child.wait_timeout(limit).expect("wait").is_none());
        let took = start.elapsed();
        assert!(took >= limit, "{took:?} is early");
        best = best.min(took - limit);
    }
    println!("wait_timeout is late by {best:?} at best");
    assert!(best < Duration::from_millis(20), "late by {best:?}");
}

#[test]
fn the_time_limit_ends_everything_in_time() {
    let sandbox = sandbox();
    let marker = marker();
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let limit = Duration::from_millis(250);
        let script =
            format!("trap '' TERM; (setsid sleep {marker} &); sleep {marker}; sleep {marker}");
        let mut command = sh(&sandbox, &script);
        let start = Instant::now();
        let status = command.timeout(limit).status().expect("the shell");
        let took = start.elapsed();
        assert!(status.timed_out(), "{status}");
        assert_eq!((status.code(), status.signal()), (None, Some(9)));
        assert_eq!(status.to_string(), "ended by the time limit");
        assert!(took >= limit, "{took:?} is early");
        best = best.min(took - limit);
        assert_eq!(processes_with(&marker), [] as [i32; 0]);
    }
    println!("the limit of 250 ms ends everything {best:?} late at best");
    assert!(best < Duration::from_millis(150), "late by {best:?}");
}

#[test]
fn the_shorter_of_two_time_limits_holds() {
    let builder = Sandbox::builder().limits(|limits| limits.wall_clock(Duration::from_millis(200)));
    let sandbox = builder.build().expect("a limit");
    let start = Instant::now();
    let mut command = sandbox.command("sleep");
    let status = command
        .arg("1000")
        .timeout(Duration::from_secs(500))
        .status();
    assert!(status.expect("sleep").timed_out());
    assert!(start.elapsed() < SOON);
    let status = sandbox
        .command("sleep")
        .arg("1000")
        .timeout(Duration::ZERO)
        .status();
    assert!(status.expect("sleep").timed_out());
}

#[test]
fn an_end_in_time_is_not_a_timeout() {
    let status = sandbox()
        .command("true")
        .timeout(Duration::from_secs(60))
        .status();
    let status = status.expect("true");
    assert!(status.success() && !status.timed_out());
}

#[test]
fn kill_ends_the_whole_tree() {
    let sandbox = sandbox();
    let marker = marker();
    let mut child = tree(&sandbox, &marker);
    child.kill().expect("kill");
    let status = child.wait().expect("wait");
    assert_eq!(
        processes_with(&marker),
        [] as [i32; 0],
        "gone when wait returns"
    );
    assert_eq!((status.code(), status.signal()), (None, Some(9)));
    child.kill().expect("killing what has ended is no error");
}

#[test]
fn dropping_a_child_ends_the_whole_tree() {
    let sandbox = sandbox();
    let marker = marker();
    let child = tree(&sandbox, &marker);
    let init = child.id();
    drop(child);
    assert_eq!(processes_with(&marker), [] as [i32; 0]);
    let stat = std::fs::read_to_string(format!("/proc/{init}/stat")).unwrap_or_default();
    assert!(!stat.contains("(init)"), "process 1 is still there: {stat}");
}

#[test]
fn dropping_the_sandbox_leaves_running_children_alone() {
    let sandbox = sandbox();
    let mut command = sh(&sandbox, "sleep 0.2; echo alive");
    let child = command.stdout(Stdio::piped()).spawn().expect("the shell");
    drop(command);
    drop(sandbox);
    let output = child.wait_with_output().expect("wait");
    assert_eq!(output.stdout, b"alive\n");
}

#[test]
fn background_processes_end_with_the_command() {
    let sandbox = sandbox();
    let marker = marker();
    let script = format!(
        "sleep {marker} & (setsid sleep {marker} &) ; nohup sleep {marker} >/dev/null 2>&1 & exit 5"
    );
    let start = Instant::now();
    let output = sh(&sandbox, &script).output().expect("the shell");
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(processes_with(&marker), [] as [i32; 0]);
    assert!(
        start.elapsed() < SOON,
        "held up by what was left: {:?}",
        start.elapsed()
    );
}

#[test]
fn a_signal_reaches_the_program() {
    let sandbox = sandbox();
    let mut command = sh(
        &sandbox,
        "trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.02; done",
    );
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the shell");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    child.signal(libc::SIGUSR1).expect("signal");
    assert_eq!(lines.next().expect("a line").expect("text"), "got");
    assert_eq!(child.wait().expect("wait").code(), Some(9));
    child.signal(libc::SIGUSR1).expect_err("it has ended");
}

#[test]
fn a_stopped_program_can_still_be_ended() {
    let sandbox = sandbox();
    let marker = marker();
    let mut child = sandbox
        .command("sleep")
        .arg(&marker)
        .spawn()
        .expect("sleep");
    child.signal(libc::SIGSTOP).expect("stop");
    child.kill().expect("kill");
    assert_eq!(child.wait().expect("wait").signal(), Some(9));
    assert_eq!(processes_with(&marker), [] as [i32; 0]);
}

#[test]
fn programs_cannot_end_or_stop_their_process_1() {
    let sandbox = sandbox();
    let script = "kill -9 1; kill -STOP 1; kill -TERM 1; kill -9 -1 2>/dev/null; echo here";
    // The shell itself is spared by kill(-1).
    let output = sh(&sandbox, script)
        .timeout(Duration::from_secs(10))
        .output();
    let output = output.expect("the shell");
    assert_eq!(
        output.stdout,
        b"here\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}", output.status);
}

#[test]
fn figures_are_plausible() {
    let sandbox = sandbox();
    let script = "dd if=/dev/zero of=/dev/null bs=64M count=4 2>/dev/null &
        wait; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let status = sh(&sandbox, script).status().expect("the shell");
    let usage = status.usage();
    println!("{usage:?}");
    let mib = 1 << 20;
    assert!(
        usage.max_rss >= 64 * mib && usage.max_rss < 512 * mib,
        "{usage:?}"
    );
    let cpu = usage.user + usage.system;
    assert!(usage.user >= Duration::from_millis(20), "{usage:?}");
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    assert!(
        cpu <= usage.wall * cores + Duration::from_millis(100),
        "{usage:?}"
    );

    let usage = sandbox
        .command("sleep")
        .arg("0.3")
        .status()
        .expect("sleep")
        .usage();
    assert!(usage.wall >= Duration::from_millis(300), "{usage:?}");
    assert!(
        usage.user + usage.system < Duration::from_millis(200),
        "{usage:?}"
    );
    assert!(usage.max_rss < 64 * mib, "{usage:?}");
    assert!(usage.context_switches > 0, "{usage:?}");
}

#[test]
fn figures_count_what_was_left_running() {
    // The burner is an orphan that is killed with the rest, once it has burnt enough.
    let burner =
        "i=0; while [ $i -lt 1000000 ]; do i=$((i + 1)); done; touch /tmp/burnt; exec sleep 100";
    let script =
        format!("(setsid sh -c '{burner}' &) ; until [ -e /tmp/burnt ]; do sleep 0.02; done");
    let usage = sh(&sandbox(), &script).status().expect("the shell").usage();
    assert!(usage.user >= Duration::from_millis(100), "{usage:?}");
}
