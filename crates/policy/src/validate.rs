//! The check that a policy makes sense by itself, without a look at the host.

mod files;
mod network;
mod secrets;

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::error::PolicyError;
use crate::units::{Bytes, Cpus, format_duration};
use crate::{
    Enforce, Environment, Identity, Layer, Layers, Limits, Network, NetworkMode, Policy,
    SyscallProfile,
};

/// `PATH_MAX` without the terminating NUL (`linux/limits.h`).
const PATH_MAX: usize = 4095;

impl Policy {
    /// Checks the policy and reports the first defect.
    ///
    /// It is pure: whether the paths exist and the host can do what is asked is found out when a
    /// sandbox is built. Takes time in proportion to the length of the rules.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] has one variant per defect; its text says what to change.
    pub fn validate(&self) -> Result<(), PolicyError> {
        files::check(&self.filesystem)?;
        network::check(&self.network)?;
        secrets::check(self)?;
        check_environment(&self.environment)?;
        check_limits(&self.limits)?;
        check_layers(&self.layers, &self.limits, &self.network)?;
        check_profile(&self.syscalls.profile)?;
        check_identity(&self.identity)
    }
}

fn check_path(what: &'static str, path: &Path) -> Result<(), PolicyError> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(PolicyError::EmptyPath { what });
    }
    if bytes.contains(&0) {
        let path = path.into();
        return Err(PolicyError::NulInPath { what, path });
    }
    if bytes.len() > PATH_MAX {
        return Err(PolicyError::PathTooLong {
            what,
            start: PathBuf::from(std::ffi::OsStr::from_bytes(&bytes[..64])),
            length: bytes.len(),
            max: PATH_MAX,
        });
    }
    if !path.is_absolute() {
        let path = path.into();
        return Err(PolicyError::RelativePath { what, path });
    }
    // The scan for a dot comes first, since it is much faster than taking a long path apart.
    if bytes.contains(&b'.') && path.components().any(|part| part == Component::ParentDir) {
        let path = path.into();
        return Err(PolicyError::ParentComponent { what, path });
    }
    Ok(())
}

fn check_environment(environment: &Environment) -> Result<(), PolicyError> {
    let names = environment.inherit.iter().chain(environment.set.keys());
    for name in names {
        if name.is_empty() {
            return Err(PolicyError::EmptyVariable);
        }
        if name.contains('=') {
            return Err(PolicyError::EqualsInVariable { name: name.clone() });
        }
        let value = environment.set.get(name);
        if name.contains('\0') || value.is_some_and(|value| value.contains('\0')) {
            return Err(PolicyError::NulInVariable { name: name.clone() });
        }
    }
    match environment.inherit.iter().find(|name| name.contains('*')) {
        Some(name) => Err(PolicyError::VariablePattern { name: name.clone() }),
        None => Ok(()),
    }
}

fn check_limits(limits: &Limits) -> Result<(), PolicyError> {
    if let Some(memory) = limits.memory {
        check_size("limits.memory", memory)?;
        // Less than this and the kernel ends the program before its first instruction.
        let least = Bytes::mib(1);
        if memory < least {
            return Err(PolicyError::LimitTooSmall {
                limit: "limits.memory",
                given: memory.to_string(),
                min: least.to_string(),
            });
        }
    }
    // The kernel's ceiling on process ids, PID_MAX_LIMIT, is 2^22 (`proc_sys_kernel(5)`).
    let processes = limits.processes.map(u64::from);
    check_count("limits.processes", processes, 1 << 22)?;
    if let Some(cpus) = limits.cpus
        && !(cpus.milli().is_some_and(|milli| milli > 0) && cpus <= Cpus::MAX)
    {
        return Err(PolicyError::Cpus {
            given: cpus.to_string(),
        });
    }
    if let Some(given) = limits.io_weight
        && !(1..=10_000).contains(&given)
    {
        return Err(PolicyError::IoWeight { given });
    }
    // The kernel's own ceiling on fs.nr_open, above which even root's setrlimit fails.
    check_count("limits.open_files", limits.open_files, 2_147_483_584)?;
    for (limit, size) in [
        ("limits.file_size", limits.file_size),
        ("limits.stack", limits.stack),
    ] {
        if let Some(size) = size {
            check_size(limit, size)?;
        }
    }
    if limits.core != Bytes::ZERO {
        check_size("limits.core", limits.core)?;
    }
    check_time("limits.wall_clock", limits.wall_clock)?;
    check_time("limits.cpu_time", limits.cpu_time)?;
    match limits.cpu_time {
        Some(time) if time.subsec_nanos() != 0 => Err(PolicyError::CpuTimeFraction {
            given: format_duration(time),
        }),
        _ => Ok(()),
    }
}

fn check_size(limit: &'static str, size: Bytes) -> Result<(), PolicyError> {
    // File offsets are signed 64-bit numbers in the kernel.
    let max = Bytes::new(i64::MAX as u64);
    if size == Bytes::ZERO {
        return Err(PolicyError::ZeroLimit { limit });
    }
    if size > max {
        return Err(PolicyError::LimitTooLarge {
            limit,
            given: size.to_string(),
            max: max.to_string(),
        });
    }
    Ok(())
}

fn check_count(limit: &'static str, count: Option<u64>, max: u64) -> Result<(), PolicyError> {
    match count {
        Some(0) => Err(PolicyError::ZeroLimit { limit }),
        Some(count) if count > max => Err(PolicyError::LimitTooLarge {
            limit,
            given: count.to_string(),
            max: max.to_string(),
        }),
        _ => Ok(()),
    }
}

fn check_time(limit: &'static str, time: Option<Duration>) -> Result<(), PolicyError> {
    // The kernel's timers count signed 64-bit nanoseconds (`ktime_t`), about 292 years.
    let max = Duration::from_nanos(i64::MAX as u64);
    match time {
        Some(Duration::ZERO) => Err(PolicyError::ZeroLimit { limit }),
        Some(time) if time > max => Err(PolicyError::LimitTooLarge {
            limit,
            given: format_duration(time),
            max: format_duration(max),
        }),
        _ => Ok(()),
    }
}

/// A limit whose layer is off would never be held, and nothing would say so.
fn check_layers(layers: &Layers, limits: &Limits, network: &Network) -> Result<(), PolicyError> {
    let held = [
        ("limits.memory", limits.memory.is_some(), Layer::Cgroup),
        (
            "limits.processes",
            limits.processes.is_some(),
            Layer::Cgroup,
        ),
        ("limits.cpus", limits.cpus.is_some(), Layer::Cgroup),
        (
            "limits.io_weight",
            limits.io_weight.is_some(),
            Layer::Cgroup,
        ),
        (
            "network.connect",
            network.connect.is_some(),
            Layer::Landlock,
        ),
        ("network.bind", network.bind.is_some(), Layer::Landlock),
        (
            "network.mode `rules`",
            network.mode == NetworkMode::Rules,
            Layer::Network,
        ),
    ];
    for (what, used, layer) in held {
        if used && layers.get(layer) == Enforce::Off {
            return Err(PolicyError::NeedsLayer { what, layer });
        }
    }
    Ok(())
}

fn check_profile(profile: &SyscallProfile) -> Result<(), PolicyError> {
    let parts = profile.parts();
    if parts.is_empty() {
        return Err(PolicyError::EmptyProfile);
    }
    for part in parts {
        if let SyscallProfile::Oci(path) = part {
            check_path("syscalls.profile", path)?;
        }
    }
    Ok(())
}

fn check_identity(identity: &Identity) -> Result<(), PolicyError> {
    if let Some(range) = identity.range {
        if range.count == 0 {
            return Err(PolicyError::EmptyRange);
        }
        // From systemd's `docs/UIDS-GIDS.md`, "Special Linux UIDs".
        let reserved = [
            (0, "which is root"),
            (65534, "which is nobody, the id of what has no other"),
            (65535, "which old interfaces read as no id"),
            (u32::MAX, "which the kernel reads as no id"),
        ];
        for (id, why) in reserved {
            if range.contains(id) {
                return Err(PolicyError::ReservedId { id, why });
            }
        }
        if range.last().is_none() {
            return Err(PolicyError::RangeOverflow {
                start: range.start,
                count: range.count,
            });
        }
    }
    match identity.inside {
        Some((u32::MAX, _) | (_, u32::MAX)) => Err(PolicyError::InvalidInside),
        _ => Ok(()),
    }
}
