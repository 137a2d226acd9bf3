//! Many files, deep trees, bounded memory.

mod common;

use cofferdam_changes::{Tree, remove_upper};
use common::{Overlay, apply_all, changes, open};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// Bytes of memory that were resident at the most, since it was last reset.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number
        .expect("a peak")
        .trim()
        .parse::<u64>()
        .expect("a number")
        * 1024
}

fn reset_peak() {
    // proc_pid_clear_refs(5): 5 resets the peak.
    fs::write("/proc/self/clear_refs", "5").expect("reset");
}

#[test]
fn ten_thousand_files_through_a_real_overlay() {
    let overlay = Overlay::in_memory(|lower| {
        for dir in 0..50 {
            let dir = lower.join(format!("d{dir:02}"));
            fs::create_dir(&dir).expect("made");
            for file in 0..200 {
                fs::write(dir.join(format!("f{file:03}")), "old\n").expect("written");
            }
        }
    });
    overlay.run(
        "for d in d*; do for f in $d/f*; do echo changed > $f; done; done
         mkdir new; i=0; while [ $i -lt 500 ]; do echo $i > new/$i; i=$((i+1)); done; rm -r d00",
    );
    let tree = overlay.tree();
    assert_eq!(changes(&tree).len(), 49 * 200 + 501 + 1);
    assert_eq!(apply_all(&tree).applied, 49 * 200 + 501 + 1);
    assert_eq!(changes(&tree).len(), 0);
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes a minute without optimisation; run with --release"
)]
fn a_hundred_thousand_files_in_little_memory() {
    let overlay = Overlay::in_memory(|lower| {
        fs::create_dir(lower.join("flat")).expect("made");
    });
    let upper = overlay.upper();
    for dir in 0..100 {
        let dir = upper.join(format!("d{dir:02}"));
        fs::create_dir(&dir).expect("made");
        for file in 0..1000 {
            fs::write(dir.join(format!("f{file:03}")), "some text\n").expect("written");
        }
    }
    let tree = overlay.tree();
    reset_peak();
    let (start, before) = (Instant::now(), peak());
    let count = tree
        .changes()
        .expect("opened")
        .filter(|change| change.is_ok())
        .count();
    let (listed, grown) = (start.elapsed(), peak().saturating_sub(before));
    assert_eq!(count, 100_100);
    let start = Instant::now();
    apply_all(&tree);
    let applied = start.elapsed();
    let start = Instant::now();
    assert_eq!(tree.changes().expect("opened").count(), 0);
    let compared = start.elapsed();
    let start = Instant::now();
    remove_upper(&open(&upper)).expect("removed");
    let removed = start.elapsed();
    println!(
        "100,000 files: listed in {listed:?} with {} KiB more, applied in {applied:?}, compared \
         equal in {compared:?}, removed in {removed:?}",
        grown / 1024
    );
    // Other tests of this file run beside it.
    assert!(grown < 64 << 20, "{grown} bytes");
    assert!(listed < Duration::from_secs(30), "{listed:?}");
}

#[test]
fn a_deep_tree_is_listed_applied_and_removed() {
    // Deeper than there are descriptors, and longer than a path can be.
    const DEPTH: usize = if cfg!(debug_assertions) {
        3_000
    } else {
        20_000
    };
    let overlay = Overlay::in_memory(|_| {});
    let name = "a-name-of-some-length";
    let mut dirs: OwnedFd = open(&overlay.upper());
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&dirs, name, Mode::from_raw_mode(0o755)).expect("made");
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        dirs = rustix::fs::openat(dirs.as_fd(), name, flags, Mode::empty()).expect("opened");
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    rustix::fs::openat(&dirs, "file", flags, Mode::from_raw_mode(0o644)).expect("made");
    drop(dirs);
    let tree = overlay.tree();
    let start = Instant::now();
    let mut last = None;
    let mut count = 0;
    for change in tree.changes().expect("opened") {
        last = Some(change.expect("read").path);
        count += 1;
    }
    assert_eq!(count, DEPTH + 1);
    assert!(last.expect("one").ends_with("file"));
    let listed = start.elapsed();
    let start = Instant::now();
    assert_eq!(apply_all(&tree).applied, DEPTH as u64 + 1);
    let applied = start.elapsed();
    assert_eq!(tree.changes().expect("opened").count(), 0);
    let start = Instant::now();
    for dir in [overlay.upper(), overlay.lower()] {
        remove_upper(&open(&dir)).expect("removed");
        assert_eq!(fs::read_dir(dir).expect("there").count(), 0);
    }
    let removed = start.elapsed();
    println!(
        "{DEPTH} levels: listed in {listed:?}, applied in {applied:?}, removed in {removed:?}"
    );
}

#[test]
fn a_directory_that_moves_while_it_is_walked_is_an_error_and_no_way_out() {
    let overlay = Overlay::in_memory(|_| {});
    let mut dir = overlay.upper();
    // Deep enough that the upper levels are closed on the way down.
    for _ in 0..200 {
        dir.push("d");
        fs::create_dir(&dir).expect("made");
    }
    fs::write(dir.join("last"), "").expect("written");
    fs::write(overlay.upper().join("d/e-later"), "").expect("written");
    let outside = overlay.dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("secret"), "").expect("written");
    let tree: Tree = overlay.tree();
    let mut moved = false;
    let (mut errors, mut found) = (0, Vec::new());
    for change in tree.changes().expect("opened") {
        match change {
            Ok(change) => {
                if change.path.ends_with("last") && !moved {
                    moved = true;
                    // The second level goes elsewhere with all that is in it.
                    fs::rename(overlay.upper().join("d/d"), outside.join("d")).expect("moved");
                }
                found.push(change.path);
            }
            Err(_) => errors += 1,
        }
    }
    assert!(moved);
    assert!(
        found
            .iter()
            .all(|path| !path.to_string_lossy().contains("secret")),
        "{found:?}"
    );
    assert!(found.iter().any(|path| path.ends_with("e-later")) || errors > 0);
}
