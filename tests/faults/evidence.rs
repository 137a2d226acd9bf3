//! What a host has, before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the calling process has, and what it can see of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    descriptors: Vec<(i32, String)>,
    threads: Vec<String>,
    children: Vec<String>,
    mounts: BTreeSet<String>,
    groups: BTreeSet<String>,
    files: BTreeSet<String>,
    /// The signals that it blocks, whether it can be dumped, its ids.
    status: Vec<String>,
    dumpable: i32,
}

impl Evidence {
    /// `places` are the directories in which a sandbox of this process makes something.
    pub fn take(places: &[&Path]) -> Self {
        let mut files = BTreeSet::new();
        places.iter().for_each(|place| list(place, &mut files));
        let status = fs::read_to_string("/proc/self/status").expect("status");
        let known = [
            "SigBlk",
            "SigIgn",
            "SigCgt",
            "Uid",
            "Gid",
            "Groups",
            "Cap",
            "NoNewPrivs",
            "Seccomp",
            "Umask",
        ];
        let status = status
            .lines()
            .filter(|line| known.iter().any(|name| line.starts_with(name)));
        Self {
            descriptors: descriptors(),
            threads: threads(),
            children: children(),
            mounts: mounts(),
            groups: groups(std::process::id()),
            files,
            status: status.map(str::to_owned).collect(),
            // SAFETY: PR_GET_DUMPABLE touches no memory.
            dumpable: unsafe { libc::prctl(libc::PR_GET_DUMPABLE) },
        }
    }

    /// What is there now and was not before, in words. `kept` says of a descriptor whether the library keeps it for
    /// good.
    pub fn news(&self, now: &Self, kept: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut news = Vec::new();
        let mut differs = |what: &str, before: String, after: String| {
            if before != after {
                news.push(format!("{what}: {before} became {after}"));
            }
        };
        let (before, after) = (&self.descriptors, &now.descriptors);
        let gone: Vec<_> = before.iter().filter(|fd| !after.contains(fd)).collect();
        let new: Vec<_> = after.iter().filter(|fd| !before.contains(fd)).collect();
        let new: Vec<_> = new.into_iter().filter(|(_, name)| !kept(name)).collect();
        differs("descriptors", format!("{gone:?}"), format!("{new:?}"));
        differs("threads", text(&self.threads), text(&now.threads));
        differs("children", text(&self.children), text(&now.children));
        let new: Vec<_> = now.mounts.difference(&self.mounts).collect();
        differs(MOUNTS, "[]".into(), text(&new));
        // One that all sandboxes of a process share goes with the last of them, and comes with the next.
        let new: Vec<_> = now.groups.difference(&self.groups).collect();
        differs("control groups", "[]".into(), text(&new));
        differs("files", text(&self.files), text(&now.files));
        differs("status", text(&self.status), text(&now.status));
        differs("dumpable", text(&self.dumpable), text(&now.dumpable));
        news
    }

    /// Waits until there are none; what there still is after some seconds, and whether it took waiting.
    pub fn left(&self, places: &[&Path], kept: &dyn Fn(&str) -> bool) -> (Vec<String>, bool) {
        let start = Instant::now();
        let mut waited = false;
        loop {
            let news = self.news(&Self::take(places), kept);
            let limit = match news.iter().all(|what| what.starts_with(MOUNTS)) {
                true => OTHERS,
                false => Duration::from_secs(3),
            };
            if news.is_empty() || start.elapsed() >= limit {
                return (news, waited);
            }
            waited = true;
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

const MOUNTS: &str = "mounts";

/// How long mounts are waited for, as other programs of the machine may make some for a moment.
pub const OTHERS: Duration = Duration::from_secs(60);

/// The mounts that this process sees.
pub fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    text.lines().map(str::to_owned).collect()
}

fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn descriptors() -> Vec<(i32, String)> {
    let numbers = fs::read_dir("/proc/self/fd").expect("descriptors");
    let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.collect();
    // That of the listing is closed by now.
    let name = |number: &i32| fs::read_link(format!("/proc/self/fd/{number}")).ok();
    let mut all: Vec<_> = numbers
        .iter()
        .filter_map(|number| Some((*number, name(number)?.display().to_string())))
        .collect();
    all.sort();
    all
}

fn threads() -> Vec<String> {
    let all = fs::read_dir("/proc/self/task").expect("threads");
    let names = all.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let mut names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
    names.sort();
    names
}

fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").expect("threads");
    let all =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    all.filter(|text| !text.trim().is_empty()).collect()
}

/// Control groups of a host process's sandboxes, anywhere; they carry its number.
pub fn groups(host: u32) -> BTreeSet<String> {
    fn walk(directory: &Path, depth: usize, own: &str, found: &mut BTreeSet<String>) {
        let all = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in all.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let path = entry.path();
            if path.to_string_lossy().contains(own) {
                found.insert(path.display().to_string());
            }
            if depth > 0 {
                walk(&path, depth - 1, own, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    let own = format!("/cofferdam/{host}-");
    walk(Path::new("/sys/fs/cgroup"), 6, &own, &mut found);
    found
}

/// All names below a directory.
pub fn list(directory: &Path, found: &mut BTreeSet<String>) {
    let all = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in all {
        let path = entry.path();
        found.insert(path.display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&path, found);
        }
    }
}
