//! Making groups, starting programs in them, and looking at what is there.

use cofferdam_cgroups::{
    Cgroup, Controller, Figures, Limits, Parent, PrepareError, Reason, Support, probe,
};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const NONE: Limits = Limits {
    memory: None,
    processes: None,
    cpus: None,
    io_weight: None,
};
pub const MIB: u64 = 1 << 20;

pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

pub fn expects_full() -> bool {
    std::env::var("COFFERDAM_EXPECT").as_deref() == Ok("full")
}

/// Whether this kernel keeps the peak of the group's memory: v2 does since Linux 5.19.
pub fn has_peak(group: &Cgroup) -> bool {
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
pub fn parent(limits: &Limits, figures: Figures) -> Option<Parent> {
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

pub fn group(limits: &Limits) -> Option<(Parent, Arc<Cgroup>)> {
    let parent = parent(limits, Figures::Minimal)?;
    let group = Arc::new(parent.create(limits).unwrap());
    Some((parent, group))
}

/// Starts a program inside the group: joined between fork and exec.
pub fn start(group: &Arc<Cgroup>, program: &str, arguments: &[&str]) -> Child {
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

pub fn remove(group: Arc<Cgroup>) -> cofferdam_cgroups::Stats {
    let paths = group.paths();
    let stats = Arc::try_unwrap(group).unwrap().remove().unwrap();
    for path in paths {
        assert!(!path.exists(), "{path:?}");
    }
    stats
}

/// Everything of a parent goes when its last user does.
pub fn assert_gone(parent: Parent) {
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

pub fn pids(group: &Cgroup) -> Vec<u32> {
    let procs = fs::read_to_string(group.paths()[0].join("cgroup.procs")).unwrap();
    procs.lines().map(|line| line.parse().unwrap()).collect()
}

pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(2));
    }
}

pub fn wait(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

pub fn value(group: &Cgroup, controller: Controller, file: &str) -> String {
    let mut limits = group.in_force().limits.iter();
    let applied = limits.find(|each| each.controller == controller).unwrap();
    fs::read_to_string(applied.directory.join(file))
        .unwrap()
        .trim()
        .to_owned()
}
