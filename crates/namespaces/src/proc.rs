//! What is covered and what is made read-only in /proc and /sys.

use crate::view::{Bind, Kind, Rule};
use std::ffi::CString;
use std::path::Path;

/// Tell of the host's hardware, load, keys or addresses, or act on it.
const MASKED: [&str; 15] = [
    "acpi",
    "asound",
    "driver",
    "interrupts",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "scsi",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];

/// Settings of the kernel. Most can be written by the host's root alone, which the child is not;
/// those of its own namespaces could be written by an id 0 in them.
const READ_ONLY: [&str; 4] = ["bus", "fs", "irq", "sys"];

/// Hidden in /sys. The last four are file systems mounted there.
const SYS_MASKED: [&str; 6] = [
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/sys/fs/cgroup",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
];

/// The same within a new sysfs, where nothing is mounted.
const NEW_SYS_MASKED: [&str; 2] = ["firmware", "devices/virtual/powercap"];

/// Something inside a new proc or sysfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub name: CString,
    pub directory: bool,
}

/// What there is to mask, and to make read-only, in a new proc on this kernel.
pub(crate) fn proc_contents() -> (Vec<Inner>, Vec<Inner>) {
    let root = Path::new("/proc");
    (existing(root, &MASKED), existing(root, &READ_ONLY))
}

/// What there is to mask in a new sysfs on this kernel.
pub(crate) fn sysfs_contents() -> Vec<Inner> {
    existing(Path::new("/sys"), &NEW_SYS_MASKED)
}

pub(crate) fn sys_rules() -> Vec<Rule> {
    let mut rules = vec![Rule {
        target: "/sys".into(),
        kind: Kind::Bind {
            source: "/sys".into(),
            bind: Bind {
                exec: false,
                ..Bind::READ_ONLY
            },
        },
    }];
    rules.extend(SYS_MASKED.map(|path| Rule {
        target: path.into(),
        kind: Kind::Hide { optional: true },
    }));
    rules
}

fn existing(root: &Path, names: &[&str]) -> Vec<Inner> {
    let inner = |name: &&str| {
        let meta = root.join(name).symlink_metadata().ok()?;
        Some(Inner {
            name: CString::new(*name).ok()?,
            directory: meta.is_dir(),
        })
    };
    names.iter().filter_map(inner).collect()
}
