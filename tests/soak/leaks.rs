//! The control: each kind of thing, left on purpose, is noticed, and nothing else is.

use crate::inventory::Inventory;
use crate::{SETTLING, ground};
use cofferdam_tests::evidence::{is_root, within};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;

/// As many as the whole soak has.
const SPAWNS: usize = 20_000;

pub fn are_noticed(base: &Path) {
    Inventory::adopt_orphans();
    // A first command makes what is made once.
    let sandbox = cofferdam::Sandbox::builder().build().expect("a sandbox");
    sandbox.command("true").status().expect("true");
    std::thread::spawn(|| ()).join().expect("a thread");
    let before = Inventory::settled(base, SETTLING);
    let noticed = |what: &str| {
        let left = before.left_in(&Inventory::take(base), SPAWNS);
        assert!(!left.is_empty(), "nobody noticed: {what}");
        assert!(
            left.iter().all(|line| line.starts_with(what)),
            "{what}: {left:?}"
        );
        println!("noticed: {}", left[0]);
    };
    let gone = || {
        let mut left = Vec::new();
        let whole = within(SETTLING, || {
            left = before.left_in(&Inventory::take(base), SPAWNS);
            left.is_empty()
        });
        assert!(whole, "{left:?}");
    };
    gone();

    let file = File::open("/dev/null").expect("a file");
    noticed("descriptor");
    drop(file);
    gone();

    let (end, wait) = channel::<()>();
    let thread = std::thread::spawn(move || wait.recv().is_err());
    noticed("thread");
    drop(end);
    assert!(thread.join().expect("a thread"));
    gone();

    let mut process = Command::new("sleep").arg("1000").spawn().expect("sleep");
    noticed("process");
    process.kill().expect("killed");
    // Not waited for: a zombie, once it has ended.
    let zombie = within(SETTLING, || {
        let left = before.left_in(&Inventory::take(base), SPAWNS);
        left.iter().any(|line| line.contains("zombie"))
    });
    assert!(zombie);
    noticed("process");
    process.wait().expect("waited for");
    // What nobody knows any more: the child of a shell that has ended.
    let output = Command::new("sh")
        .args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"])
        .output()
        .expect("the shell");
    noticed("process");
    let orphan: i32 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number");
    // SAFETY: kill(2) and waitpid(2) without a status touch no memory; the process is this one's child.
    unsafe {
        libc::kill(orphan, libc::SIGKILL);
        libc::waitpid(orphan, std::ptr::null_mut(), 0);
    }
    gone();

    for directory in ["tmp", "state"] {
        let path = base.join(directory).join("left");
        fs::write(&path, "").expect("a file");
        noticed("file");
        fs::remove_file(&path).expect("removed");
        gone();
    }

    // 1 KiB for each program, in pieces as a leak has them.
    let heap: Vec<Vec<u8>> = (0..SPAWNS).map(|_| vec![1; 1024]).collect();
    let left = before.left_in(&Inventory::take(base), SPAWNS);
    for what in ["heap", "resident memory"] {
        assert!(
            left.iter().any(|line| line.starts_with(what)),
            "{what}: {left:?}"
        );
    }
    println!("noticed: {left:?}");
    drop(heap);
    gone();

    if is_root() {
        let place = CString::new(base.join("work").as_os_str().as_bytes()).expect("a path");
        // SAFETY: mount(2) reads the strings, which live as long.
        let answer = unsafe {
            let kind = c"tmpfs".as_ptr();
            libc::mount(kind, place.as_ptr(), kind, 0, std::ptr::null())
        };
        assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
        noticed("mount");
        // SAFETY: umount2(2) reads the string.
        assert_eq!(unsafe { libc::umount2(place.as_ptr(), 0) }, 0);
        gone();
    }
    if let Some(limited) = ground::limited() {
        // The watcher of its groups stays, as long as this process; and the template, which the second session makes, as
        // long as the sandbox.
        for _ in 0..2 {
            drop(limited.start().expect("a session"));
        }
        let before = Inventory::settled(base, SETTLING);
        let session = limited.start().expect("a session");
        let left = before.left_in(&Inventory::take(base), SPAWNS);
        for what in ["control group", "process", "descriptor"] {
            assert!(
                left.iter().any(|line| line.starts_with(what)),
                "{what}: {left:?}"
            );
        }
        drop(session);
        let left = before.left_in(&Inventory::settled(base, SETTLING), SPAWNS);
        assert_eq!(left, [] as [String; 0]);
        println!("noticed: a session with limits");
    }
}
