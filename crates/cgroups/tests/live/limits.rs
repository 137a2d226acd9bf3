//! Limits: what the kernel does to programs that reach them, and to those that do not.

use crate::support::{
    MIB, NONE, assert_gone, group, has_peak, is_running, pids, remove, start, value, wait,
};
use cofferdam_cgroups::{Controller, CpuQuota, Limits, Swap, Version};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn a_memory_hog_is_ended_by_the_kernel_and_the_verdict_is_read() {
    let hog = ["if=/dev/zero", "of=/dev/null", "bs=192M", "count=1"];
    // The same without a limit goes through.
    let free = Command::new("dd")
        .args(hog)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(free.success());

    let limits = Limits {
        memory: Some(32 * MIB),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let swap = group.in_force().swap;
    let status = wait(start(&group, "dd", &hog));
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status:?}");
    let version = group.in_force().limits[0].version;
    if version == Version::V1 && swap == Some(Swap::Off) {
        let memsw = value(&group, Controller::Memory, "memory.memsw.limit_in_bytes");
        assert_eq!(memsw, (32 * MIB).to_string());
    }
    let has_peak = has_peak(&group);
    let stats = remove(group);
    assert_eq!(stats.oom_kills, Some(1), "{stats:?}");
    assert_eq!(stats.memory_peak.is_some(), has_peak);
    let within = 16 * MIB..=32 * MIB;
    assert!(
        stats.memory_peak.is_none_or(|peak| within.contains(&peak)),
        "{stats:?}"
    );
    assert_gone(parent);
}

#[test]
fn a_program_within_its_limits_is_left_alone() {
    let limits = Limits {
        memory: Some(128 * MIB),
        processes: Some(8),
        cpus: Some(CpuQuota::cpus(1.0)),
        io_weight: None,
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let status = wait(start(
        &group,
        "dd",
        &["if=/dev/zero", "of=/dev/null", "bs=16M", "count=2"],
    ));
    assert!(status.success());
    let stats = remove(group);
    assert_eq!(
        (stats.oom_kills, stats.forks_refused),
        (Some(0), Some(0)),
        "{stats:?}"
    );
    assert!(
        stats.memory_peak.is_none_or(|peak| peak >= 16 * MIB),
        "{stats:?}"
    );
    assert!(stats.tasks_peak.is_none_or(|peak| peak >= 1), "{stats:?}");
    assert_eq!(stats.tasks, Some(0));
    assert_gone(parent);
}

#[test]
fn forking_stops_at_the_limit() {
    let limits = Limits {
        processes: Some(10),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let bomb = "i=0; while [ $i -lt 40 ]; do sleep 30 & i=$((i+1)); done; wait";
    let status = wait(start(&group, "/bin/sh", &["-c", bomb]));
    // The shell gives up when it cannot fork; what it had started is still there.
    assert!(!status.success());
    let inside = pids(&group);
    assert!((5..=10).contains(&inside.len()), "{inside:?}");
    let stats = remove(group);
    assert!(stats.forks_refused.unwrap() >= 1, "{stats:?}");
    assert!(stats.tasks_peak.is_none_or(|peak| peak <= 10), "{stats:?}");
    assert!(!inside.into_iter().any(is_running));
    assert_gone(parent);
}

#[test]
fn processor_time_is_rationed() {
    let limits = Limits {
        cpus: Some(CpuQuota::cpus(0.1)),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let begun = Instant::now();
    let looping = start(&group, "/bin/sh", &["-c", "while :; do :; done"]);
    sleep(Duration::from_millis(1200));
    group.kill().unwrap();
    let ran = begun.elapsed();
    assert_eq!(wait(looping).signal(), Some(libc::SIGKILL));
    let stats = remove(group);
    assert!(stats.cpu_throttled.unwrap() > Duration::ZERO, "{stats:?}");
    if let Some(total) = stats.cpu_total {
        assert!(
            total > Duration::from_millis(10) && total < ran.mul_f64(0.35),
            "{stats:?} {ran:?}"
        );
    }
    assert_gone(parent);
}

#[test]
fn the_weight_of_the_disk_is_set() {
    let limits = Limits {
        io_weight: Some(50),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let (file, written) = group.in_force().limits[0].files[0].clone();
    let read = value(&group, Controller::Io, &file);
    assert!(
        read.ends_with(written.trim_start_matches("default ")),
        "{file}: {read} {written}"
    );
    remove(group);
    assert_gone(parent);
}
