//! Somebody is in the way: a program of the host that swaps directories for links, a kill.

mod common;

use cofferdam_changes::Tree;
use common::{Overlay, apply_all, list, open, whiteout};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const DIRECTORIES: usize = 30;
const FILES: usize = 20;

#[test]
fn directories_swapped_for_links_lead_nothing_out() {
    let overlay = Overlay::in_memory(|lower| {
        for number in 0..DIRECTORIES {
            fs::create_dir(lower.join(format!("d{number}"))).expect("made");
            fs::write(lower.join(format!("d{number}/old")), "old").expect("written");
        }
    });
    let outside = overlay.dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("old"), "outside").expect("written");
    for number in 0..DIRECTORIES {
        let dir = overlay.upper().join(format!("d{number}"));
        fs::create_dir(&dir).expect("made");
        for file in 0..FILES {
            fs::write(dir.join(format!("new{file}")), "new").expect("written");
        }
        if number % 2 == 0 {
            fs::write(dir.join("old"), "new").expect("written");
        } else {
            whiteout(&dir.join("old"));
        }
    }
    let lower = overlay.lower();
    let done = AtomicBool::new(false);
    let swap = |number: usize, inside: &mut dyn FnMut(&Path)| {
        let dir = lower.join(format!("d{number}"));
        let aside = overlay.dir.path().join("aside");
        if fs::rename(&dir, &aside).is_ok() {
            symlink(&outside, &dir).expect("a link");
            inside(&dir);
            fs::remove_file(&dir).expect("removed");
            fs::rename(&aside, &dir).expect("back");
        }
    };
    // The control: who goes by the path writes outside.
    swap(0, &mut |dir| {
        fs::write(dir.join("proof"), "x").expect("written")
    });
    assert!(outside.join("proof").exists());
    fs::remove_file(outside.join("proof")).expect("removed");
    let mut swaps = 0_u64;
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                swap(count as usize % DIRECTORIES, &mut |_| {
                    std::thread::yield_now()
                });
                count += 1;
            }
            count
        });
        for _ in 0..40 {
            // A tree that knows nothing of the earlier rounds, and has no conflicts with them.
            let tree = Tree::new(
                open(&lower),
                vec![open(&overlay.upper())],
                SystemTime::now() + Duration::from_secs(3600),
            );
            // Not the directories themselves: a link in their place could be replaced rightly.
            tree.apply(|change| change.path.components().count() > 1)
                .expect("applied");
            for number in 0..DIRECTORIES {
                let dir = lower.join(format!("d{number}"));
                for file in 0..FILES {
                    if dir.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                        let _ = rustix_remove(&lower, &format!("d{number}"), &format!("new{file}"));
                    }
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        swaps = attacker.join().expect("joined");
    });
    assert!(swaps > 100, "only {swaps} swaps");
    let left: Vec<_> = fs::read_dir(&outside)
        .expect("listed")
        .map(|entry| entry.expect("one").file_name())
        .collect();
    assert_eq!(left, ["old"], "{swaps} swaps");
    assert_eq!(
        fs::read_to_string(outside.join("old")).expect("there"),
        "outside"
    );
    // Left alone, it works.
    let since = SystemTime::now() + Duration::from_secs(3600);
    apply_all(&Tree::new(
        open(&lower),
        vec![open(&overlay.upper())],
        since,
    ));
    assert_eq!(list(&overlay.tree()), [""; 0]);
}

/// Removes a file without following a link: the test itself must not reach outside.
fn rustix_remove(lower: &Path, dir: &str, file: &str) -> rustix::io::Result<()> {
    use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
    let lower = open(lower);
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let dir = rustix::fs::openat2(&lower, dir, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    rustix::fs::unlinkat(dir, file, AtFlags::empty())
}

const VICTIM: &str = "COFFERDAM_CHANGES_VICTIM";
const COUNT: usize = 150;

/// What the test below starts itself as, to be killed.
fn victim(dir: &Path) {
    let since = SystemTime::now() + Duration::from_secs(3600);
    let tree = Tree::new(
        open(&dir.join("lower")),
        vec![open(&dir.join("upper"))],
        since,
    );
    tree.apply(|_| true).expect("applied");
}

fn old(number: usize) -> Vec<u8> {
    format!("old {number}\n").repeat(3000).into_bytes()
}

fn new(number: usize) -> Vec<u8> {
    format!("new {number}\n").repeat(3000).into_bytes()
}

#[test]
fn a_kill_at_any_point_leaves_whole_files() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return victim(Path::new(&dir));
    }
    let overlay = Overlay::in_memory(|_| {});
    let upper = overlay.upper();
    for number in 0..COUNT {
        let name = format!("f{number:03}");
        match number % 5 {
            0 => whiteout(&upper.join(&name)),
            1 => {
                fs::create_dir(upper.join(&name)).expect("made");
                fs::write(upper.join(&name).join("in"), new(number)).expect("written");
            }
            2 => symlink("new", upper.join(&name)).expect("made"),
            _ => fs::write(upper.join(&name), new(number)).expect("written"),
        }
        fs::write(upper.join(format!("n{number:03}")), new(number)).expect("written");
    }
    let lower = overlay.lower();
    let binary = std::env::current_exe().expect("a path");
    let (mut killed, mut finished, mut most) = (0, 0, Duration::from_millis(40));
    let mut partly = 0;
    for round in 0..60_u32 {
        fs::remove_dir_all(&lower).expect("removed");
        fs::create_dir(&lower).expect("made");
        for number in 0..COUNT {
            let name = lower.join(format!("f{number:03}"));
            if number % 10 == 0 {
                fs::create_dir(&name).expect("made");
                fs::write(name.join("deep"), old(number)).expect("written");
            } else {
                fs::write(name, old(number)).expect("written");
            }
        }
        let start = SystemTime::now();
        let mut child = Command::new(&binary)
            .args(["--exact", "a_kill_at_any_point_leaves_whole_files"])
            .env(VICTIM, overlay.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(most * (round * 37 % 60) / 60);
        let _ = child.kill();
        let status = child.wait().expect("reaped");
        if status.signal().is_some() {
            killed += 1;
        } else {
            finished += 1;
            most = most.min(start.elapsed().expect("time goes on"));
        }
        let (state, temporary) = check(&lower);
        assert!(
            temporary <= 1,
            "{temporary} temporary names in round {round}"
        );
        partly += usize::from(state > 0 && state < 2 * COUNT);
        // The next one finishes the work and leaves nothing.
        let since = SystemTime::now() + Duration::from_secs(3600);
        let tree = Tree::new(open(&lower), vec![open(&upper)], since);
        apply_all(&tree);
        // Nothing was left to apply: nothing was swept.
        let (state, temporary) = check(&lower);
        assert_eq!(state, 2 * COUNT);
        if temporary > 0 {
            fs::write(upper.join("f003"), "another").expect("written");
            apply_all(&tree);
            fs::write(upper.join("f003"), new(3)).expect("written");
            apply_all(&tree);
        }
        assert_eq!(check(&lower), (2 * COUNT, 0));
    }
    assert!(
        partly >= 5,
        "{killed} killed, {finished} finished, {partly} in the middle"
    );
}

/// How many paths are new, each wholly, and how many temporary names there are.
fn check(lower: &Path) -> (usize, usize) {
    let mut done = 0;
    for number in 0..COUNT {
        let path = lower.join(format!("f{number:03}"));
        let meta = fs::symlink_metadata(&path);
        let was = match &meta {
            Ok(meta) if meta.is_dir() && number % 10 == 0 => {
                fs::read(path.join("deep")).is_ok_and(|text| text == old(number))
            }
            Ok(meta) if meta.is_file() => fs::read(&path).expect("readable") == old(number),
            _ => false,
        };
        let is = match (number % 5, &meta) {
            (0, Err(_)) => true,
            (1, Ok(meta)) if meta.is_dir() => match fs::read(path.join("in")) {
                Ok(text) => {
                    assert_eq!(text, new(number));
                    true
                }
                // The directory is there and what is in it is not yet.
                Err(_) => {
                    assert_eq!(fs::read_dir(&path).expect("listed").count(), 0);
                    continue;
                }
            },
            (2, Ok(meta)) if meta.is_symlink() => true,
            (3 | 4, Ok(meta)) if meta.is_file() => {
                fs::read(&path).expect("readable") == new(number)
            }
            _ => false,
        };
        assert!(was != is, "{} is neither old nor new", path.display());
        done += usize::from(is);
        if let Ok(text) = fs::read(lower.join(format!("n{number:03}"))) {
            assert_eq!(text, new(number));
            done += 1;
        }
    }
    let temporary = fs::read_dir(lower).expect("listed").filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().starts_with(".cofferdam-apply.")
    });
    (done, temporary.count())
}
