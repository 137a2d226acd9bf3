//! Soak: a host that goes on starting programs holds at the end what it held at the start.
//!
//! `COFFERDAM_SOAK=20000 cargo test -p cofferdam-tests --test soak` is the whole soak; without the variable it
//! is as much as a minute takes. Each part is a process of its own, so that nothing but the soak happens in it.

mod ground;
mod inventory;
mod leaks;
mod work;

use cofferdam_tests::evidence::within;
use ground::{Ground, Shared};
use inventory::{Counting, Inventory};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

#[global_allocator]
static HEAP: Counting = Counting;

const THREADS: usize = 32;

/// Programs that are started where nothing else is said.
const USUAL: usize = 5_000;

/// Far above what ending takes, and what is gone sooner is not waited for.
const SETTLING: Duration = Duration::from_secs(30);

type Part = (&'static str, fn(&Path));

const PARTS: &[Part] = &[
    ("what_is_left_is_noticed", leaks::are_noticed),
    ("nothing_is_left_after_many_spawns", soak),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, base] = &arguments[..]
        && flag == "--part"
    {
        let (_, run) = PARTS.iter().find(|(known, _)| known == name).expect("it");
        run(Path::new(base));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen = PARTS
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|one| name.contains(&**one)));
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let failed: Vec<&str> = chosen
        .filter(|(name, _)| !passes(name))
        .map(|(name, _)| *name)
        .collect();
    println!("\nsoak: {} failed {failed:?}", failed.len());
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Runs a part in a process whose temporary and state directories are its own.
fn passes(name: &str) -> bool {
    let start = Instant::now();
    let held = tempfile::tempdir().expect("a directory");
    let base = held.path().canonicalize().expect("a path");
    for directory in ["tmp", "state", "home", "work"] {
        std::fs::create_dir(base.join(directory)).expect("a directory");
    }
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(["--part", name])
        .arg(&base)
        .env("TMPDIR", base.join("tmp"))
        .env("XDG_STATE_HOME", base.join("state"))
        .env("HOME", base.join("home"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program starts itself");
    let mut stderr = child.stderr.take().expect("piped");
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    // Half a second for each program is a hundred times what one takes.
    let limit = Duration::from_secs(120) + Duration::from_millis(500) * total() as u32;
    let mut status = None;
    let done = within(limit, || {
        status = child.try_wait().expect("a state");
        status.is_some()
    });
    if !done {
        let _ = child.kill();
        let _ = child.wait();
    }
    let passed = status.is_some_and(|status| status.success());
    let word = if passed { "ok" } else { "FAILED" };
    println!("test {name} ... {word} ({:?})", start.elapsed());
    match (passed, done) {
        (false, true) => println!("{}", errors.join().unwrap_or_default()),
        (false, false) => println!("not done after {limit:?}"),
        (true, _) => {}
    }
    passed
}

/// How many programs are started.
fn total() -> usize {
    let Some(text) = env::var_os("COFFERDAM_SOAK") else {
        return USUAL;
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.expect("COFFERDAM_SOAK is a number of programs")
}

fn soak(base: &Path) {
    // What loses its parent becomes a child of this process, and is seen.
    Inventory::adopt_orphans();
    let total = total();
    // Everything that is made once, caches and arenas of the allocator among it.
    let warm = run(base, (total / 5).max(20 * work::ROUND));
    let before = Inventory::settled(base, SETTLING);
    let start = Instant::now();
    let done = run(base, total);
    let took = start.elapsed();
    let mut left = Vec::new();
    let mut after = Inventory::take(base);
    within(SETTLING, || {
        after = Inventory::take(base);
        left = before.left_in(&after, total);
        left.is_empty()
    });
    let spawns: usize = done.values().sum();
    println!(
        "{spawns} spawns from {THREADS} threads in {took:?}, after {} to warm up: {done:?}",
        warm.values().sum::<usize>()
    );
    println!("before {before}");
    println!("after  {after}");
    assert!(left.is_empty(), "left:\n{}", left.join("\n"));
    assert!(spawns >= total);
}

/// Starts this many programs from all threads; how many of each kind they were.
fn run(base: &Path, total: usize) -> BTreeMap<&'static str, usize> {
    let shared = Shared::new(base);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (shared, next, done) = (&shared, &next, &done);
            scope.spawn(move || {
                let ground = Ground::new(shared, base, number);
                let mut kinds = work::kinds().into_iter().cycle().skip(number * 7);
                while next.load(Ordering::Relaxed) < total {
                    let (name, act) = kinds.next().expect("it has no end");
                    let count = act(&ground);
                    next.fetch_add(count, Ordering::Relaxed);
                    *done.lock().expect("a lock").entry(name).or_default() += count;
                }
            });
        }
    });
    done.into_inner().expect("a lock")
}
