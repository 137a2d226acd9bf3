//! The files of cgroup v1: the kernel's `admin-guide/cgroup-v1`, and `scheduler/sched-bwc`.

use crate::error::{Reason, Remedy, Unavailable};
use crate::files;
use crate::limits::{Controller, Limits, Version, bfq_weight, cfq_weight};
use crate::mounts::Hierarchy;
use crate::v2::Setting;
use std::path::{Path, PathBuf};

/// The base for groups with this controller: the caller's own group in its hierarchy.
///
/// On v1 a group with processes may have groups below it. There is no falling back to a group
/// above: what binds the caller must bind what it starts.
pub(crate) fn base(
    hierarchies: &[Hierarchy],
    controller: Controller,
) -> Result<PathBuf, Unavailable> {
    let refused = |reason, file: &Path, errno, remedy| Unavailable {
        controller: Some(controller),
        reason,
        file: file.to_owned(),
        errno,
        remedy,
    };
    let Some(hierarchy) = hierarchies.iter().find(|each| each.has(controller)) else {
        let file = Path::new("/proc/self/mountinfo");
        return Err(refused(Reason::NotMounted, file, None, Remedy::Mount));
    };
    let Some(own) = &hierarchy.own else {
        let file = &hierarchy.mount_point;
        return Err(refused(
            Reason::OwnGroupNotVisible,
            file,
            None,
            Remedy::ShareMount,
        ));
    };
    files::may_make_in(own).map_err(|errno| {
        let remedy = match errno.0 {
            libc::EROFS => Remedy::MountWritable,
            libc::ENOENT => Remedy::ShareMount,
            _ => Remedy::BootUnified,
        };
        refused(Reason::NotWritable, own, Some(errno), remedy)
    })?;
    // Before Linux 5.11 this could be off; at the top there is no outer limit to evade.
    let switch = own.join("memory.use_hierarchy");
    if controller == Controller::Memory
        && *own != hierarchy.mount_point
        && files::read(&switch).is_ok_and(|value| value.trim() == "0")
    {
        let remedy = Remedy::UseHierarchy;
        return Err(refused(Reason::NotHierarchical, &switch, None, remedy));
    }
    Ok(own.clone())
}

/// A v1 base to hold processes together where there is no v2 at all: the freezer's by choice,
/// which makes killing sure, or that of any controller.
pub(crate) fn life_base(hierarchies: &[Hierarchy]) -> Option<PathBuf> {
    let freezer = |each: &&Hierarchy| each.names.iter().any(|name| name == "freezer");
    let others = hierarchies
        .iter()
        .filter(|each| each.version == Version::V1 && each.has_any())
        // A new cpuset has no processors: nothing can join it.
        .filter(|each| !each.names.iter().any(|name| name == "cpuset"));
    hierarchies
        .iter()
        .filter(freezer)
        .chain(others)
        .filter_map(|each| each.own.clone())
        .find(|own| files::may_make_in(own).is_ok())
}

/// What is to be written to a group's directory for its controllers, in this order.
pub(crate) fn settings(limits: &Limits, controllers: &[Controller]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for controller in controllers {
        let mut put = |files: &[&'static str], values: &[String], required| {
            settings.push(Setting {
                controller: *controller,
                choices: files.iter().copied().zip(values.iter().cloned()).collect(),
                required,
            });
        };
        match controller {
            Controller::Memory => {
                if let Some(bytes) = limits.memory {
                    put(&["memory.limit_in_bytes"], &[bytes.to_string()], true);
                    // Memory and swap together: equal to the memory limit, there is none for swap.
                    // It may not be below it, so it comes second.
                    put(
                        &["memory.memsw.limit_in_bytes", "memory.swappiness"],
                        &[bytes.to_string(), "0".to_owned()],
                        false,
                    );
                }
            }
            Controller::Pids => {
                if let Some(count) = limits.processes {
                    put(&["pids.max"], &[count.to_string()], true);
                }
            }
            Controller::Cpu => {
                if let Some(cpus) = limits.cpus {
                    put(&["cpu.cfs_period_us"], &[cpus.period_us.to_string()], true);
                    put(&["cpu.cfs_quota_us"], &[cpus.quota_us.to_string()], true);
                }
            }
            Controller::Io => {
                if let Some(weight) = limits.io_weight {
                    put(
                        &["blkio.bfq.weight", "blkio.weight"],
                        &[
                            bfq_weight(weight).to_string(),
                            cfq_weight(weight).to_string(),
                        ],
                        true,
                    );
                }
            }
            Controller::Cpuacct => {}
        }
    }
    settings
}
