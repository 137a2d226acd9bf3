//! The v2 hierarchy: where groups may be made, controllers handed down, and the files of limits.
//!
//! Source: the kernel's `admin-guide/cgroup-v2`, "Organizing Processes and Threads", "Controlling
//! Controllers" and "Controllers".

use crate::error::{MoveError, Reason, Remedy, Unavailable, remedy_for};
use crate::files;
use crate::limits::{Controller, Limits, Version, bfq_weight};
use crate::mounts::{self, Hierarchy};
use cofferdam_sys::Errno;
use std::path::{Path, PathBuf};

/// Moves the **calling process** (all its threads) into a new group `cofferdam-host` below its own
/// v2 group, so that its own group can hand controllers down, and returns the leaf.
///
/// For host programs that were started alone in a delegated group
/// (`systemd-run --user --scope -p Delegate=yes`, or a container with a writable cgroup mount).
/// This library never calls it by itself: it changes the host process, and what else is in the
/// same group (the host's own children too) stays there and must be moved by its owner.
/// The leaf is left behind when the host ends; the owner of the delegated group removes it.
///
/// # Errors
/// [`MoveError`] when no v2 group is seen, and when making or joining the leaf fails: `EACCES` for
/// a group that is not delegated.
pub fn danger_move_self_into_leaf() -> Result<PathBuf, MoveError> {
    let hierarchies = mounts::read().map_err(Box::new)?;
    let own = own_group(&hierarchies).map_err(Box::new)?;
    move_into_leaf(&own, "cofferdam-host", &[std::process::id()])
}

/// Moves processes into a new group below theirs.
pub(crate) fn move_into_leaf(own: &Path, name: &str, pids: &[u32]) -> Result<PathBuf, MoveError> {
    let leaf = own.join(name);
    let at = |file: &Path, errno| MoveError::File {
        file: file.to_owned(),
        errno,
    };
    let new = files::mkdir(&leaf).map_err(|errno| at(&leaf, errno))?;
    let procs = leaf.join("cgroup.procs");
    for pid in pids {
        if let Err(errno) = files::write(&procs, &pid.to_string()) {
            if new {
                let _ = files::rmdir(&leaf);
            }
            return Err(at(&procs, errno));
        }
    }
    Ok(leaf)
}

/// One value to be put into a group, in one of several files: the first that exists.
#[derive(Debug)]
pub(crate) struct Setting {
    pub controller: Controller,
    pub choices: Vec<(&'static str, String)>,
    /// Whether it is an error if none of the files exists.
    pub required: bool,
}

/// What is to be written to a v2 group's directory, in this order.
pub(crate) fn settings(limits: &Limits) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut put = |controller, choices: &[(&'static str, String)], required| {
        settings.push(Setting {
            controller,
            choices: choices.to_vec(),
            required,
        });
    };
    if let Some(bytes) = limits.memory {
        put(
            Controller::Memory,
            &[("memory.max", bytes.to_string())],
            true,
        );
        // Absent without CONFIG_SWAP or with swapaccount=0.
        put(
            Controller::Memory,
            &[("memory.swap.max", "0".to_owned())],
            false,
        );
    }
    if let Some(count) = limits.processes {
        put(Controller::Pids, &[("pids.max", count.to_string())], true);
    }
    if let Some(cpus) = limits.cpus {
        let value = format!("{} {}", cpus.quota_us, cpus.period_us);
        put(Controller::Cpu, &[("cpu.max", value)], true);
    }
    if let Some(weight) = limits.io_weight {
        let choices = [
            ("io.weight", format!("default {weight}")),
            ("io.bfq.weight", bfq_weight(weight).to_string()),
        ];
        put(Controller::Io, &choices, true);
    }
    settings
}

/// The directory of the caller's own group.
pub(crate) fn own_group(hierarchies: &[Hierarchy]) -> Result<PathBuf, Unavailable> {
    let unified = hierarchies.iter().find(|each| each.version == Version::V2);
    let Some(unified) = unified else {
        let file = Path::new("/proc/self/mountinfo");
        return Err(refused(Reason::NotMounted, file, None, Remedy::Mount));
    };
    let own = unified.own.clone();
    own.ok_or_else(|| {
        let file = &unified.mount_point;
        refused(Reason::OwnGroupNotVisible, file, None, Remedy::ShareMount)
    })
}

/// The nearest group, from the caller's own up to the mount point, in which groups with these
/// controllers can be made.
///
/// # Errors
/// Of the groups on the way, what is wrong with the first that is at least writable, or else with
/// the caller's own.
pub(crate) fn base(
    mount_point: &Path,
    own: &Path,
    needed: &[Controller],
) -> Result<PathBuf, Unavailable> {
    let mut worth_saying: Option<Unavailable> = None;
    for candidate in own
        .ancestors()
        .take_while(|each| each.starts_with(mount_point))
    {
        match check(candidate, needed) {
            Ok(()) => return Ok(candidate.to_owned()),
            Err(refusal) => {
                let better = worth_saying.as_ref().is_none_or(|said| {
                    said.reason == Reason::NotWritable && refusal.reason != Reason::NotWritable
                });
                if better {
                    worth_saying = Some(refusal);
                }
            }
        }
        // Going further up leaves this group: not if it has a limit.
        if let Some((file, value)) = limit_set_on(candidate) {
            let reason = Reason::OuterLimit { value };
            return Err(match worth_saying {
                Some(said) if said.reason != Reason::InternalProcesses => said,
                _ => refused(reason, &file, None, Remedy::MoveLimitUp),
            });
        }
    }
    Err(worth_saying
        .unwrap_or_else(|| refused(Reason::OwnGroupNotVisible, own, None, Remedy::ShareMount)))
}

/// Whether groups with these controllers can be made in the directory; a pure read.
pub(crate) fn check(directory: &Path, needed: &[Controller]) -> Result<(), Unavailable> {
    let not_writable = |file: &Path, errno: Errno| {
        let remedy = remedy_for(errno, Version::V2);
        refused(Reason::NotWritable, file, Some(errno), remedy)
    };
    let unreadable = |file: &Path, errno: Errno| {
        let remedy = remedy_for(errno, Version::V2);
        refused(Reason::Unreadable, file, Some(errno), remedy)
    };
    files::may_make_in(directory).map_err(|errno| not_writable(directory, errno))?;
    // Processes move between groups only by leave of the nearest group above both: this one.
    let procs = directory.join("cgroup.procs");
    files::open_write(&procs).map_err(|errno| not_writable(&procs, errno))?;
    let kind = directory.join("cgroup.type");
    // The root has no such file.
    if files::read(&kind).is_ok_and(|kind| kind.trim() != "domain") {
        return Err(refused(Reason::Threaded, &kind, None, Remedy::StartInLeaf));
    }
    if needed.is_empty() {
        return Ok(());
    }
    let offered = directory.join("cgroup.controllers");
    let here = files::read(&offered).map_err(|errno| unreadable(&offered, errno))?;
    if let Some(lacking) = needed.iter().find(|each| !lists(&here, **each)) {
        return Err(Unavailable {
            controller: Some(*lacking),
            ..refused(Reason::NotDelegated, &offered, None, Remedy::EnableAbove)
        });
    }
    let control = directory.join("cgroup.subtree_control");
    let enabled = files::read(&control).map_err(|errno| unreadable(&control, errno))?;
    if needed.iter().all(|each| lists(&enabled, *each)) {
        return Ok(());
    }
    files::open_write(&control).map_err(|errno| not_writable(&control, errno))?;
    // The rule does not hold for the root.
    if kind.exists() && !files::pids(&procs).is_ok_and(|pids| pids.is_empty()) {
        let remedy = Remedy::StartInLeaf;
        return Err(refused(Reason::InternalProcesses, &procs, None, remedy));
    }
    Ok(())
}

/// Enables the controllers that are not yet enabled below the directory.
///
/// # Errors
/// The file, what was written, and the kernel's number.
pub(crate) fn enable(
    directory: &Path,
    needed: &[Controller],
) -> Result<(), (PathBuf, String, Errno)> {
    if needed.is_empty() {
        return Ok(());
    }
    let control = directory.join("cgroup.subtree_control");
    let enabled = files::read(&control).map_err(|errno| (control.clone(), String::new(), errno))?;
    let missing: Vec<String> = needed
        .iter()
        .filter(|each| !lists(&enabled, **each))
        .map(|each| format!("+{each}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let value = missing.join(" ");
    files::write(&control, &value).map_err(|errno| (control, value, errno))
}

fn lists(controllers: &str, controller: Controller) -> bool {
    controllers
        .split_whitespace()
        .any(|name| name == controller.name(Version::V2))
}

/// A limit that binds the group itself, and would not bind groups beside it.
fn limit_set_on(directory: &Path) -> Option<(PathBuf, String)> {
    const UNLIMITED: [(&str, &str); 7] = [
        ("memory.max", "max"),
        ("memory.high", "max"),
        ("memory.swap.max", "max"),
        ("pids.max", "max"),
        ("cpu.max", "max"),
        ("cpuset.cpus", ""),
        ("io.max", ""),
    ];
    UNLIMITED.iter().find_map(|(name, unlimited)| {
        let file = directory.join(name);
        let value = files::read(&file).ok()?.trim().to_owned();
        let first = value.split(' ').next().unwrap_or_default();
        (first != *unlimited).then_some((file, value))
    })
}

fn refused(reason: Reason, file: &Path, errno: Option<Errno>, remedy: Remedy) -> Unavailable {
    Unavailable {
        controller: None,
        reason,
        file: file.to_owned(),
        errno,
        remedy,
    }
}
