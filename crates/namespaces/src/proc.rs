//! What is covered and what is made read-only in /proc and /sys.

use crate::view::{Bind, Kind, Rule};
use std::ffi::CString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Tell of the host's hardware, load, keys or addresses, or act on it. What only root may open is
/// left as it is for other callers: none of the ids they can map is root's on the host.
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
    let caller_is_root = cofferdam_sys::cred::geteuid() == 0;
    let mut masked = existing(root, &MASKED);
    masked.retain(|(_, meta)| caller_is_root || meta.uid() != 0 || meta.mode() & 0o077 != 0);
    let inner = |found: Vec<(Inner, Metadata)>| found.into_iter().map(|(inner, _)| inner).collect();
    (inner(masked), inner(existing(root, &READ_ONLY)))
}

/// What there is to mask in a new sysfs on this kernel.
pub(crate) fn sysfs_contents() -> Vec<Inner> {
    existing(Path::new("/sys"), &NEW_SYS_MASKED)
        .into_iter()
        .map(|(inner, _)| inner)
        .collect()
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

fn existing(root: &Path, names: &[&str]) -> Vec<(Inner, Metadata)> {
    let inner = |name: &&str| {
        let meta = root.join(name).symlink_metadata().ok()?;
        let inner = Inner {
            name: CString::new(*name).ok()?,
            directory: meta.is_dir(),
        };
        Some((inner, meta))
    };
    names.iter().filter_map(inner).collect()
}
