//! Limits, each shown by a program that runs into it.

use crate::support::{
    descendants, is_root, lacks, marker, processes_with, sandbox, says, sh, with_workspace, within,
};
use cofferdam::{BuildError, Bytes, Enforce, Layer, Limits, Sandbox, State, Stdio};
use std::time::{Duration, Instant};

fn limited(change: impl FnOnce(Limits) -> Limits) -> Sandbox {
    Sandbox::builder().limits(change).build().expect("limits")
}

/// A limit that needs a control group: the sandbox, or, where this user has none, the checked error.
fn with_group(change: impl Fn(Limits) -> Limits) -> Option<Sandbox> {
    match Sandbox::builder().limits(&change).build() {
        Ok(sandbox) => Some(sandbox),
        Err(BuildError::Unavailable {
            layer: Layer::Cgroup,
            reason,
            remedy,
            ..
        }) => {
            assert!(
                !reason.is_empty() && remedy.contains("prefer"),
                "{reason}: {remedy}"
            );
            if is_root() {
                lacks("a control group that root may use");
            }
            println!("no control group for this user ({reason}): the error is what is tested");
            let builder = Sandbox::builder().limits(&change);
            let prefer = builder.layers(|layers| layers.with(Layer::Cgroup, Enforce::Prefer));
            let sandbox = prefer.build().expect("without a control group");
            let output = sandbox.command("true").output().expect("true");
            let report = output.enforcement.layer(Layer::Cgroup).expect("a report");
            assert!(!report.weaker.is_empty() && !output.enforcement.is_full());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn memory_beyond_the_limit_is_an_oom_verdict() {
    let Some(sandbox) = with_group(|limits| limits.memory_mib(48)) else {
        return;
    };
    let hog = "dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null";
    let status = sh(&sandbox, &format!("exec {hog}"))
        .status()
        .expect("the shell");
    assert!(status.oom_killed(), "{status}");
    assert!(!status.success() && !status.timed_out(), "{status}");
    let peak = status
        .usage()
        .peak_memory
        .expect("a memory group tells the peak");
    assert!(peak <= 49 << 20 && peak > 24 << 20, "peak {peak}");

    // A program that stays within it is left alone.
    let status = sandbox
        .command("dd")
        .args([
            "if=/dev/zero",
            "of=/dev/null",
            "bs=8M",
            "count=2",
            "status=none",
        ])
        .status();
    let status = status.expect("dd");
    assert!(status.success() && !status.oom_killed(), "{status}");

    // Files in memory count as well.
    let status = sh(&sandbox, "head -c 200M /dev/zero > /tmp/file")
        .status()
        .expect("the shell");
    assert!(!status.success(), "{status}");
}

#[test]
fn memory_without_a_group_is_limited_for_each_process() {
    let builder = Sandbox::builder().limits(|limits| limits.memory_mib(64));
    let prefer = builder.layers(|layers| layers.with(Layer::Cgroup, Enforce::Prefer));
    let sandbox = prefer.build().expect("prefer");
    let report = sandbox
        .planned()
        .iter()
        .find(|r| r.layer == Layer::Cgroup)
        .expect("a report");
    if report.state() == State::Full {
        println!("a control group is there: the other test covers it");
    }
    let hog = "dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null";
    assert!(!sh(&sandbox, hog).status().expect("the shell").success());
}

#[test]
fn the_number_of_processes_is_exact() {
    for count in [2, 5, 20] {
        let sandbox = limited(|limits| limits.processes(count));
        // The shell is one of them; it gives up when it cannot fork.
        let output = sh(&sandbox, "while :; do sleep 1000 & echo; done").output();
        let output = output.expect("the shell");
        assert_eq!(output.stdout.len(), count as usize - 1, "of {count}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.to_lowercase().contains("fork"), "{text}");
    }
    // The count is each command's own.
    let sandbox = limited(|limits| limits.processes(3));
    let mut children: Vec<_> = (0..6)
        .map(|_| {
            sh(&sandbox, "sleep 1000 & sleep 1000 & wait")
                .spawn()
                .expect("the shell")
        })
        .collect();
    for child in &mut children {
        assert!(child.try_wait().expect("try_wait").is_none());
    }
}

#[test]
fn a_fork_bomb_stays_small_and_ends() {
    const LIMIT: usize = 40;
    let sandbox = limited(|limits| limits.processes(LIMIT as u32));
    let marker = marker();
    // Each forks until it cannot, dies of that, and makes room for the others; the first one waits.
    let bomb = format!(
        "exec 2>/dev/null; : {marker}; bomb() {{ while :; do bomb & done; }}; bomb & read line"
    );
    let mut command = sh(&sandbox, &bomb);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the shell");
    let start = Instant::now();
    let mut most = 0;
    // For a second, and on a busy machine for as long as it takes to go off.
    let took = |seconds| start.elapsed() >= Duration::from_secs(seconds);
    while !took(1) || most <= LIMIT / 2 && !took(20) {
        most = most.max(descendants(child.id()));
    }
    println!("{most} processes at most, of {LIMIT}");
    // The walk is no snapshot: some end and others start while it goes on. That the number is exact
    // is shown by the test above; without a limit there would be thousands.
    assert!(most <= 2 * LIMIT, "{most}");
    assert!(most > LIMIT / 2, "it did not go off: {most}");
    let start = Instant::now();
    child.kill().expect("kill");
    child.wait().expect("wait");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(processes_with(&marker).is_empty());
}

#[test]
fn processor_time_per_second_is_limited() {
    let Some(sandbox) = with_group(|limits| limits.cpus(0.2)) else {
        return;
    };
    let burn = "while :; do :; done & while :; do :; done";
    let status = sh(&sandbox, burn)
        .timeout(Duration::from_millis(1500))
        .status();
    let usage = status.expect("the shell").usage();
    let share = (usage.user + usage.system).as_secs_f64() / usage.wall.as_secs_f64();
    println!("{share:.2} of a processor, of 0.2");
    assert!(share < 0.35, "{share}");
}

#[test]
fn processor_time_altogether_is_limited() {
    let sandbox = limited(|limits| limits.cpu_time(Duration::from_secs(1)));
    let status = sh(&sandbox, "trap '' XCPU; while :; do :; done")
        .timeout(Duration::from_secs(20))
        .status();
    let status = status.expect("the shell");
    assert!(!status.timed_out(), "{status}");
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}");
    let cpu = status.usage().user + status.usage().system;
    assert!(cpu < Duration::from_secs(3), "{cpu:?}");
}

#[test]
fn files_stop_growing_at_their_limit() {
    let directory = tempfile::tempdir().expect("a directory");
    let builder = Sandbox::builder().workspace(directory.path());
    let sandbox = builder
        .limits(|limits| limits.file_size(Bytes::kib(64)))
        .build()
        .expect("limits");
    let status = sh(&sandbox, "exec head -c 1M /dev/zero > file")
        .status()
        .expect("the shell");
    assert_eq!(status.signal(), Some(libc::SIGXFSZ), "{status}");
    let size = std::fs::metadata(directory.path().join("file"))
        .expect("file")
        .len();
    assert_eq!(size, 64 << 10);
}

#[test]
fn open_files_and_stack_are_limited_for_good() {
    let sandbox = limited(|limits| limits.open_files(64).stack(Bytes::mib(2)));
    assert_eq!(says(&sandbox, "ulimit -n; ulimit -Hn"), "64\n64");
    assert_eq!(says(&sandbox, "ulimit -s; ulimit -Hs"), "2048\n2048");
    assert_eq!(
        says(&sandbox, "ulimit -n 65 2>/dev/null || echo refused"),
        "refused"
    );
    // 0, 1, 2 and 61 more.
    let script = "exec 2>/dev/null; n=3; while eval \"exec $n</dev/null\"; do n=$((n+1)); echo $n; done | tail -1";
    let bash = sandbox
        .command("bash")
        .args(["-c", script])
        .output()
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "64");
}

#[test]
fn no_core_is_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let sandbox = with_workspace(directory.path());
    assert_eq!(says(&sandbox, "ulimit -c; ulimit -Hc"), "0\n0");
    let status = sh(&sandbox, "kill -SEGV $$").status().expect("the shell");
    assert_eq!(status.signal(), Some(libc::SIGSEGV));
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("list").count(),
        0
    );
}

#[test]
fn private_directories_have_their_size() {
    let builder = Sandbox::builder().filesystem(|files| files.tmp(Bytes::mib(1)));
    let sandbox = builder.build().expect("a small /tmp");
    let script = "head -c 8M /dev/zero > /tmp/file 2>/dev/null; wc -c < /tmp/file";
    let size: u64 = says(&sandbox, script).parse().expect("a number");
    assert!((1 << 20..1 << 21).contains(&size), "{size}");
    // The next command starts with an empty one.
    assert_eq!(says(&sandbox, "ls -A /tmp | wc -l"), "0");
}

#[test]
fn a_limit_that_is_missing_from_the_policy_is_not_there() {
    let sandbox = sandbox();
    let mut child = sh(
        &sandbox,
        "for n in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait",
    )
    .spawn()
    .expect("the shell");
    assert!(!within(Duration::from_millis(100), || child
        .try_wait()
        .expect("wait")
        .is_some()));
}
