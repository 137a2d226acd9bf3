//! The figures of a group.

use crate::files;
use std::path::Path;
use std::time::Duration;

/// What a group used up to now. Each is `None` where the host does not offer it, or where its
/// controller is not in use for the group ([`Figures`](crate::Figures)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The most memory ever in use at once, in bytes, page cache included: `memory.peak`
    /// (Linux 5.19), `memory.max_usage_in_bytes` on v1.
    pub memory_peak: Option<u64>,
    /// Processor time of all processes, ended ones too.
    pub cpu_total: Option<Duration>,
    /// The part spent in user space.
    pub cpu_user: Option<Duration>,
    /// The part spent in the kernel.
    pub cpu_system: Option<Duration>,
    /// How long runnable tasks were held back by the quota.
    pub cpu_throttled: Option<Duration>,
    /// Tasks (processes and threads) now.
    pub tasks: Option<u64>,
    /// The most tasks ever at once: `pids.peak` (Linux 6.1).
    pub tasks_peak: Option<u64>,
    /// How often a fork was refused by the limit of tasks: `max` in `pids.events`.
    pub forks_refused: Option<u64>,
    /// How many processes the kernel ended because memory ran out in the group: `oom_kill` in
    /// `memory.events`, or in `memory.oom_control` (Linux 4.13) on v1.
    pub oom_kills: Option<u64>,
}

impl Stats {
    pub(crate) fn read(v2: Option<&Path>, v1: &[&Path]) -> Self {
        let mut stats = Self::default();
        for directory in v2.iter().chain(v1) {
            stats.add(directory);
        }
        stats
    }

    /// Takes from a directory what it has and is not known yet. No name means different things on
    /// v1 and v2 but `cpu.stat`, and there the keys differ.
    fn add(&mut self, directory: &Path) {
        let text = |file: &str| files::read(&directory.join(file)).ok();
        let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
        let key = |file: &str, key: &str| files::keyed(&text(file)?, key);

        let or = |known: &mut Option<u64>, found: &dyn Fn() -> Option<u64>| {
            *known = known.or_else(found);
        };
        or(&mut self.memory_peak, &|| {
            number("memory.peak").or_else(|| number("memory.max_usage_in_bytes"))
        });
        or(&mut self.oom_kills, &|| {
            key("memory.events", "oom_kill").or_else(|| key("memory.oom_control", "oom_kill"))
        });
        or(&mut self.tasks, &|| number("pids.current"));
        or(&mut self.tasks_peak, &|| number("pids.peak"));
        or(&mut self.forks_refused, &|| key("pids.events", "max"));

        let cpu = text("cpu.stat").unwrap_or_default();
        let micros = |name| files::keyed(&cpu, name).map(Duration::from_micros);
        let nanos = |file| number(file).map(Duration::from_nanos);
        let time = |known: &mut Option<Duration>, found: &dyn Fn() -> Option<Duration>| {
            *known = known.or_else(found);
        };
        time(&mut self.cpu_total, &|| {
            micros("usage_usec").or_else(|| nanos("cpuacct.usage"))
        });
        time(&mut self.cpu_user, &|| {
            micros("user_usec").or_else(|| nanos("cpuacct.usage_user"))
        });
        time(&mut self.cpu_system, &|| {
            micros("system_usec").or_else(|| nanos("cpuacct.usage_sys"))
        });
        time(&mut self.cpu_throttled, &|| {
            let v1 = || files::keyed(&cpu, "throttled_time").map(Duration::from_nanos);
            micros("throttled_usec").or_else(v1)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_version_has_its_own_files() {
        let v2 = tempfile::tempdir().unwrap();
        let v1 = tempfile::tempdir().unwrap();
        let put = |dir: &tempfile::TempDir, file: &str, text: &str| {
            fs::write(dir.path().join(file), text).unwrap();
        };
        assert_eq!(Stats::read(Some(v2.path()), &[v1.path()]), Stats::default());
        put(
            &v2,
            "cpu.stat",
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\n",
        );
        put(
            &v1,
            "cpu.stat",
            "nr_periods 5\nnr_throttled 2\nthrottled_time 7000\n",
        );
        put(&v1, "memory.max_usage_in_bytes", "4096\n");
        put(
            &v1,
            "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        );
        put(&v1, "cpuacct.usage", "99\n");
        let stats = Stats::read(Some(v2.path()), &[v1.path()]);
        assert_eq!(stats.cpu_total, Some(Duration::from_micros(30)));
        assert_eq!(stats.cpu_throttled, Some(Duration::from_micros(7)));
        assert_eq!((stats.memory_peak, stats.oom_kills), (Some(4096), Some(3)));
        assert_eq!((stats.tasks, stats.tasks_peak), (None, None));
        let alone = Stats::read(None, &[v1.path()]);
        assert_eq!(alone.cpu_total, Some(Duration::from_nanos(99)));
        put(
            &v2,
            "memory.events",
            "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n",
        );
        put(&v2, "pids.events", "max 12\n");
        put(&v2, "memory.peak", "8192\n");
        let stats = Stats::read(Some(v2.path()), &[]);
        assert_eq!((stats.memory_peak, stats.oom_kills), (Some(8192), Some(1)));
        assert_eq!(stats.forks_refused, Some(12));
    }
}
