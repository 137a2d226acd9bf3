//! Against the kernel's cgroups. Where the process may make no groups, the same tests assert that
//! the refusal is exactly the one that `probe` gives.

use cofferdam_cgroups::{
    Cgroup, Controller, CpuQuota, CreateError, Errno, Figures, Limits, MoveError, Parent,
    PrepareError, Reason, Support, Swap, Version, danger_move_self_into_leaf, probe, sweep,
};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

const NONE: Limits = Limits {
    memory: None,
    processes: None,
    cpus: None,
    io_weight: None,
};
const MIB: u64 = 1 << 20;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn expects_full() -> bool {
    std::env::var("COFFERDAM_EXPECT").as_deref() == Ok("full")
}

/// Whether this kernel keeps the peak of the group's memory: v2 does since Linux 5.19.
fn has_peak(group: &Cgroup) -> bool {
    let files = ["memory.peak", "memory.max_usage_in_bytes"];
    let paths = group.paths();
    let found = paths
        .iter()
        .any(|path| files.iter().any(|file| path.join(file).exists()));
    if !found {
        println!("not available on this host: the peak of memory");
    }
    found
}

/// A parent for these limits; or, where there can be none, the assertion that it is refused for the
/// reason that `probe` gives, and with nothing left behind.
fn parent(limits: &Limits, figures: Figures) -> Option<Parent> {
    match Parent::prepare_with(limits, figures) {
        Ok(parent) => Some(parent),
        Err(PrepareError::Unavailable(refusal)) => {
            let Support {
                life, controllers, ..
            } = probe();
            let probed = match refusal.controller {
                None => life.err(),
                Some(named) => {
                    assert!(limits.controllers().contains(&named));
                    let mut found = controllers.into_iter();
                    found
                        .find(|(each, _)| *each == named)
                        .and_then(|(_, place)| place.err())
                }
            };
            assert_eq!(probed.as_ref(), Some(&*refusal));
            println!("not available on this host: {refusal}");
            if expects_full() {
                assert!(!is_root(), "not available to root: {refusal}");
                // What an ordinary user lacks without delegation, and no fault of ours.
                let expected = [
                    Reason::NotWritable,
                    Reason::NotDelegated,
                    Reason::NotMounted,
                    Reason::InternalProcesses,
                ];
                assert!(expected.contains(&refusal.reason), "{refusal:?}");
            }
            None
        }
        Err(missing @ PrepareError::MissingFile { .. }) => {
            println!("not available on this host: {missing}");
            assert!(!expects_full(), "{missing}");
            None
        }
        Err(other) => panic!("{other:?}: {other}"),
    }
}

fn group(limits: &Limits) -> Option<(Parent, Arc<Cgroup>)> {
    let parent = parent(limits, Figures::Minimal)?;
    let group = Arc::new(parent.create(limits).unwrap());
    Some((parent, group))
}

/// Starts a program inside the group: joined between fork and exec.
fn start(group: &Arc<Cgroup>, program: &str, arguments: &[&str]) -> Child {
    let joined = Arc::clone(group);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // SAFETY: after fork only async-signal-safe calls may be made; join_all makes write(2) only.
    unsafe { command.pre_exec(move || joined.join_all().map_err(io::Error::from)) };
    command.spawn().unwrap()
}

fn remove(group: Arc<Cgroup>) -> cofferdam_cgroups::Stats {
    let paths = group.paths();
    let stats = Arc::try_unwrap(group).unwrap().remove().unwrap();
    for path in paths {
        assert!(!path.exists(), "{path:?}");
    }
    stats
}

/// Everything of a parent goes when its last user does.
fn assert_gone(parent: Parent) {
    let directories = parent.directories();
    drop(parent);
    for directory in directories {
        // Another test of this process may be using it.
        if let Ok(entries) = fs::read_dir(&directory) {
            println!(
                "still used by another test: {directory:?}: {}",
                entries.count()
            );
        }
    }
}

fn pids(group: &Cgroup) -> Vec<u32> {
    let procs = fs::read_to_string(group.paths()[0].join("cgroup.procs")).unwrap();
    procs.lines().map(|line| line.parse().unwrap()).collect()
}

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(2));
    }
}

fn wait(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

fn value(group: &Cgroup, controller: Controller, file: &str) -> String {
    let mut limits = group.in_force().limits.iter();
    let applied = limits.find(|each| each.controller == controller).unwrap();
    fs::read_to_string(applied.directory.join(file))
        .unwrap()
        .trim()
        .to_owned()
}

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

#[test]
fn killing_reaches_what_has_forked_away() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    let tree = "(setsid sh -c 'sleep 60 & sleep 60 & wait' &); (sleep 60 &); exit 0";
    assert!(wait(start(&group, "/bin/sh", &["-c", tree])).success());
    wait_for("the tree is up", || pids(&group).len() == 4);
    let inside = pids(&group);
    assert!(inside.iter().all(|pid| is_running(*pid)));
    group.kill().unwrap();
    assert_eq!(pids(&group), [] as [u32; 0]);
    assert!(!inside.into_iter().any(is_running));
    group.kill().unwrap();
    remove(group);
    assert_gone(parent);
}

#[test]
fn without_limits_there_is_one_directory() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    assert_eq!(group.paths().len(), 1);
    assert!(group.in_force().limits.is_empty());
    match parent.create(&Limits {
        memory: Some(MIB),
        ..NONE
    }) {
        Err(CreateError::NotPrepared {
            controller: Controller::Memory,
        }) => {}
        other => panic!("{other:?}"),
    }
    remove(group);
    assert_gone(parent);
}

#[test]
fn full_figures_come_without_limits() {
    let Some(parent) = parent(&NONE, Figures::Full) else {
        return;
    };
    let group = Arc::new(parent.create(&NONE).unwrap());
    let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    assert!(wait(start(&group, "/bin/sh", &["-c", busy])).success());
    let has_peak = has_peak(&group);
    let stats = remove(group);
    let offered = |controller| probe().controller(controller).unwrap().is_ok();
    assert_eq!(
        stats.memory_peak.is_some(),
        offered(Controller::Memory) && has_peak,
        "{stats:?}"
    );
    assert_eq!(
        stats.tasks.is_some(),
        offered(Controller::Pids),
        "{stats:?}"
    );
    assert!(stats.cpu_total.unwrap() > Duration::ZERO, "{stats:?}");
    assert!(
        stats.cpu_user.unwrap() <= stats.cpu_total.unwrap(),
        "{stats:?}"
    );
    assert_gone(parent);
}

#[test]
fn joining_enters_every_directory_of_the_group() {
    let limits = Limits {
        memory: Some(64 * MIB),
        processes: Some(16),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let child = start(&group, "cat", &["/proc/self/cgroup"]);
    let seen = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    for path in group.paths() {
        // …/cofferdam/<host>/<n>
        let parts: Vec<_> = path.components().rev().take(3).collect();
        let tail: PathBuf = parts.into_iter().rev().collect();
        let tail = tail.to_str().unwrap();
        assert!(
            seen.lines().any(|line| line.ends_with(tail)),
            "{tail} in {seen}"
        );
    }
    remove(group);
    assert_gone(parent);
}

#[test]
fn a_child_can_be_started_inside() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    let Some(directory) = group.v2_dir() else {
        println!("not available on this host: no v2 directory to start a child in");
        assert!(!expects_full());
        return;
    };
    // SAFETY: clone_args is a C struct for which all zeroes mean "nothing asked for" (clone(2)).
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    // CLONE_INTO_CGROUP, which does not fit libc's type for it.
    arguments.flags = 1 << 33;
    arguments.cgroup = directory.as_raw_fd() as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is fork(2); clone3 reads the struct of the size given. The child
    // of a process with threads may only make async-signal-safe calls, and makes pause(2) only.
    let pid = unsafe {
        let pid = libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        );
        if pid == 0 {
            loop {
                libc::pause();
            }
        }
        pid as i32
    };
    assert!(pid > 0, "{}", io::Error::last_os_error());
    assert_eq!(pids(&group), [pid as u32]);
    group.kill().unwrap();
    let mut status = 0;
    // SAFETY: waitpid(2) writes one int to the pointer it is given.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
    remove(group);
    assert_gone(parent);
}

#[test]
fn dropping_ends_and_removes() {
    let limits = Limits {
        processes: Some(16),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let child = start(&group, "sleep", &["60"]);
    let paths = group.paths();
    // The parent may go first.
    drop(parent);
    assert!(paths.iter().all(|path| path.exists()));
    drop(group);
    assert_eq!(wait(child).signal(), Some(libc::SIGKILL));
    assert!(!paths.iter().any(|path| path.exists()));
}

#[test]
fn groups_below_the_group_go_with_it() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    let inner = group.paths()[0].join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let child = start(&group, "sleep", &["60"]);
    fs::write(inner.join("cgroup.procs"), child.id().to_string()).unwrap();
    assert_eq!(pids(&group), [] as [u32; 0]);
    remove(group);
    assert_eq!(wait(child).signal(), Some(libc::SIGKILL));
    assert_gone(parent);
}

#[test]
fn many_threads_make_and_remove_groups() {
    let limits = Limits {
        processes: Some(16),
        ..NONE
    };
    let Some(parent) = parent(&limits, Figures::Minimal) else {
        return;
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let parent = parent.clone();
            std::thread::spawn(move || {
                for _ in 0..5 {
                    let group = Arc::new(parent.create(&limits).unwrap());
                    assert!(wait(start(&group, "true", &[])).success());
                    remove(group);
                    // Others come and go in the same directory.
                    drop(Parent::prepare(&limits).unwrap());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_gone(parent);
}

#[test]
fn what_a_dead_host_left_is_swept() {
    let limits = Limits {
        memory: Some(64 * MIB),
        processes: Some(16),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let child = start(&group, "sleep", &["60"]);
    let mut left = Vec::new();
    for directory in parent.directories() {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let (_, rest) = name.split_once('-').unwrap();
        // Past pid_max of every kernel: no such process can be.
        let dead = directory.with_file_name(format!("4194399-{rest}"));
        fs::create_dir_all(dead.join("1")).unwrap();
        fs::write(dead.join("1/cgroup.procs"), child.id().to_string()).unwrap();
        left.push(dead);
    }
    // Not ours: never touched.
    let other = parent.directories()[0].with_file_name("4194399-somebody");
    fs::create_dir_all(&other).unwrap();
    let report = sweep().unwrap();
    assert_eq!(report.failed, []);
    assert!(
        !left.iter().any(|directory| directory.exists()),
        "{report:?}"
    );
    assert!(
        parent
            .directories()
            .iter()
            .all(|own| report.alive.contains(own)),
        "{report:?}"
    );
    assert!(other.exists());
    fs::remove_dir(&other).unwrap();
    assert_eq!(wait(child).signal(), Some(libc::SIGKILL));
    assert!(group.paths().iter().all(|path| path.exists()));
    remove(group);
    assert_gone(parent);
}

#[test]
fn probing_changes_nothing_and_agrees_with_preparing() {
    let before = fs::read_to_string("/proc/self/cgroup").unwrap();
    let support = probe();
    assert_eq!(fs::read_to_string("/proc/self/cgroup").unwrap(), before);
    println!("{support}");
    for controller in Controller::LIMITING {
        let limits = match controller {
            Controller::Memory => Limits {
                memory: Some(64 * MIB),
                ..NONE
            },
            Controller::Pids => Limits {
                processes: Some(9),
                ..NONE
            },
            Controller::Cpu => Limits {
                cpus: Some(CpuQuota::cpus(2.0)),
                ..NONE
            },
            _ => Limits {
                io_weight: Some(100),
                ..NONE
            },
        };
        match (
            support.controller(controller).unwrap(),
            Parent::prepare(&limits),
        ) {
            (Ok(place), Ok(parent)) => {
                assert!(
                    parent
                        .directories()
                        .iter()
                        .any(|each| each.starts_with(&place.base))
                );
            }
            // The kernel has the controller, but shows the files of its limits in groups only.
            (
                Ok(_),
                Err(PrepareError::MissingFile {
                    controller: named, ..
                }),
            ) => {
                assert_eq!(named, controller);
            }
            (Err(probed), Err(PrepareError::Unavailable(refusal))) => {
                assert_eq!(probed, &*refusal);
            }
            (probed, prepared) => panic!("{probed:?} {prepared:?}"),
        }
    }
    if !is_root() {
        // A directory that this user cannot write to is named with the kernel's answer.
        for (controller, place) in &support.controllers {
            if let Err(refusal) = place {
                assert_eq!(refusal.controller, Some(*controller));
                if refusal.reason == Reason::NotWritable {
                    let denied = [Errno(libc::EACCES), Errno(libc::EROFS)];
                    assert!(denied.contains(&refusal.errno.unwrap()), "{refusal:?}");
                }
            }
        }
    }
}

#[test]
fn an_explicit_base_must_be_a_group_of_v2() {
    let directory = tempfile::tempdir().unwrap();
    for base in [
        directory.path(),
        Path::new("/nowhere"),
        Path::new("relative"),
    ] {
        match Parent::prepare_in(base, &NONE, Figures::Minimal) {
            Err(PrepareError::Unavailable(refusal)) => assert_eq!(refusal.file, base),
            other => panic!("{other:?}"),
        }
    }
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
}

/// In a process of its own, as it moves the process that calls it.
#[test]
fn a_host_that_says_so_moves_into_a_leaf() {
    const ROLE: &str = "COFFERDAM_TEST_MOVES_ITSELF";
    let own = || {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
        groups
            .lines()
            .find_map(|line| line.strip_prefix("0::"))
            .map(str::to_owned)
    };
    if std::env::var_os(ROLE).is_some() {
        let before = own().unwrap();
        let leaf = danger_move_self_into_leaf().unwrap();
        assert!(leaf.ends_with("cofferdam-host"));
        let expected = format!("{}/cofferdam-host", before.trim_end_matches('/'));
        assert_eq!(own(), Some(expected));
        println!("leaf: {}", leaf.display());
        return;
    }
    if let Err(refusal) = &probe().life {
        println!("not available on this host: {refusal}");
        let error = danger_move_self_into_leaf().unwrap_err();
        assert!(
            matches!(error, MoveError::File { .. } | MoveError::Unavailable(_)),
            "{error:?}"
        );
        assert!(!(expects_full() && is_root()), "{refusal}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_host_that_says_so_moves_into_a_leaf",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let leaf = text
        .lines()
        .find_map(|line| line.split_once("leaf: "))
        .map(|(_, leaf)| leaf);
    if let Some(leaf) = leaf {
        fs::remove_dir(leaf).unwrap();
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && leaf.is_some(), "{text} {errors}");
}
