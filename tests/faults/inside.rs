//! The program inside: it leaves its mark, says which walls it finds around itself, and changes files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

/// How many lines a file has: more than any one write(2) of a copy takes.
pub const LINES: usize = 4096;

/// The names in the tree that programs change, when all of it is there.
pub const NAMES: usize = 12;

/// What a file holds in a version of the tree.
pub fn content(number: usize, version: u32) -> Vec<u8> {
    let line = format!("{number:04} {version:010}\n");
    line.repeat(LINES).into_bytes()
}

pub fn name(number: usize) -> String {
    format!("f{number:02}")
}

/// Says what it finds, writes the next version of the tree, and ends when standard input does.
///
/// `host` are the namespaces of the host, as [`namespaces`] gives them; `version` is that of the tree.
pub fn main(arguments: &[String]) {
    let [host, version] = arguments else {
        panic!("what the host is in, and a version");
    };
    let mut out = std::io::stdout();
    let mut say = |line: &str| {
        // A host that is gone reads nothing.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    walls(host).iter().for_each(|line| say(line));
    let version: u32 = version.parse().expect("a number");
    if version > 0 {
        for number in 0..NAMES {
            fs::write(name(number), content(number, version)).expect("a file of the workspace");
        }
    }
    say("done");
    let _ = std::io::stdin().read(&mut [0; 1]);
}

/// The namespaces of the calling process, as words.
pub fn namespaces() -> String {
    let kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];
    let all = kinds.map(|kind| {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
        link.display().to_string()
    });
    all.join(",")
}

/// All that can be seen of the walls from inside, a line each; it is the same in each sandbox of one policy.
fn walls(host: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let own = namespaces();
    let shared = own.split(',').zip(host.split(','));
    let shared: Vec<_> = shared.filter(|(own, host)| own == host).collect();
    lines.push(format!("namespaces shared with the host: {shared:?}"));
    for line in fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
    {
        let known = [
            "Uid",
            "Gid",
            "Groups",
            "NoNewPrivs",
            "Seccomp",
            "Cap",
            "SigBlk",
            "SigIgn",
            "NSpid",
            "NSsid",
            "Pid",
            "PPid",
            "Umask",
        ];
        if known.iter().any(|name| line.starts_with(name)) {
            lines.push(line.replace('\t', " "));
        }
    }
    for line in fs::read_to_string("/proc/self/limits")
        .unwrap_or_default()
        .lines()
    {
        lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts: BTreeSet<String> = mounts.lines().map(mount).collect();
    lines.extend(mounts);
    lines.push(format!("root {:?}", names(Path::new("/"))));
    lines.push(format!("dev {:?}", names(Path::new("/dev"))));
    // The listing has one of its own.
    let list = names(Path::new("/proc/self/fd"));
    lines.push(format!("descriptors {list:?}"));
    for path in ["/proc/1/mem", "/proc/1/maps", "/proc/1/environ"] {
        let read = fs::File::open(path).and_then(|mut file| file.read(&mut [0; 1]));
        lines.push(format!(
            "{path} {:?}",
            read.map_err(|error| error.raw_os_error())
        ));
    }
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    lines.push(format!("hostname {}", hostname.trim()));
    lines.push(format!("booted just now: {}", uptime() < 300));
    lines.push(format!("landlock rulesets {}", rulesets()));
    lines.push(format!("variables {:?}", {
        let names = std::env::vars_os().map(|(name, _)| name);
        names.collect::<BTreeSet<_>>()
    }));
    // SAFETY: getsid(2), getpid(2) and prctl(2) with this option touch no memory.
    let (leads, dumpable) = unsafe {
        (
            libc::getsid(0) == libc::getpid(),
            libc::prctl(libc::PR_GET_DUMPABLE),
        )
    };
    lines.push(format!("leads its session: {leads}, dumpable: {dumpable}"));
    lines
}

/// Where, which kind and how; without numbers and names that differ from sandbox to sandbox.
fn mount(line: &str) -> String {
    let (before, after) = line.split_once(" - ").unwrap_or((line, ""));
    let place: Vec<_> = before.split(' ').skip(4).take(2).collect();
    let kind = after.split(' ').next().unwrap_or("");
    // Through which ids files are seen decides what can be done with them, and is no wall.
    format!("mount {} {kind}", place.join(" ").replace(",idmapped", ""))
}

fn names(directory: &Path) -> BTreeSet<String> {
    let all = fs::read_dir(directory).into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Seconds since the boot, as this time namespace has it.
fn uptime() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    now.tv_sec
}

/// How many rulesets hold: of the sixteen that the kernel stacks at most (landlock_restrict_self(2)), those that
/// cannot be added any more. The answer where there is no Landlock is 16.
fn rulesets() -> usize {
    const MOST: usize = 16;
    // All rights to files of the first ABI, in a structure of 8 bytes.
    let handled = 0x1fff_u64;
    // SAFETY: landlock_create_ruleset(2) reads 8 bytes; prctl(2) touches no memory.
    let ruleset = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const handled,
            size_of::<u64>(),
            0,
        )
    };
    if ruleset < 0 {
        return MOST;
    }
    // On a thread of its own, which alone loses its rights.
    let count = std::thread::spawn(move || {
        // SAFETY: landlock_restrict_self(2) touches no memory.
        (0..MOST)
            .take_while(
                |_| unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) } == 0,
            )
            .count()
    });
    let count = count.join().unwrap_or(0);
    // SAFETY: it was made above, and nobody else has it.
    drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(ruleset as i32) });
    MOST - count
}
