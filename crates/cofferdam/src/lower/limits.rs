//! Limits: control groups where a limit needs one, resource limits where they do.

use super::{Context, require};
use crate::enforcement::{LayerReport, Weakness};
use crate::error::BuildError;
use cofferdam_cgroups::{CpuQuota, Parent, PrepareError};
use cofferdam_policy::{Bytes, Enforce, Layer};
use cofferdam_spawn::CgroupPlan;
use cofferdam_sys::rlimit::{self, Resource};

/// What the limits part decided.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub cgroup: Option<CgroupPlan>,
    pub rlimits: Vec<(Resource, u64)>,
}

pub(super) fn prepare(
    context: &Context<'_>,
    reports: &mut Vec<LayerReport>,
) -> Result<Limits, BuildError> {
    let policy = &context.policy.limits;
    let asked = context.policy.layers.cgroup;
    let mut report = LayerReport::new(Layer::Cgroup, asked);
    let mut limits = Limits::default();

    // Process 1 of the sandbox is ours; the limit is for the programs.
    let processes = policy.processes.map(|count| u64::from(count) + 1);
    let by_rlimit = processes.filter(|_| context.namespaces && nproc_counts_by_namespace());
    if let Some(count) = by_rlimit {
        limits.rlimits.push((Resource::Nproc, count));
        report.add(format!(
            "processes {} (RLIMIT_NPROC in its own user namespace)",
            count - 1
        ));
    }
    let wanted = cofferdam_cgroups::Limits {
        memory: policy.memory.map(Bytes::get),
        processes: processes.filter(|_| by_rlimit.is_none()),
        cpus: policy.cpus.map(|cpus| CpuQuota::cpus(cpus.as_f64())),
        io_weight: policy.io_weight,
    };
    let needed = wanted.memory.is_some()
        || wanted.processes.is_some()
        || wanted.cpus.is_some()
        || wanted.io_weight.is_some();
    if needed && asked != Enforce::Off {
        match parent(&wanted) {
            Ok(parent) => {
                describe(&wanted, &mut report);
                limits.cgroup = Some(CgroupPlan {
                    parent,
                    limits: wanted,
                });
            }
            Err(error) => fall_back(&wanted, error, asked, &mut limits, &mut report)?,
        }
    }
    if report.in_force.is_empty() && report.weaker.is_empty() {
        report.add("no limit asked for needs one");
    }
    reports.push(report);

    let mut set = |resource, limit: Option<u64>| {
        limits
            .rlimits
            .extend(limit.map(|limit| (resource, within_hard(resource, limit))));
    };
    set(Resource::Core, Some(policy.core.get()));
    set(Resource::Nofile, policy.open_files);
    set(Resource::Fsize, policy.file_size.map(Bytes::get));
    set(Resource::Stack, policy.stack.map(Bytes::get));
    // Whole seconds, and at least one: 0 would be read as 1 by some kernels, as none by others.
    let seconds = policy
        .cpu_time
        .map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0));
    set(Resource::Cpu, seconds.map(|seconds| seconds.max(1)));
    Ok(limits)
}

/// Where groups can be made: in what this process was given, else in a unit of systemd's.
fn parent(wanted: &cofferdam_cgroups::Limits) -> Result<Parent, PrepareError> {
    // Where nobody can be found to watch them, no program is started in them either.
    let watched = |groups| drop(cofferdam_spawn::remove_groups_after_this_process(groups));
    Parent::prepare_announced(wanted, watched)
        .or_else(|error| through_systemd(wanted).unwrap_or(Err(error)))
}

/// One unit for this host process, asked for when the first limit needs it; systemd removes it after
/// the process has ended.
#[cfg(feature = "systemd")]
fn through_systemd(wanted: &cofferdam_cgroups::Limits) -> Option<Result<Parent, PrepareError>> {
    use cofferdam_cgroups::Figures;
    use cofferdam_cgroups::systemd::{Holder, Manager, Unit};
    use std::sync::Mutex;
    static UNIT: Mutex<Option<Unit>> = Mutex::new(None);

    let manager = match cofferdam_sys::cred::geteuid() {
        0 => Manager::System,
        _ => Manager::User,
    };
    let mut unit = UNIT.lock().unwrap_or_else(|poison| poison.into_inner());
    if unit.is_none() {
        *unit = Unit::start(manager, Holder::Watcher).ok();
    }
    let group = unit.as_ref()?.group();
    Some(Parent::prepare_in(group, wanted, Figures::Minimal))
}

#[cfg(not(feature = "systemd"))]
fn through_systemd(_: &cofferdam_cgroups::Limits) -> Option<Result<Parent, PrepareError>> {
    None
}

fn describe(limits: &cofferdam_cgroups::Limits, report: &mut LayerReport) {
    if let Some(bytes) = limits.memory {
        report.add(format!("memory {}, swap off", Bytes::new(bytes)));
    }
    if let Some(count) = limits.processes {
        report.add(format!("processes {}", count - 1));
    }
    if let Some(quota) = limits.cpus {
        report.add(format!(
            "cpus {}",
            quota.quota_us as f64 / quota.period_us as f64
        ));
    }
    if let Some(weight) = limits.io_weight {
        report.add(format!("io weight {weight}"));
    }
}

/// What is left of the limits without a control group.
fn fall_back(
    wanted: &cofferdam_cgroups::Limits,
    error: PrepareError,
    asked: Enforce,
    limits: &mut Limits,
    report: &mut LayerReport,
) -> Result<(), BuildError> {
    let reason = error.explanation();
    let remedy = error
        .remedy()
        .map_or_else(String::new, |remedy| remedy.to_string());
    let mut weaker = |what: &str| {
        let weakness = Weakness::new(what, reason.clone(), remedy.clone());
        require(asked, Layer::Cgroup, weakness, report)
    };
    if wanted.memory.is_some() {
        weaker("a memory limit for all processes together")?;
    }
    if wanted.processes.is_some() {
        weaker("a limit of processes")?;
    }
    if wanted.cpus.is_some() {
        weaker("a limit of processor time per second")?;
    }
    if wanted.io_weight.is_some() {
        weaker("a weight for input and output")?;
    }
    if let Some(bytes) = wanted.memory {
        // RLIMIT_AS would stop programs that reserve much and use little: JVM, Node, Go.
        limits
            .rlimits
            .push((Resource::Data, within_hard(Resource::Data, bytes)));
        report.add(format!(
            "memory {} for each process (RLIMIT_DATA)",
            Bytes::new(bytes)
        ));
    }
    Ok(())
}

/// A hard limit can only be lowered without `CAP_SYS_RESOURCE`; a lower one in force is as good.
fn within_hard(resource: Resource, limit: u64) -> u64 {
    rlimit::get(resource).map_or(limit, |(_, hard)| limit.min(hard))
}

/// Since Linux 5.14 `RLIMIT_NPROC` is counted for each user namespace, so in a new one it counts the
/// sandbox alone; before, it counted all processes of the user.
fn nproc_counts_by_namespace() -> bool {
    cofferdam_sys::uts::kernel_version() >= (5, 14)
}
