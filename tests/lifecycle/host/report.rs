//! Evidence about a process, from /proc, and what a host lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Says what this host lacks; a failure where everything is expected of it.
pub fn lacks(what: &str) {
    println!("this host lacks: {what}");
    let expected = std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(
        !expected,
        "COFFERDAM_EXPECT=full, and this host lacks {what}"
    );
}

/// Whether the caller is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Waits for a condition; false when it does not come within the time.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A number that is sleepable, and in no other command line of this machine.
pub fn marker() -> String {
    format!(
        "8{:07}.{:06}",
        std::process::id(),
        std::process::id() % 999_983
    )
}

/// The processes of the host whose command line holds the text, but for the asking one.
pub fn processes_with(text: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").expect("/proc");
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            *pid != std::process::id() as i32
                && line.windows(text.len()).any(|part| part == text.as_bytes())
        })
        .collect()
}

/// The calling process's children, by thread.
pub fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").expect("threads");
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// The numbers of the open descriptors and what they lead to.
pub fn descriptors() -> BTreeMap<i32, String> {
    let numbers: Vec<i32> = fs::read_dir("/proc/self/fd")
        .expect("descriptors")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // The one that the listing itself used is closed by now.
    let name = |number: &i32| fs::read_link(format!("/proc/self/fd/{number}")).ok();
    numbers
        .iter()
        .filter_map(|number| Some((*number, name(number)?.display().to_string())))
        .collect()
}

/// Control groups of a host process's sandboxes, anywhere; they carry its number.
pub fn groups(host: u32) -> BTreeSet<String> {
    fn walk(directory: &Path, depth: usize, found: &mut BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for entry in entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()))
        {
            let path = entry.path();
            if path.to_string_lossy().contains("cofferdam") {
                found.insert(path.display().to_string());
            }
            if depth > 0 {
                walk(&path, depth - 1, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), 8, &mut found);
    let own = format!("/cofferdam/{host}-");
    found.retain(|path| path.contains(&own));
    found
}

/// Temporary directories of a host process's sandboxes; they carry its number.
pub fn temporary(host: u32) -> BTreeSet<String> {
    let directory = std::env::temp_dir();
    let all = fs::read_dir(directory).into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&format!("cofferdam-private-{host}-")))
        .collect()
}

/// Everything about the calling process that a spawn could change, a line each.
pub fn state() -> BTreeMap<String, String> {
    // With its first thread, libc takes a handler for a signal of its own.
    std::thread::spawn(|| ()).join().expect("a thread");
    // A thread that was joined is still listed for a moment.
    let threads = || fs::read_dir("/proc/self/task").expect("threads").count();
    within(Duration::from_secs(1), || threads() == 1);
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: String| all.insert(name.to_owned(), value);
    for line in fs::read_to_string("/proc/self/status")
        .expect("status")
        .lines()
    {
        let (name, value) = line.split_once(':').expect("a name");
        let changing =
            name.starts_with("Vm") || name.starts_with("Rss") || name.ends_with("ctxt_switches");
        if !changing && !["State", "HugetlbPages", "SigQ", "FDSize"].contains(&name) {
            put(name, value.trim().to_owned());
        }
    }
    for file in [
        "limits",
        "mountinfo",
        "cgroup",
        "uid_map",
        "gid_map",
        "oom_score_adj",
        "timerslack_ns",
        "personality",
        "environ",
        "loginuid",
        "attr/current",
    ] {
        let text = fs::read(format!("/proc/self/{file}")).unwrap_or_default();
        put(file, String::from_utf8_lossy(&text).into_owned());
    }
    for link in [
        "cwd",
        "root",
        "exe",
        "ns/user",
        "ns/mnt",
        "ns/pid",
        "ns/pid_for_children",
        "ns/net",
        "ns/ipc",
        "ns/uts",
        "ns/cgroup",
        "ns/time",
        "ns/time_for_children",
    ] {
        let target = fs::read_link(format!("/proc/self/{link}")).unwrap_or_default();
        put(link, target.display().to_string());
    }
    put(
        "variables",
        format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
    );
    put(
        "hostname",
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default(),
    );
    // SAFETY: none of these calls touches memory: numbers go in and out.
    let (dumpable, keepcaps, session, keyrings) = unsafe {
        (
            libc::prctl(libc::PR_GET_DUMPABLE),
            libc::prctl(libc::PR_GET_KEEPCAPS),
            (libc::getsid(0), libc::getpgid(0)),
            // KEYCTL_GET_KEYRING_ID of the thread's, process's and session's keyrings, not created.
            [-1, -2, -3].map(|ring: i32| libc::syscall(libc::SYS_keyctl, 0, ring, 0)),
        )
    };
    put("dumpable", dumpable.to_string());
    put("keepcaps", keepcaps.to_string());
    put("session", format!("{session:?}"));
    put("keyrings", format!("{keyrings:?}"));
    // SAFETY: PR_GET_SECUREBITS touches no memory.
    put(
        "securebits",
        unsafe { libc::prctl(libc::PR_GET_SECUREBITS) }.to_string(),
    );
    let mut actions = String::new();
    for signal in 1..=64 {
        // SAFETY: all zeroes is a valid sigaction.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: sigaction(2) writes one sigaction and reads none.
        if unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0 {
            actions.push_str(&format!(
                "{signal}:{:x}:{:x} ",
                action.sa_sigaction, action.sa_flags
            ));
        }
    }
    put("actions", actions);
    all
}

/// Fails with the lines that differ.
pub fn assert_unchanged(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            format!(
                "{name}: {:?} became {:?}",
                before.get(name),
                after.get(name)
            )
        })
        .collect();
    assert!(
        changed.is_empty(),
        "the host was changed:\n{}",
        changed.join("\n")
    );
}
