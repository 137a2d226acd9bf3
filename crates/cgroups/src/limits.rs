//! What may be limited, and the checks that need no host.

use crate::error::LimitError;
use std::fmt;

/// The least memory limit: one page on every architecture; the kernel rounds smaller ones to zero.
const LEAST_MEMORY: u64 = 64 << 10;
/// `PID_MAX_LIMIT` of a 64-bit kernel (proc_sys_kernel(5), pid_max); pids.max refuses more.
const MOST_PROCESSES: u64 = 4_194_304;

/// The limits of one group. `None` is no limit.
///
/// Swap is off for a group whose memory is limited, where the kernel accounts for swap:
/// [`InForce::swap`](crate::InForce::swap) says whether it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes, page cache and kernel memory included; rounded down to pages. Past it the
    /// kernel reclaims, then kills a process of the group.
    pub memory: Option<u64>,
    /// Tasks (processes and threads). Past it fork(2) and clone(2) give `EAGAIN`.
    pub processes: Option<u64>,
    /// Processor time.
    pub cpus: Option<CpuQuota>,
    /// Share of the disk against sibling groups, 1 to 10000; 100 is the default of every group.
    ///
    /// It bears only on disks whose scheduler is bfq, or on v2 with `io.cost` switched on.
    pub io_weight: Option<u16>,
}

/// Processor time per period, for all processors together (`cpu.max`; `cpu.cfs_quota_us` on v1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuQuota {
    /// Processor time in microseconds that the group gets in each period; at least 1000.
    pub quota_us: u64,
    /// Length of the period in microseconds, 1000 to 1,000,000.
    pub period_us: u64,
}

impl CpuQuota {
    /// `count` processors' worth of time, per 100 ms; `1.5` is 150 ms of each 100 ms.
    ///
    /// Nothing is checked here: a count of zero, below zero or not a number makes a zero quota,
    /// which is refused when it is used.
    pub fn cpus(count: f64) -> Self {
        Self {
            // `as` saturates, and maps what is not a number to zero.
            quota_us: (count * 100_000.0).round() as u64,
            period_us: 100_000,
        }
    }
}

/// Which figures a group should be able to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figures {
    /// Those that cost nothing: of the controllers that the limits need anyway, and processor time
    /// on v2.
    #[default]
    Minimal,
    /// Memory, processor time and tasks also where nothing is limited. On v1 that is one more group
    /// per hierarchy, and joining one takes milliseconds. What the host cannot give is left out
    /// without an error.
    Full,
}

/// A resource controller, by its name on v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Controller {
    /// `memory`
    Memory,
    /// `pids`
    Pids,
    /// `cpu`
    Cpu,
    /// `io`; `blkio` on v1
    Io,
    /// `cpuacct`: processor time on v1; on v2 every group has it without a controller.
    Cpuacct,
}

impl Controller {
    /// Those that a limit may need.
    pub const LIMITING: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Io];

    /// The name in the files of this version of cgroups.
    pub const fn name(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Memory, _) => "memory",
            (Self::Pids, _) => "pids",
            (Self::Cpu, _) => "cpu",
            (Self::Io, Version::V2) => "io",
            (Self::Io, Version::V1) => "blkio",
            (Self::Cpuacct, _) => "cpuacct",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name(Version::V2))
    }
}

/// A version of cgroups. A hybrid host has hierarchies of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// One hierarchy per controller (or per few): cgroups(7), "Cgroups version 1".
    V1,
    /// The unified hierarchy: the kernel's `admin-guide/cgroup-v2`.
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The controllers that these limits need.
    pub fn controllers(&self) -> Vec<Controller> {
        [
            self.memory.map(|_| Controller::Memory),
            self.processes.map(|_| Controller::Pids),
            self.cpus.map(|_| Controller::Cpu),
            self.io_weight.map(|_| Controller::Io),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Checks the figures; touches nothing.
    ///
    /// # Errors
    /// [`LimitError`] for a limit of zero and for one outside of what the kernel takes.
    pub fn validate(&self) -> Result<(), LimitError> {
        let within = |limit, value: Option<u64>, least: u64, most: u64| match value {
            Some(0) => Err(LimitError::Zero { limit }),
            Some(value) if value < least => Err(LimitError::TooSmall {
                limit,
                value,
                least,
            }),
            Some(value) if value > most => Err(LimitError::TooLarge { limit, value, most }),
            _ => Ok(()),
        };
        // The files take signed 64-bit numbers on v1.
        within("memory", self.memory, LEAST_MEMORY, i64::MAX as u64)?;
        within("processes", self.processes, 1, MOST_PROCESSES)?;
        // tg_set_cfs_bandwidth(): 1 ms at least, and a period of 1 s at most.
        let quota = self.cpus.map(|cpus| cpus.quota_us);
        let period = self.cpus.map(|cpus| cpus.period_us);
        within("cpu quota (µs)", quota, 1_000, 1 << 40)?;
        within("cpu period (µs)", period, 1_000, 1_000_000)?;
        within("io weight", self.io_weight.map(u64::from), 1, 10_000)
    }
}

/// The weight for bfq, 1 to 1000 with the same default of 100: equal up to 100, then linear.
pub(crate) fn bfq_weight(weight: u16) -> u64 {
    let weight = u64::from(weight);
    if weight <= 100 {
        weight
    } else {
        100 + (weight - 100) * 900 / 9_900
    }
}

/// The weight for v1's `blkio.weight` (CFQ, until Linux 5.0): 10 to 1000, default 500.
pub(crate) fn cfq_weight(weight: u16) -> u64 {
    (u64::from(weight) * 5).clamp(10, 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absurd_limits_are_refused_by_name() {
        let refused = |limits: Limits| limits.validate().unwrap_err().to_string();
        let none = Limits::default();
        assert!(none.validate().is_ok());
        assert_eq!(
            refused(Limits {
                memory: Some(0),
                ..none
            }),
            "the memory limit is zero: nothing could run; leave it out for no limit"
        );
        for limits in [
            Limits {
                processes: Some(0),
                ..none
            },
            Limits {
                io_weight: Some(0),
                ..none
            },
            Limits {
                cpus: Some(CpuQuota::cpus(0.0)),
                ..none
            },
            Limits {
                cpus: Some(CpuQuota::cpus(-1.0)),
                ..none
            },
            Limits {
                cpus: Some(CpuQuota::cpus(f64::NAN)),
                ..none
            },
            Limits {
                cpus: Some(CpuQuota {
                    quota_us: 1_000,
                    period_us: 0,
                }),
                ..none
            },
        ] {
            assert!(
                matches!(limits.validate(), Err(LimitError::Zero { .. })),
                "{limits:?}"
            );
        }
        for limits in [
            Limits {
                memory: Some(4096),
                ..none
            },
            Limits {
                cpus: Some(CpuQuota {
                    quota_us: 10,
                    period_us: 100_000,
                }),
                ..none
            },
        ] {
            assert!(
                matches!(limits.validate(), Err(LimitError::TooSmall { .. })),
                "{limits:?}"
            );
        }
        for limits in [
            Limits {
                memory: Some(u64::MAX),
                ..none
            },
            Limits {
                processes: Some(5_000_000),
                ..none
            },
            Limits {
                io_weight: Some(10_001),
                ..none
            },
            Limits {
                cpus: Some(CpuQuota::cpus(f64::INFINITY)),
                ..none
            },
        ] {
            assert!(
                matches!(limits.validate(), Err(LimitError::TooLarge { .. })),
                "{limits:?}"
            );
        }
    }

    #[test]
    fn weights_keep_their_default_and_their_ends() {
        assert_eq!([1, 100, 10_000].map(bfq_weight), [1, 100, 1_000]);
        assert_eq!([1, 100, 10_000].map(cfq_weight), [10, 500, 1_000]);
        assert_eq!(CpuQuota::cpus(1.5).quota_us, 150_000);
    }
}
