//! What a program may use up.

use std::time::Duration;

use crate::units::{Bytes, Cpus};

/// The limits; `None` is unlimited. By default there is no limit but `core`, which is zero.
///
/// `memory`, `processes`, `cpus` and `io_weight` hold the sandbox as a whole through its control
/// group; `open_files`, `file_size`, `core`, `stack` and `cpu_time` hold each process
/// (`setrlimit(2)`); `wall_clock` holds each command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// Memory with its page cache, tmpfs files and kernel memory; swap is not used on top.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub memory: Option<Bytes>,
    /// Processes and threads at one time.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4_194_304)))]
    pub processes: Option<u32>,
    /// Processors' worth of time.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cpus: Option<Cpus>,
    /// The share of disk time against other groups, 1 to 10000. The kernel's own value, 100, is
    /// what a group without one has.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10000)))]
    pub io_weight: Option<u16>,
    /// Time from start to kill of one command.
    #[cfg_attr(
        feature = "serde",
        serde(
            skip_serializing_if = "Option::is_none",
            with = "crate::text::duration"
        )
    )]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::DurationText>")
    )]
    pub wall_clock: Option<Duration>,
    /// One above the highest file descriptor of a process (`RLIMIT_NOFILE`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub open_files: Option<u64>,
    /// The largest file a process may make (`RLIMIT_FSIZE`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub file_size: Option<Bytes>,
    /// The largest core dump (`RLIMIT_CORE`). Zero, the default, is none: a dump may hand the
    /// program's memory to a handler on the host (`core(5)`).
    pub core: Bytes,
    /// The largest stack of a process's first thread (`RLIMIT_STACK`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stack: Option<Bytes>,
    /// Processor time of one process, in whole seconds (`RLIMIT_CPU`).
    #[cfg_attr(
        feature = "serde",
        serde(
            skip_serializing_if = "Option::is_none",
            with = "crate::text::duration"
        )
    )]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::DurationText>")
    )]
    pub cpu_time: Option<Duration>,
}

impl Limits {
    /// The weight that the kernel gives a group by itself (`io.weight`, kernel cgroup v2
    /// documentation).
    pub const DEFAULT_IO_WEIGHT: u16 = 100;

    /// Memory of the whole sandbox.
    #[must_use]
    pub const fn memory(mut self, size: Bytes) -> Self {
        self.memory = Some(size);
        self
    }

    /// Memory of the whole sandbox, in MiB.
    #[must_use]
    pub const fn memory_mib(self, mib: u64) -> Self {
        self.memory(Bytes::mib(mib))
    }

    /// Processes and threads at one time.
    #[must_use]
    pub const fn processes(mut self, count: u32) -> Self {
        self.processes = Some(count);
        self
    }

    /// Processors' worth of time, kept to the thousandth. A number that is no such count (negative,
    /// NaN) is kept for [`Policy::validate`] to report.
    ///
    /// [`Policy::validate`]: crate::Policy::validate
    #[must_use]
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.cpus = Some(Cpus::from_f64(cpus));
        self
    }

    /// The share of disk time, 1 to 10000.
    #[must_use]
    pub const fn io_weight(mut self, weight: u16) -> Self {
        self.io_weight = Some(weight);
        self
    }

    /// Time from start to kill of one command.
    #[must_use]
    pub const fn wall_clock(mut self, time: Duration) -> Self {
        self.wall_clock = Some(time);
        self
    }

    /// One above the highest file descriptor of a process.
    #[must_use]
    pub const fn open_files(mut self, count: u64) -> Self {
        self.open_files = Some(count);
        self
    }

    /// The largest file a process may make.
    #[must_use]
    pub const fn file_size(mut self, size: Bytes) -> Self {
        self.file_size = Some(size);
        self
    }

    /// The largest core dump.
    #[must_use]
    pub const fn core(mut self, size: Bytes) -> Self {
        self.core = size;
        self
    }

    /// The largest stack of a process's first thread.
    #[must_use]
    pub const fn stack(mut self, size: Bytes) -> Self {
        self.stack = Some(size);
        self
    }

    /// Processor time of one process, in whole seconds.
    #[must_use]
    pub const fn cpu_time(mut self, time: Duration) -> Self {
        self.cpu_time = Some(time);
        self
    }
}
