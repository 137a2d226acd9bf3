//! How a command ended and what it wrote.

use crate::enforcement::Enforcement;
use crate::taken::TakenAway;
use cofferdam_audit::Denial;
use cofferdam_spawn::Ended;
use std::fmt;
use std::time::Duration;

/// How a program ended, and what it and its descendants used.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitStatus {
    ended: Ended,
    taken: Vec<TakenAway>,
}

impl ExitStatus {
    pub(crate) fn new(ended: Ended, taken: Vec<TakenAway>) -> Self {
        Self { ended, taken }
    }

    /// The program ended by itself with code 0.
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// The exit code; `None` when a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.ended.code
    }

    /// The signal that ended the program.
    pub fn signal(&self) -> Option<i32> {
        self.ended.signal
    }

    /// The wall-clock limit ended the program.
    pub fn timed_out(&self) -> bool {
        self.ended.timed_out
    }

    /// The memory limit killed at least one process of the sandbox. Known where a memory control
    /// group is in force.
    pub fn oom_killed(&self) -> bool {
        self.ended.oom_killed
    }

    /// The dangerous names that were made in a directly written workspace, and removed; see
    /// [`Protect`](crate::policy::Protect).
    pub fn taken_away(&self) -> &[TakenAway] {
        &self.taken
    }

    /// How often a fork was refused so far by a control group's limit of processes.
    pub(crate) fn forks_refused(&self) -> Option<u64> {
        self.ended.cgroup.as_ref()?.forks_refused
    }

    /// What the program and all its descendants used.
    pub fn usage(&self) -> Usage {
        Usage::of(&self.ended)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out() {
            return f.write_str("ended by the time limit");
        }
        match (self.code(), self.signal()) {
            (Some(code), _) => write!(f, "exit code {code}")?,
            (_, Some(signal)) => write!(f, "signal {signal}")?,
            _ => f.write_str("unknown end")?,
        }
        if self.oom_killed() {
            f.write_str(" (the memory limit killed a process)")?;
        }
        Ok(())
    }
}

/// What a program and all its descendants used (getrusage(2), cgroups(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// From the clone to the program's end.
    pub wall: Duration,
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The largest resident set of any one process, in bytes.
    pub max_rss: u64,
    /// The most memory that all processes held at one time, in bytes; where a memory control group
    /// is in force.
    pub peak_memory: Option<u64>,
    /// The most processes and threads at one time; where a pids control group tells.
    pub peak_processes: Option<u64>,
    /// Page faults that needed input or output.
    pub major_faults: u64,
    /// Context switches: waits, and preemptions.
    pub context_switches: u64,
}

impl Usage {
    pub(crate) fn of(ended: &Ended) -> Self {
        let (usage, cgroup) = (&ended.usage, &ended.cgroup);
        Self {
            wall: ended.wall,
            user: usage.user,
            system: usage.system,
            max_rss: usage.max_rss,
            peak_memory: cgroup.as_ref().and_then(|stats| stats.memory_peak),
            peak_processes: cgroup.as_ref().and_then(|stats| stats.tasks_peak),
            major_faults: usage.major_faults,
            context_switches: usage.context_switches,
        }
    }
}

/// How a program ended and what it wrote to the pipes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output. As hostile as the program.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error. As hostile as the program.
    pub stderr: Vec<u8>,
    /// What was in force around it.
    pub enforcement: Enforcement,
    /// What it was refused, as [`Child::denials`](crate::Child::denials) has it, and, where it failed, what
    /// can be concluded from its standard error ([`Confidence::Inferred`](crate::Confidence::Inferred)).
    pub denials: Vec<Denial>,
    /// How many denials came that are not listed.
    pub denials_left_out: u64,
}
