//! What a host process holds, and what of it was not there before.

use cofferdam_tests::evidence::{children, descriptors, groups, within};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

/// Bytes of the heap that may be kept for each program that was started.
const HEAP: usize = 64;

/// Bytes of resident memory for each: a leak of 1 KiB is more, and the allocator's own waste less.
const RESIDENT: usize = 512;

/// What both vary by however little happens: buffers of threads that come and go, pages of the allocator.
const NOISE: usize = 256 << 10;
const RESIDENT_NOISE: usize = 2 << 20;

/// Mappings vary with the allocator's arenas.
const MAPPINGS: usize = 32;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, with a count of the bytes in use.
pub struct Counting;

// SAFETY: every call is passed on as it is to an allocator that keeps the contract; the count is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What a host holds at one moment.
#[derive(Debug, Default)]
pub struct Inventory {
    descriptors: BTreeMap<i32, String>,
    threads: BTreeMap<String, usize>,
    /// Children, also zombies and orphans that were adopted, with what they run.
    processes: BTreeSet<String>,
    groups: BTreeSet<String>,
    mounts: BTreeSet<String>,
    /// Temporary files and state.
    files: BTreeSet<PathBuf>,
    mappings: usize,
    heap: usize,
    resident: usize,
}

impl Inventory {
    /// From now on, orphans become this process's children (`PR_SET_CHILD_SUBREAPER`).
    pub fn adopt_orphans() {
        // SAFETY: the option touches no memory.
        let answer = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
        assert_eq!(answer, 0);
    }

    /// What there is now.
    pub fn take(base: &Path) -> Self {
        // SAFETY: malloc_trim(3) gives free pages back and touches nothing that is in use.
        unsafe { libc::malloc_trim(0) };
        let mut files = BTreeSet::new();
        walk(base, &mut files);
        // Root's state lies where no variable leads.
        let uppers = cofferdam::state_directory("uppers").expect("a place");
        if !uppers.starts_with(base) {
            let own = format!("-{}-", std::process::id());
            walk(&uppers, &mut files);
            files.retain(|path| path.starts_with(base) || path.to_string_lossy().contains(&own));
        }
        let text = |file: &str| fs::read_to_string(file).expect("a file of /proc");
        let mounts = text("/proc/self/mountinfo");
        let seen =
            |line: &&str| line.contains("cofferdam") || line.contains(&*base.to_string_lossy());
        let status = text("/proc/self/status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Self {
            descriptors: descriptors(),
            threads: threads(),
            processes: children().into_iter().map(describe).collect(),
            groups: groups(std::process::id()),
            mounts: mounts.lines().filter(seen).map(Into::into).collect(),
            files,
            mappings: text("/proc/self/maps").lines().count(),
            heap: IN_USE.load(Ordering::Relaxed).max(0) as usize,
            resident: resident.map_or(0, |kib: usize| kib << 10),
        }
    }

    /// What there is once nothing ends any more: the same twice, a while apart.
    pub fn settled(base: &Path, limit: Duration) -> Self {
        let mut last = Self::take(base);
        within(limit, || {
            std::thread::sleep(Duration::from_millis(300));
            let now = Self::take(base);
            let same = last.left_in(&now, 0).is_empty() && now.left_in(&last, 0).is_empty();
            last = now;
            same
        });
        last
    }

    /// What the later one has that this one has not, a line each, after so many programs.
    pub fn left_in(&self, later: &Self, spawns: usize) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |what: &str, which: &dyn fmt::Debug| left.push(format!("{what} {which:?}"));
        for (number, target) in &later.descriptors {
            if self.descriptors.get(number) != Some(target) {
                note("descriptor", &(number, target));
            }
        }
        for (name, count) in &later.threads {
            if self.threads.get(name).unwrap_or(&0) < count {
                note("thread", &(name, count));
            }
        }
        for process in later.processes.difference(&self.processes) {
            note("process", process);
        }
        for group in later.groups.difference(&self.groups) {
            note("control group", group);
        }
        for mount in later.mounts.difference(&self.mounts) {
            note("mount", mount);
        }
        for file in later.files.difference(&self.files) {
            note("file", file);
        }
        if later.mappings > self.mappings + MAPPINGS {
            note("mappings", &(self.mappings, later.mappings));
        }
        if later.heap > self.heap + spawns * HEAP + NOISE {
            note("heap", &(self.heap, later.heap));
        }
        if later.resident > self.resident + spawns * RESIDENT + RESIDENT_NOISE {
            note("resident memory", &(self.resident, later.resident));
        }
        left
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} descriptors, {} threads, {} processes, {} groups, {} mounts, {} files, {} mappings, \
             {} KiB of heap, {} KiB resident",
            self.descriptors.len(),
            self.threads.values().sum::<usize>(),
            self.processes.len(),
            self.groups.len(),
            self.mounts.len(),
            self.files.len(),
            self.mappings,
            self.heap >> 10,
            self.resident >> 10,
        )
    }
}

/// The threads by name.
fn threads() -> BTreeMap<String, usize> {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let mut all = BTreeMap::new();
    // One that has just ended has no name any more.
    for name in tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()) {
        *all.entry(name.trim_end().to_owned()).or_default() += 1;
    }
    all
}

/// A process by number, name and state.
fn describe(pid: i32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = stat.rfind(')').unwrap_or(0);
    let state = stat[end..].split(' ').nth(1).unwrap_or("gone");
    // Sleeping or running makes no difference.
    let state = if state == "Z" { " zombie" } else { "" };
    format!("{}{state}", &stat[..end])
}

fn walk(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), found);
        }
        found.insert(entry.path());
    }
}
