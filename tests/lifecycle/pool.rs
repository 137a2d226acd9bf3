//! Pools: environments that stand ready, each for one command.

use crate::support::{kill_from_outside, marker, processes_with, sandbox};
use cofferdam::{Pool, Sandbox, SpawnError, Stdio};
use std::fs;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

fn pool(sandbox: &Sandbox, size: usize) -> Pool {
    let pool = sandbox.pool(NonZero::new(size).expect("a size"));
    let pool = pool.expect("the default policy");
    assert!(pool.wait_ready(SOON));
    pool
}

fn says(pool: &Pool, script: &str) -> String {
    let output = pool.command("sh").args(["-c", script]).output();
    let output = output.expect("the shell runs");
    assert!(output.enforcement.is_full());
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// The process 1 of each environment that this process holds.
fn inits() -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.collect::<Vec<u32>>()
        })
        .collect()
}

#[test]
fn a_pool_is_full_and_is_filled_again() {
    let sandbox = sandbox();
    let pool = pool(&sandbox, 3);
    assert_eq!(pool.ready(), 3);
    let mut running: Vec<_> = (0..3)
        .map(|_| pool.command("sleep").arg("1000").spawn().expect("sleep"))
        .collect();
    // Three others, while these run.
    assert!(pool.wait_ready(SOON));
    assert_eq!(pool.ready(), 3);
    for child in &mut running {
        assert!(child.try_wait().expect("wait").is_none());
    }
    drop(running);
    assert!(!pool.wait_ready(Duration::ZERO) || pool.ready() == 3);
}

#[test]
fn an_environment_is_used_once() {
    let sandbox = sandbox();
    let pool = pool(&sandbox, 2);
    let mut seen = Vec::new();
    for _ in 0..8 {
        let script = "ls -A /tmp $HOME /dev/shm /var/tmp | grep marker; touch /tmp/marker $HOME/marker /dev/shm/marker /var/tmp/marker; set -- /proc/[0-9]*; echo $#";
        // init and the shell.
        assert_eq!(says(&pool, script), "2");
        let mut child = pool.command("true").spawn().expect("true");
        seen.push(child.id());
        child.wait().expect("wait");
        thread::sleep(Duration::from_millis(5));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "an init served two commands");
}

#[test]
fn commands_of_a_pool_are_like_any_other() {
    let sandbox = sandbox();
    let pool = pool(&sandbox, 2);
    for _ in 0..4 {
        let mut command = pool.command("sh");
        command
            .args(["-c", "cat; echo $NAME $PWD; echo err >&2; exit 7"])
            .env("NAME", "value")
            .current_dir("/usr")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the shell");
        let mut stdin = child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut stdin, b"in\n").expect("a reader");
        drop(stdin);
        let output = child.wait_with_output().expect("wait");
        assert_eq!(output.stdout, b"in\nvalue /usr\n");
        assert_eq!(output.stderr, b"err\n");
        assert_eq!(output.status.code(), Some(7));
    }
    // Its end is that of all it started.
    let marker = marker();
    let script = format!("setsid sleep {marker} </dev/null >/dev/null 2>&1 & sleep 0.1");
    let status = pool.command("sh").args(["-c", &script]).status();
    assert!(status.expect("the shell").success());
    assert_eq!(processes_with(&marker), [] as [i32; 0]);
    let limit = Duration::from_millis(100);
    let status = pool.command("sleep").arg("1000").timeout(limit).status();
    assert!(status.expect("sleep").timed_out());
    // What cannot be started costs one environment and no more.
    for _ in 0..4 {
        let error = pool
            .command("no-such-program")
            .spawn()
            .expect_err("missing");
        assert!(matches!(error, SpawnError::NotFound { .. }), "{error:?}");
    }
    assert!(pool.wait_ready(SOON));
    assert_eq!(says(&pool, "echo alive"), "alive");
}

#[test]
fn eight_threads_use_a_pool() {
    let sandbox = sandbox();
    let pool = pool(&sandbox, 4);
    thread::scope(|scope| {
        for n in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..10 {
                    let script = format!("ls -A /tmp; touch /tmp/{n}-{round}; echo {n} {round}");
                    assert_eq!(says(pool, &script), format!("{n} {round}"));
                }
            });
        }
    });
    assert!(pool.wait_ready(SOON));
}

#[test]
fn commands_outlive_their_pool() {
    let sandbox = sandbox();
    let pool = pool(&sandbox, 2);
    let script = "sleep 0.3; echo alive";
    let mut command = pool.command("sh");
    let child = command.args(["-c", script]).stdout(Stdio::piped()).spawn();
    let child = child.expect("the shell");
    // The filler is at work on the one that was just taken.
    drop(pool);
    let output = child.wait_with_output().expect("wait");
    assert_eq!(output.stdout, b"alive\n");
    // A command that was kept puts its own walls up.
    assert_eq!(
        command
            .stdout(Stdio::null())
            .status()
            .expect("again")
            .code(),
        Some(0)
    );
}

#[test]
fn dropping_a_pool_at_any_moment_ends_what_stands() {
    let sandbox = sandbox();
    let start = Instant::now();
    for n in 0..20 {
        let pool = sandbox.pool(NonZero::new(6).expect("six")).expect("a pool");
        thread::sleep(Duration::from_micros(400 * n));
        if n % 2 == 0 {
            assert!(pool.command("true").status().expect("true").success());
        }
        let before = Instant::now();
        drop(pool);
        assert!(before.elapsed() < Duration::from_secs(5));
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    // That no process is left is what tests/lifecycle/host shows, where no other test runs.
}

#[test]
fn an_environment_that_is_killed_while_it_waits_is_not_used() {
    let before = inits();
    let sandbox = sandbox();
    let pool = pool(&sandbox, 3);
    // Other tests of this program have children, too: those of the filler's thread and of the first
    // are found as the ones without descendants whose state is not known to any handle.
    let stands: Vec<u32> = inits()
        .into_iter()
        .filter(|pid| !before.contains(pid))
        .collect();
    let own = fs::read_to_string("/proc/thread-self/children").expect("children");
    let first: u32 = own
        .trim()
        .parse()
        .expect("the first was put up by this thread");
    assert!(stands.contains(&first));
    kill_from_outside(first);
    thread::sleep(Duration::from_millis(20));
    for _ in 0..4 {
        assert_eq!(says(&pool, "echo alive"), "alive");
    }
    assert!(pool.wait_ready(SOON));
    assert_eq!(pool.ready(), 3);
}

#[test]
fn walls_that_cannot_be_put_up_are_known_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("workspace");
    fs::create_dir(&place).expect("a directory");
    let sandbox = Sandbox::builder()
        .workspace(&place)
        .build()
        .expect("a workspace");
    drop(pool(&sandbox, 1));
    // Another directory than the policy was built from.
    fs::remove_dir(&place).expect("removed");
    let error = sandbox
        .pool(NonZero::new(2).expect("two"))
        .expect_err("it is gone");
    println!("{error}");
    assert!(matches!(error, SpawnError::Layer { .. }), "{error:?}");
}
