//! Live sessions: their process 1 seen from inside, and commands among each other.

use crate::support::*;
use cofferdam::{Child, Session, SpawnError, Stdio, SyscallIntent};
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

fn start(builder: cofferdam::SandboxBuilder) -> Session {
    build(builder)
        .start()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// One attack as a command of the session.
fn attack(session: &Session, words: &[&str]) -> String {
    let mut command = session.command(INSIDE);
    let output = command.args(words).timeout(PATIENCE).output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().unwrap_or_default().to_owned()
}

/// An attack that goes on once it has said that it is ready.
fn goes_off(session: &Session, words: &[&str]) -> Child {
    let mut command = session.command(INSIDE);
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.timeout(PATIENCE).spawn().expect("started");
    let stdout = child.stdout.take().expect("piped");
    let first = BufReader::new(stdout).lines().next();
    assert_eq!(first.expect("a line").expect("text"), "ready");
    child
}

fn serves(session: &Session) {
    assert!(session.is_alive());
    assert_eq!(attack(session, &["processes", "ids"]).split(' ').count(), 5);
}

#[test]
fn the_server_of_a_session_tells_nothing() {
    let session = start(wall().syscalls(|calls| calls.allow(SyscallIntent::Ptrace)));
    // Something for it to hold: a program with three pipes, and one that sleeps.
    let mut held = goes_off(&session, &["processes", "hold"]);
    for words in [
        &["files", "list", "/proc/1/fd"][..],
        &["files", "list", "/proc/1/fdinfo"],
        &["files", "open", "r", "/proc/1/fd/3"],
        &["files", "open", "w", "/proc/1/mem"],
        &["files", "read", "/proc/1/maps"],
        &["files", "read", "/proc/1/environ"],
        &["files", "read", "/proc/1/exe"],
        &["files", "list", "/proc/1/map_files"],
        &["memory", "vm-read", "1", "4198400", "8"],
        &["processes", "seize", "1"],
        &["live", "get-descriptor", "1"],
    ] {
        let answer = attack(&session, words);
        let refused = ["EACCES", "EPERM"].contains(&answer.as_str());
        assert!(refused, "{words:?}: {answer}");
    }
    // No socket of its lies in the sandbox's network, to be found and connected to.
    assert_eq!(attack(&session, &["live", "unix-sockets"]), "done 0");
    serves(&session);
    assert!(held.try_wait().expect("wait").is_none());
    // The same against a process of one's own works, inside (with tracing allowed) and outside.
    assert_eq!(attack(&session, &["processes", "seize-child"]), "done");
    let words = ["live", "get-child-s-descriptor"];
    assert_eq!(one_outside(&words), "done");
    let _held = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    assert_ne!(one_outside(&["live", "unix-sockets"]), "done 0");
}

#[test]
fn the_server_of_a_session_is_not_ended_by_signals() {
    let session = start(wall());
    for signal in 1..=64 {
        let answer = attack(&session, &["processes", "kill", "1", &signal.to_string()]);
        // The two that the C library keeps to itself have no other way, and change nothing.
        assert_eq!(answer, "done", "signal {signal}");
    }
    serves(&session);
    for signal in [libc::SIGCHLD, libc::SIGUSR1, 34] {
        let flood = ["live", "flood", "1", &signal.to_string(), "300"];
        let child = goes_off(&session, &flood);
        serves(&session);
        drop(child);
    }
    // Against a process that is none of the sandbox's the same signal does its work.
    let mut bystander = Bystander::new();
    let urgent = libc::SIGURG.to_string();
    assert!(done(&one_outside(&[
        "processes",
        "kill",
        &bystander.id(),
        &urgent
    ])));
    assert!(bystander.was_signalled());
}

/// A program can stop all others of its session, new ones before they execute anything. That must not
/// stop the server: others are told, time limits hold, and the end of that program is the end of it.
#[test]
fn stopping_everything_does_not_stop_the_server() {
    let session = start(wall());
    let stop = libc::SIGSTOP.to_string();
    let start = Instant::now();
    let mut flood = goes_off(&session, &["live", "flood", "-1", &stop, "25000"]);
    let mut limited = None;
    let mut refused = None;
    while refused.is_none() && start.elapsed() < Duration::from_secs(10) {
        let mut command = session.command("sleep");
        match command
            .arg("1000")
            .timeout(Duration::from_millis(200))
            .spawn()
        {
            Ok(child) => limited = Some(child),
            Err(error) => refused = Some(error),
        }
    }
    // On a machine that is quick enough every program is executed before it is stopped.
    if let Some(error) = refused {
        assert!(matches!(error, SpawnError::Host(_)), "{error:?}");
        assert!(error.to_string().contains("SIGSTOP"), "{error}");
    }
    if let Some(mut limited) = limited {
        assert!(limited.wait().expect("wait").timed_out());
    }
    assert!(flood.try_wait().expect("wait").is_none());
    flood.kill().expect("kill");
    assert_eq!(flood.wait().expect("wait").signal(), Some(9));
    serves(&session);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    // What the signal does where nobody stands above: a process outside is stopped by it.
    let bystander = Bystander::new();
    let pid = bystander.id();
    assert!(done(&one_outside(&["processes", "kill", &pid, &stop])));
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("alive");
    let until = Instant::now() + PATIENCE;
    while !stat().contains(") T ") {
        assert!(Instant::now() < until, "{}", stat());
    }
    let resume = libc::SIGCONT.to_string();
    assert!(done(&one_outside(&["processes", "kill", &pid, &resume])));
}

#[test]
fn the_server_of_a_session_keeps_its_limits() {
    for resource in [
        libc::RLIMIT_NOFILE,
        libc::RLIMIT_NPROC,
        libc::RLIMIT_AS,
        libc::RLIMIT_CPU,
        libc::RLIMIT_DATA,
        libc::RLIMIT_STACK,
    ] {
        let session = start(wall());
        let resource = resource.to_string();
        let answer = attack(&session, &["live", "limit", "1", &resource]);
        serves(&session);
        assert_eq!(answer, "EPERM", "resource {resource}");
    }
    let bystander = Bystander::new();
    let resource = libc::RLIMIT_CORE.to_string();
    assert!(done(&one_outside(&[
        "live",
        "limit",
        &bystander.id(),
        &resource
    ])));
}

#[test]
fn thousands_of_orphans_are_reaped() {
    let session = start(wall());
    let start = Instant::now();
    let mut storm = session.command(INSIDE);
    storm
        .args(["live", "orphans", "4000"])
        .stdout(Stdio::piped());
    let storm = storm.timeout(PATIENCE).spawn().expect("started");
    let mut limited = session.command("sleep");
    let limited = limited
        .arg("1000")
        .timeout(Duration::from_millis(100))
        .status();
    assert!(limited.expect("sleep").timed_out());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    serves(&session);
    let output = storm.wait_with_output().expect("wait");
    assert_eq!(output.stdout, b"done\n");
    // No zombie is left of them: init, and who asks.
    let until = Instant::now() + PATIENCE;
    while attack(&session, &["processes", "list"]).split(' ').count() != 3 {
        assert!(Instant::now() < until);
    }
}

#[test]
fn commands_of_a_session_hold_their_own_streams_alone() {
    let session = start(wall());
    let mut others: Vec<Child> = (0..5)
        .map(|_| goes_off(&session, &["processes", "hold"]))
        .collect();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..5 {
        let answer = attack(&session, &["processes", "descriptors"]);
        let all: Vec<&str> = answer.split(' ').skip(1).collect();
        let numbers: Vec<&str> = all.iter().filter_map(|one| one.split('=').next()).collect();
        assert_eq!(numbers, ["0", "1", "2"], "{answer}");
        let pipes = all.iter().filter(|one| one.contains("pipe:"));
        let links: Vec<String> = pipes
            .filter_map(|one| one.split('=').nth(1).map(str::to_owned))
            .collect();
        assert!(
            links.iter().all(|link| !seen.contains(link)),
            "{answer}: {seen:?}"
        );
        seen.extend(links);
    }
    for other in &mut others {
        assert!(other.try_wait().expect("wait").is_none());
    }
    // The control: outside a descriptor that was left open gets in.
    let (read, _write) = std::io::pipe().expect("a pipe");
    let fd = std::os::fd::AsRawFd::as_raw_fd(&read);
    let mut leaky = Command::new(ATTACKER);
    leaky.args(["processes", "descriptors"]);
    // SAFETY: between fork and exec only fcntl(2) is called, which touches no memory.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut leaky, move || {
            libc::fcntl(fd, libc::F_DUPFD, 700);
            Ok(())
        });
    }
    let output = leaky.output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(" 700=pipe:"), "{text}");
}

/// A program that speaks like init is taken for what it is: a program that wrote something.
#[test]
fn imitating_the_server_gives_nothing() {
    let session = start(wall());
    let mut command = session.command(INSIDE);
    let output = command.args(["live", "imitate"]).output().expect("started");
    // Standard output and error, and no socket to anybody.
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.ends_with("\ndone 3\n") || text.ends_with("\ndone 2\n"),
        "{text:?}"
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (output.stdout.len() > 104, output.stderr.len()),
        (true, 104)
    );
    serves(&session);
    assert_eq!(
        attack(&session, &["processes", "list"]).split(' ').count(),
        3
    );
    // The control: with one descriptor more there is one more that takes it.
    let count = |script: &str| {
        let output = Command::new("sh").args(["-c", script, ATTACKER]).output();
        let text = String::from_utf8_lossy(&output.expect("started").stdout).into_owned();
        let last = text
            .lines()
            .last()
            .and_then(|line| line.strip_prefix("done "));
        last.expect("a number").parse::<u32>().expect("a number")
    };
    assert_eq!(
        count("exec \"$0\" live imitate 9>/dev/null"),
        count("exec \"$0\" live imitate") + 1
    );
}

/// Waits until what was killed is gone: a process counts until it has been reaped.
fn has_room(session: &Session) {
    let until = Instant::now() + PATIENCE;
    while session.command("true").status().is_err() {
        assert!(Instant::now() < until, "what was killed goes on");
    }
}

#[test]
fn a_crowd_under_the_limit_of_processes_is_ended_with_its_starter() {
    let session = start(wall().limits(|limits| limits.processes(60)));
    let mut crowd = goes_off(&session, &["live", "crowd", "59"]);
    let error = session.command("true").spawn().expect_err("full");
    assert!(matches!(error, SpawnError::Host(_)), "{error:?}");
    crowd.kill().expect("kill");
    crowd.wait().expect("wait");
    has_room(&session);
    serves(&session);
    // One that goes on forking.
    let bomb = "exec 2>/dev/null; bomb() { while :; do bomb & done; }; bomb & read line";
    let mut child = session
        .command("sh")
        .args(["-c", bomb])
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    std::thread::sleep(Duration::from_millis(300));
    child.kill().expect("kill");
    child.wait().expect("wait");
    has_room(&session);
    serves(&session);
    // The control: without the limit there is room for one more.
    let session = start(wall());
    let _crowd = goes_off(&session, &["live", "crowd", "59"]);
    serves(&session);
}

#[test]
fn a_full_tmp_is_a_matter_of_the_session() {
    let mib = cofferdam::Bytes::mib(2);
    let session = start(wall().filesystem(|files| files.tmp(mib)));
    let filled = attack(&session, &["live", "fill", "/tmp/full"]);
    let size: u64 = filled.trim_start_matches("done ").parse().expect("a size");
    assert!((1 << 20..=2 << 20).contains(&size), "{filled}");
    assert_eq!(
        attack(&session, &["files", "write", "/tmp/more", "more"]),
        "ENOSPC"
    );
    serves(&session);
    assert_eq!(attack(&session, &["files", "unlink", "/tmp/full"]), "done");
    assert_eq!(
        attack(&session, &["files", "write", "/tmp/more", "more"]),
        "done"
    );
    let path = format!("/tmp/{}", secret());
    assert!(done(&one_outside(&["files", "write", &path, "more"])));
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn sessions_do_not_see_each_other() {
    let name = secret();
    let (temporary, shared) = (format!("/tmp/{name}"), format!("/dev/shm/{name}"));
    let key = (std::process::id() as i32 | 0x2000_0000).to_string();
    let queue = format!("/{name}");
    let sandbox = build(wall());
    let session = sandbox.start().expect("started");
    let other = sandbox.start().expect("started");
    assert_eq!(
        attack(&session, &["files", "write", &temporary, "mine"]),
        "done"
    );
    assert_eq!(
        attack(&session, &["files", "write", &shared, "mine"]),
        "done"
    );
    let mut ipc = session.command(INSIDE);
    ipc.args(["ipc", "hold", &key, &queue])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut ipc = ipc.spawn().expect("started");
    let stdout = ipc.stdout.take().expect("piped");
    let first = BufReader::new(stdout).lines().next();
    assert!(first.expect("a line").expect("text").starts_with("ready"));
    let _serve = goes_off(&session, &["network", "serve-abstract", &name]);
    let _tcp = goes_off(&session, &["live", "serve", "7070", "mine"]);
    let finders: [(&[&str], &str); 5] = [
        (&["files", "read", &temporary], "ENOENT"),
        (&["files", "read", &shared], "ENOENT"),
        (&["ipc", "shm-by-key", &key], "ENOENT"),
        (&["network", "abstract", &name], "ECONNREFUSED"),
        (&["live", "fetch", "7070"], "ECONNREFUSED"),
    ];
    for (words, refusal) in finders {
        assert_eq!(attack(&other, words), refusal, "{words:?}");
        // The control: a command of the same session finds it.
        assert!(done(&attack(&session, words)), "{words:?}");
    }
    assert_eq!(attack(&other, &["processes", "list"]), "done 1 7");
    assert!(attack(&session, &["processes", "list"]).split(' ').count() > 4);
}
