//! Limits that a command hit.

use super::{Recorder, remedy};
use crate::lower::Lowered;
use crate::output::ExitStatus;
use cofferdam_audit::Denial;
use cofferdam_policy::format_duration;
use std::sync::atomic::Ordering;

/// What a command hit, as its end tells: the limit's name, and the denial.
pub(super) fn hit(
    recorder: &Recorder,
    lowered: &Lowered,
    status: &ExitStatus,
) -> Vec<(&'static str, Denial)> {
    let limits = &lowered.policy.limits;
    let mut hit = Vec::new();
    if status.oom_killed() {
        let more = match limits.memory {
            Some(limit) => format!("use more memory than {limit}"),
            None => "use more memory than there is".into(),
        };
        let denial = Denial::certain("cgroup", more, "the memory limit killed a process of it")
            .by("limits.memory")
            .remedy(remedy::limit("memory SIZE", "memory"));
        hit.push(("memory", denial));
    }
    if status.timed_out() {
        let longer = match limits.wall_clock {
            Some(limit) => format!("run longer than {}", format_duration(limit)),
            None => "run longer than its time limit".into(),
        };
        let denial = Denial::certain("limits", longer, "the time limit ended it")
            .by("limits.wall_clock")
            .remedy(remedy::limit("timeout DURATION", "wall_clock"));
        hit.push(("wall_clock", denial));
    }
    if let Some(refused) = status.forks_refused()
        && recorder
            .inner
            .forks_refused
            .fetch_max(refused, Ordering::Relaxed)
            < refused
    {
        let more = match limits.processes {
            Some(limit) => format!("have more than {limit} processes and threads"),
            None => "have more processes and threads than there can be".into(),
        };
        let reason = "the limit of processes refused a fork";
        let denial = Denial::certain("cgroup", more, reason)
            .by("limits.processes")
            .remedy(remedy::limit("processes N", "processes"));
        hit.push(("processes", denial));
    }
    hit
}
