//! Sessions and pools of a host: what they leave in it, how many there can be, and its death.

use crate::report::{children, descriptors, is_root, lacks, marker, processes_with, within};
use crate::scenario;
use cofferdam::{Command, PtySize, Sandbox, Session, SpawnError, Stdio};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZero;
use std::process::Stdio as HostStdio;
use std::time::{Duration, Instant};

fn session() -> Session {
    let sandbox = Sandbox::builder().build().expect("the default policy");
    sandbox.start().expect("a session")
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("threads").count()
}

/// What a host has: descriptors, threads, children, mounts.
fn have() -> (Vec<(i32, String)>, usize, Vec<i32>, String) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    (
        descriptors().into_iter().collect(),
        threads(),
        children(),
        mounts,
    )
}

pub fn leave_nothing() {
    // What is made once: init's file, the watcher.
    drop(session());
    let before = have();
    for _ in 0..20 {
        let session = session();
        let script = "setsid sleep 1000 & cat; exit 3";
        let mut command = session.command("sh");
        command.args(["-c", script]).stdin(Stdio::piped());
        let mut piped = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the shell");
        let size = PtySize {
            rows: 24,
            columns: 80,
        };
        let terminal = session.command("cat").pty(size).spawn().expect("cat");
        let pty = terminal.pty.as_ref().expect("a terminal");
        (&*pty).write_all(b"text\n").expect("written");
        let _ = session
            .command("no-such-program")
            .spawn()
            .expect_err("missing");
        assert_eq!(piped.wait().expect("wait").code(), Some(3));
        // Of all orders, the one in which the session goes first.
        drop(session);
        drop((piped, terminal));
    }
    for _ in 0..5 {
        let sandbox = Sandbox::builder().build().expect("the default policy");
        let pool = sandbox
            .pool(NonZero::new(3).expect("three"))
            .expect("a pool");
        pool.command("true").status().expect("true");
        drop(pool);
    }
    within(Duration::from_secs(2), || threads() == before.1);
    assert_eq!(have(), before);
}

/// init keeps 1,024 programs at one time.
pub fn full() {
    const MOST: usize = 1024;
    if !room_for(5 * MOST as u64) {
        return;
    }
    // What is made once.
    drop(session());
    let before = descriptors().len();
    let builder = Sandbox::builder().limits(|limits| limits.open_files(2 * MOST as u64));
    let session = builder.build().expect("a limit").start().expect("started");
    let start = Instant::now();
    let mut all = Vec::new();
    let refused = loop {
        match quiet(session.command("sleep").arg("1000")).spawn() {
            Ok(child) => all.push(child),
            Err(error) => break error,
        }
        assert!(all.len() <= MOST);
    };
    println!(
        "{} commands in {:?}, with {} descriptors of the host each",
        all.len(),
        start.elapsed(),
        (descriptors().len() - before) as f64 / all.len() as f64
    );
    assert_eq!(all.len(), MOST, "{refused}");
    let is_full = |error: &SpawnError| {
        matches!(error, SpawnError::Host(_)) && error.to_string().contains("1024 programs run")
    };
    assert!(is_full(&refused), "{refused:?}");
    let again = session.command("true").spawn().expect_err("full");
    assert!(is_full(&again), "{again:?}");
    // One that ends makes room for one.
    drop(all.swap_remove(500));
    for _ in 0..3 {
        assert!(
            quiet(&mut session.command("true"))
                .status()
                .expect("room")
                .success()
        );
    }
    let start = Instant::now();
    drop(all);
    println!("all killed and waited for in {:?}", start.elapsed());
    let left = session
        .command("sh")
        .args(["-c", "set -- /proc/[0-9]*; echo $#"])
        .output();
    assert_eq!(left.expect("the shell").stdout, b"2\n");
    drop(session);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(descriptors().len(), before);
}

/// A thousand sessions at one time.
pub fn thousand() {
    const COUNT: usize = 1000;
    if !room_for(10 * COUNT as u64) {
        return;
    }
    let sandbox = Sandbox::builder().build().expect("the default policy");
    for _ in 0..2 {
        drop(sandbox.start().expect("started"));
    }
    let before = have();
    let start = Instant::now();
    let mut sessions = Vec::new();
    let mut slowest = Duration::ZERO;
    for n in 0..COUNT {
        let one = Instant::now();
        match sandbox.start() {
            Ok(session) => sessions.push(session),
            Err(error) => {
                drop(sessions);
                // A user's namespaces are counted (max_user_namespaces and the like in
                // namespaces(7)), and its processes.
                return lacks(&format!("room for a thousand sessions: {error} after {n}"));
            }
        }
        slowest = slowest.max(one.elapsed());
    }
    let took = start.elapsed();
    let each = (descriptors().len() - before.0.len()) as f64 / COUNT as f64;
    println!(
        "{COUNT} started in {took:?}, {:?} each, at most {slowest:?}; {each} descriptors of the host each",
        took / COUNT as u32
    );
    let inits: BTreeSet<u32> = sessions.iter().map(Session::id).collect();
    assert_eq!(inits.len(), COUNT);
    assert!(sessions.iter().all(Session::is_alive));
    for session in sessions.iter().step_by(99) {
        let output = session.command("echo").arg("alive").output().expect("echo");
        assert_eq!(output.stdout, b"alive\n");
    }
    let start = Instant::now();
    drop(sessions);
    let took = start.elapsed();
    println!("dropped in {took:?}, {:?} each", took / COUNT as u32);
    assert!(took < Duration::from_secs(40));
    let remains = inits.iter().filter(|init| {
        let stat = fs::read_to_string(format!("/proc/{init}/stat")).unwrap_or_default();
        stat.contains("(init)")
    });
    assert_eq!(remains.count(), 0);
    within(Duration::from_secs(2), || threads() == before.1);
    assert_eq!(have(), before);
}

/// Raises this process's limit of open files.
fn room_for(wanted: u64) -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes one rlimit.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(known, 0);
    if limit.rlim_max < wanted && !is_root() {
        lacks("room for many descriptors below the hard limit");
        return false;
    }
    limit.rlim_cur = wanted;
    limit.rlim_max = limit.rlim_max.max(wanted);
    // SAFETY: setrlimit(2) reads one rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    true
}

pub fn death() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let marker = marker();
    let mut host = scenario("part_host_of_sessions")
        .env("MARKER", &marker)
        .stdout(HostStdio::piped())
        .spawn()
        .expect("this program starts itself");
    let mut lines = BufReader::new(host.stdout.take().expect("piped")).lines();
    let inits = lines.next().expect("a line").expect("text");
    let inits: Vec<i32> = inits
        .split(' ')
        .map(|pid| pid.parse().expect("a number"))
        .collect();
    let all = || processes_with(&marker);
    assert!(
        within(Duration::from_secs(5), || all().len() >= 8),
        "{:?}",
        all()
    );
    let start = Instant::now();
    host.kill().expect("SIGKILL");
    let gone = within(Duration::from_secs(2), || {
        all().is_empty() && inits.iter().all(|init| is_gone(*init))
    });
    let took = start.elapsed();
    host.wait().expect("wait");
    assert!(gone, "after {took:?}: {:?} {inits:?}", all());
    println!("all processes were gone after {took:?}");
    assert_eq!(
        fs::read_to_string("/proc/self/mountinfo").expect("mounts"),
        mounts
    );
}

/// The children of a process that the system has not reaped yet are no concern of the library's.
fn is_gone(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .map_or(true, |text| text.contains("State:\tZ"))
}

/// A host in the midst of its work: daemons that let go of everything, a terminal, a pool.
pub fn victim() {
    let marker = std::env::var("MARKER").expect("a marker");
    let sandbox = Sandbox::builder().build().expect("the default policy");
    let session = sandbox.start().expect("started");
    let pool = sandbox
        .pool(NonZero::new(3).expect("three"))
        .expect("a pool");
    pool.wait_ready(Duration::from_secs(5));
    let script = format!(
        "trap '' HUP INT TERM PIPE; (setsid sh -c 'trap \"\" HUP TERM; sleep {marker} & wait' &)
         (sleep {marker} </dev/null >/dev/null 2>&1 &)
         setsid setsid sleep {marker} </dev/null >/dev/null 2>&1 & sleep {marker}"
    );
    let mut command = session.command("sh");
    let first = quiet(command.args(["-c", &script]))
        .spawn()
        .expect("the shell");
    let mut command = pool.command("sh");
    let second = quiet(command.args(["-c", &script]))
        .spawn()
        .expect("the shell");
    let size = PtySize {
        rows: 24,
        columns: 80,
    };
    let third = session
        .command("sleep")
        .arg(&marker)
        .pty(size)
        .spawn()
        .expect("sleep");
    // The end of a starter is not that of what it left.
    let ended = quiet(
        session
            .command("sh")
            .args(["-c", &format!("sleep {marker} &")]),
    )
    .status();
    ended.expect("the shell");
    println!("{} {}", session.id(), second.id());
    std::thread::sleep(Duration::from_secs(60));
    drop((first, second, third));
}
