//! Live sessions: many commands in one environment, and what is left of it.

use crate::support::{marker, processes_with, sandbox, within};
use cofferdam::{Command, Sandbox, Session, SpawnError, Stdio};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

pub fn session() -> Session {
    sandbox().start().expect("the default policy")
}

pub fn sh(session: &Session, script: &str) -> Command {
    let mut command = session.command("sh");
    command.args(["-c", script]);
    command
}

/// What a script writes to standard output, without the last line break.
pub fn says(session: &Session, script: &str) -> String {
    let output = sh(session, script).output().expect("the shell runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.is_empty(), "{script}: {error}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// The session is as good as new.
pub fn goes_on(session: &Session) {
    assert_eq!(says(session, "echo alive"), "alive");
    assert!(session.is_alive());
}

#[test]
fn commands_have_their_own_streams_variables_directories_and_ends() {
    let session = session();
    let mut children: Vec<_> = (0..20)
        .map(|n: i32| {
            let script = format!(
                "read line; echo $line $N $PWD; echo err{n} >&2; [ {n} -lt 10 ] || kill -10 $$; exit {n}"
            );
            let mut command = sh(&session, &script);
            command
                .env("N", n.to_string())
                .current_dir(if n % 2 == 0 { "/tmp" } else { "/usr" })
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            (n, command.spawn().expect("the shell"))
        })
        .collect();
    // In another order than they were started in.
    children.reverse();
    for (n, mut child) in children {
        assert_eq!(child.id(), session.id());
        assert!(child.enforcement().is_full());
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(format!("in{n}\n").as_bytes())
            .expect("a reader");
        let output = child.wait_with_output().expect("wait");
        let place = if n % 2 == 0 { "/tmp" } else { "/usr" };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("in{n} {n} {place}\n"));
        assert_eq!(output.stderr, format!("err{n}\n").as_bytes());
        let status = output.status;
        match n {
            ..10 => assert_eq!((status.code(), status.signal()), (Some(n), None)),
            _ => assert_eq!((status.code(), status.signal()), (None, Some(10))),
        }
        assert!(!status.timed_out() && !status.oom_killed());
    }
    assert!(session.enforcement().is_full());
}

#[test]
fn figures_are_those_of_each_command() {
    let session = session();
    let burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let mut busy = sh(&session, burn).spawn().expect("the shell");
    let idle = session.command("sleep").arg("0.2").status().expect("sleep");
    let busy = busy.wait().expect("wait");
    let cpu = |status: &cofferdam::ExitStatus| status.usage().user + status.usage().system;
    assert!(
        cpu(&busy) > 4 * cpu(&idle) && cpu(&busy) > Duration::from_millis(40),
        "{:?} and {:?}",
        busy.usage(),
        idle.usage()
    );
    assert!(idle.usage().wall >= Duration::from_millis(200));
    assert!(idle.usage().wall < SOON);
    let rss = idle.usage().max_rss;
    assert!((100 << 10..64 << 20).contains(&rss), "{rss}");
    // What a program waited for is in its figures.
    let parent = sh(&session, &format!("sh -c '{burn}'; :")).status();
    assert!(cpu(&parent.expect("the shell")) > Duration::from_millis(40));
}

#[test]
fn time_limits_are_those_of_each_command() {
    let builder = Sandbox::builder().limits(|limits| limits.wall_clock(Duration::from_millis(700)));
    let session = builder.build().expect("a limit").start().expect("started");
    let start = Instant::now();
    let mut policy = session.command("sleep").arg("1000").spawn().expect("sleep");
    let mut short = session.command("sleep");
    short.arg("1000").timeout(Duration::from_millis(200));
    let mut short = short.spawn().expect("sleep");
    assert!(short.wait().expect("wait").timed_out());
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(200) && took < Duration::from_millis(600),
        "{took:?}"
    );
    assert!(policy.try_wait().expect("wait").is_none());
    let status = policy.wait().expect("wait");
    assert!(
        status.timed_out() && status.signal() == Some(libc::SIGKILL),
        "{status}"
    );
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(700) && took < SOON,
        "{took:?}"
    );
    // The limit is for each command, not for the session.
    goes_on(&session);
}

#[test]
fn what_is_left_in_the_background_serves_later_commands() {
    const ATTACKER: &str = env!("CARGO_BIN_EXE_attacker");
    let rule = cofferdam::policy::PathRule::read(ATTACKER).at("/server");
    let builder = Sandbox::builder().filesystem(|files| files.rule(rule));
    let session = builder.build().expect("a policy").start().expect("started");
    // Started by a shell that ends at once.
    let script =
        "/server live serve 8000 hello > /tmp/log & until [ -s /tmp/log ]; do sleep 0.01; done";
    assert!(
        sh(&session, script)
            .stdout(Stdio::null())
            .status()
            .expect("the shell")
            .success()
    );
    assert_eq!(says(&session, "/server live fetch 8000"), "done hello");
    // And one that is a command itself.
    let mut server = session.command("/server");
    server
        .args(["live", "serve", "8001", "other"])
        .stdout(Stdio::piped());
    let mut server = server.spawn().expect("the server");
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    assert_eq!(says(&session, "/server live fetch 8001"), "done other");
    // Neither is reached from another session, nor from outside.
    let other = sandbox_of(&session).start().expect("started");
    assert_eq!(says(&other, "/server live fetch 8001"), "ECONNREFUSED");
    drop(server);
    assert_eq!(says(&session, "/server live fetch 8001"), "ECONNREFUSED");
    assert_eq!(says(&session, "/server live fetch 8000"), "done hello");

    /// Another sandbox of the same policy.
    fn sandbox_of(_: &Session) -> Sandbox {
        let rule = cofferdam::policy::PathRule::read(ATTACKER).at("/server");
        let builder = Sandbox::builder().filesystem(|files| files.rule(rule));
        builder.build().expect("a policy")
    }
}

/// A file as standard output: the host copies to it from a pipe, which the daemon holds as well.
#[test]
fn a_daemon_that_holds_a_stream_does_not_hold_its_starter() {
    let session = session();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let script = "echo before; (setsid sh -c 'sleep 0.5; echo later; exec sleep 1000' &)";
    let start = Instant::now();
    let status = sh(&session, script)
        .stdout(File::create(&path).expect("a file"))
        .status();
    assert!(status.expect("the shell").success());
    assert!(
        start.elapsed() < Duration::from_millis(450),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(fs::read_to_string(&path).expect("the file"), "before\n");
    // What it writes later arrives all the same.
    let later = || fs::read_to_string(&path).expect("the file") == "before\nlater\n";
    assert!(within(SOON, later));
    // Without a daemon all is there at once.
    let script = "head -c 3M /dev/zero";
    let status = sh(&session, script)
        .stdout(File::create(&path).expect("a file"))
        .status();
    assert!(status.expect("the shell").success());
    assert_eq!(fs::metadata(&path).expect("the file").len(), 3 << 20);
}

/// How a command's end comes, but for its own doing.
type End = (&'static str, fn(cofferdam::Child));

fn ends() -> [End; 3] {
    [
        ("kill", |mut child| {
            child.kill().expect("kill");
            let status = child.wait().expect("wait");
            assert_eq!((status.code(), status.signal()), (None, Some(9)));
            child.kill().expect("killing what has ended is no error");
        }),
        ("drop", drop),
        ("time limit", |mut child| {
            assert!(child.wait().expect("wait").timed_out());
        }),
    ]
}

#[test]
fn daemons_outlive_their_starter_and_others_do_not() {
    let session = session();
    for (how, end) in ends() {
        let (stays, goes) = (marker(), marker());
        let script = format!(
            "trap '' TERM HUP
             setsid sleep {stays} </dev/null >/dev/null 2>&1 &
             (sleep {goes} & wait) & bash -mc 'sleep {goes} & wait' 2>/dev/null & sleep {goes}"
        );
        let mut command = sh(&session, &script);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if how == "time limit" {
            command.timeout(Duration::from_millis(600));
        }
        let child = command.spawn().expect("the shell");
        // setsid(1) has made its session when it has become the other program.
        let is_sleep = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"sleep")
        };
        let stands = || processes_with(&stays).iter().any(is_sleep);
        let started = || processes_with(&goes).len() >= 5 && stands();
        assert!(within(SOON, started), "{how}: {:?}", processes_with(&goes));
        end(child);
        assert!(
            within(Duration::from_secs(1), || processes_with(&goes).is_empty()),
            "{how}: {:?}",
            processes_with(&goes)
        );
        assert!(!processes_with(&stays).is_empty(), "{how}");
        goes_on(&session);
    }
    // What a shell leaves in the background when it ends by itself goes on as well.
    let stays = marker();
    let script = format!("sleep {stays} </dev/null >/dev/null 2>&1 &");
    assert!(sh(&session, &script).status().expect("the shell").success());
    thread::sleep(Duration::from_millis(50));
    assert_eq!(processes_with(&stays).len(), 1);
    session.end();
    assert_eq!(processes_with(&stays), [] as [i32; 0]);
}

#[test]
fn files_last_as_long_as_the_session() {
    let sandbox = sandbox();
    let session = sandbox.start().expect("started");
    for place in ["/tmp", "$HOME", "/dev/shm", "/var/tmp"] {
        says(&session, &format!("echo kept > {place}/file"));
        assert_eq!(says(&session, &format!("cat {place}/file")), "kept");
        let elsewhere = format!("ls -A {place} | wc -l");
        let other = sandbox.start().expect("started");
        assert_eq!(says(&other, &elsewhere), "0", "{place}");
        let alone = sandbox.command("sh").args(["-c", &elsewhere]).output();
        assert_eq!(alone.expect("the shell").stdout, b"0\n", "{place}");
    }
    session.end();
    let next = sandbox.start().expect("started");
    assert_eq!(says(&next, "ls -A /tmp $HOME | grep -c file || true"), "0");
}

#[test]
fn dropping_a_session_leaves_nothing() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let session = session();
    let (init, marker) = (session.id(), marker());
    let script = format!("trap '' TERM HUP; setsid setsid sleep {marker} & sleep {marker}");
    let mut child = sh(&session, &script)
        .stdout(Stdio::null())
        .spawn()
        .expect("the shell");
    let mut command = session.command("true");
    assert!(within(SOON, || processes_with(&marker).len() >= 3));
    drop(session);
    assert_eq!(processes_with(&marker), [] as [i32; 0]);
    let stat = fs::read_to_string(format!("/proc/{init}/stat")).unwrap_or_default();
    assert!(!stat.contains("(init)"), "process 1 is still there: {stat}");
    assert_eq!(
        fs::read_to_string("/proc/self/mountinfo").expect("mounts"),
        mounts
    );
    // A child that outlives it has been killed.
    let status = child.wait().expect("wait");
    assert_eq!(
        (status.code(), status.signal()),
        (None, Some(libc::SIGKILL))
    );
    assert!(!status.timed_out());
    child.kill().expect("killing what has ended is no error");
    // And a command of it cannot be started any more.
    match command.spawn() {
        Err(error @ SpawnError::SessionEnded(_)) => {
            assert!(error.to_string().contains("session"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ending_a_session_tells_what_it_used() {
    let session = session();
    session
        .command("sleep")
        .arg("0.05")
        .status()
        .expect("sleep");
    let end = session.end();
    assert!(end.usage.wall >= Duration::from_millis(50), "{end:?}");
    assert!(end.taken_away.is_empty());
}

#[test]
fn sixteen_threads_start_commands_in_one_session() {
    const THREADS: usize = 16;
    let session = session();
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (session, together) = (&session, &together);
            scope.spawn(move || {
                together.wait();
                for round in 0..12 {
                    let long = "x".repeat(n * 4000);
                    let script = format!("echo $0 {n} {round} $1");
                    let output = sh(session, &script).args(["name", &long]).output();
                    let output = output.expect("the shell");
                    let said = String::from_utf8_lossy(&output.stdout).into_owned();
                    assert_eq!(
                        said.trim_end(),
                        format!("name {n} {round} {long}").trim_end()
                    );
                }
            });
        }
    });
    goes_on(&session);
}

/// Starting, killing, timing out and waiting all at once, for a bounded time.
#[test]
fn starting_while_others_end_mixes_nothing_up() {
    let session = session();
    let until = Instant::now() + Duration::from_secs(2);
    let started: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u64)
            .map(|n| {
                let session = &session;
                scope.spawn(move || {
                    let mut count = 0;
                    while Instant::now() < until {
                        count += 1;
                        match (n + count as u64) % 4 {
                            0 => {
                                let code = (count % 200) as i32;
                                let status = sh(session, &format!("exit {code}")).status();
                                assert_eq!(status.expect("the shell").code(), Some(code));
                            }
                            1 => {
                                let mut child =
                                    session.command("sleep").arg("1000").spawn().expect("sleep");
                                child.kill().expect("kill");
                                assert_eq!(child.wait().expect("wait").signal(), Some(9));
                            }
                            2 => drop(sh(session, "sleep 1000 & wait").spawn().expect("the shell")),
                            _ => {
                                let limit = Duration::from_millis(1 + n);
                                let status =
                                    session.command("sleep").arg("1000").timeout(limit).status();
                                assert!(status.expect("sleep").timed_out());
                            }
                        }
                    }
                    count
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"))
            .sum()
    });
    println!("{started} commands");
    assert!(started > 40, "{started}");
    let left = || says(&session, "set -- /proc/[0-9]*; echo $#");
    assert!(within(SOON, || left() == "2"), "{}", left());
}
