//! Live sessions: refusals, limits, streams and the death of process 1.

use crate::sessions::{goes_on, says, session, sh};
use crate::support::{is_root, kill_from_outside, lacks, marker, processes_with, within};
use cofferdam::{Sandbox, SpawnError, Stdio};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn what_cannot_be_started_leaves_the_session_as_it_was() {
    let session = session();
    for round in 0..3 {
        let error = session
            .command("no-such-program")
            .spawn()
            .expect_err("missing");
        assert!(
            matches!(error, SpawnError::NotFound { .. }) && error.is_program(),
            "{error:?}"
        );
        let error = session.command("/tmp").spawn().expect_err("a directory");
        assert!(
            matches!(error, SpawnError::NotExecutable { .. }),
            "{error:?}"
        );
        says(
            &session,
            "echo '#!/no/such/interpreter' > /tmp/script; chmod 755 /tmp/script",
        );
        let error = session
            .command("/tmp/script")
            .spawn()
            .expect_err("no interpreter");
        assert!(matches!(error, SpawnError::NotFound { .. }), "{error:?}");
        let error = session
            .command("true")
            .current_dir("/no/such")
            .spawn()
            .expect_err("missing");
        match error {
            SpawnError::Directory { directory, errno } => {
                assert_eq!(
                    (directory.to_str(), errno.raw()),
                    (Some("/no/such"), libc::ENOENT)
                );
            }
            other => panic!("{other:?}"),
        }
        // MAX_ARG_STRLEN of execve(2): 32 pages, the NUL included.
        let fits = "x".repeat((128 << 10) - 1);
        let mut command = sh(&session, "echo ${#1} ${#LONG}");
        command.args(["sh", &fits]).env("LONG", &fits[..100_000]);
        assert_eq!(
            command.output().expect("fits").stdout,
            b"131071 100000\n",
            "{round}"
        );
        let mut command = session.command("true");
        let error = command.arg(fits + "x").spawn().expect_err("too long");
        assert!(
            matches!(&error, SpawnError::NotExecutable { errno, .. } if errno.raw() == libc::E2BIG),
            "{error:?}"
        );
        let mut command = session.command("true");
        command.env("LONG", "x".repeat(200_000));
        let error = command.spawn().expect_err("too long");
        assert!(
            matches!(&error, SpawnError::NotExecutable { errno, .. } if errno.raw() == libc::E2BIG),
            "{error:?}"
        );
        let all = (0..80).map(|_| "x".repeat(100_000));
        let error = session.command("true").args(all).spawn().expect_err("8 MB");
        assert!(
            matches!(&error, SpawnError::NotExecutable { errno, .. } if errno.raw() == libc::E2BIG),
            "{error:?}"
        );
        goes_on(&session);
    }
}

#[test]
fn the_limit_of_processes_is_for_all_commands_together() {
    let builder = Sandbox::builder().limits(|limits| limits.processes(6));
    let session = builder.build().expect("a limit").start().expect("started");
    let mut all: Vec<_> = (0..6)
        .map(|_| session.command("sleep").arg("1000").spawn().expect("sleep"))
        .collect();
    let error = session.command("true").spawn().expect_err("a seventh");
    match &error {
        SpawnError::Host(_) => assert!(
            error.to_string().contains("no process could be made"),
            "{error}"
        ),
        other => panic!("{other:?}"),
    }
    assert!(session.is_alive());
    drop(all.pop());
    assert!(
        session
            .command("true")
            .status()
            .expect("room for one")
            .success()
    );
}

#[test]
fn a_small_limit_of_open_files_is_a_clear_error() {
    let builder = Sandbox::builder().limits(|limits| limits.open_files(24));
    let session = builder.build().expect("a limit").start().expect("started");
    let mut all = Vec::new();
    let error = loop {
        assert!(all.len() < 24);
        match session.command("sleep").arg("1000").spawn() {
            Ok(child) => all.push(child),
            Err(error) => break error,
        }
    };
    println!("{} commands with 24 open files", all.len());
    assert!(matches!(error, SpawnError::Host(_)), "{error:?}");
    assert!(error.to_string().contains("Too many open files"), "{error}");
    // So it stays, and what runs goes on.
    assert!(matches!(
        session.command("true").spawn(),
        Err(SpawnError::Host(_))
    ));
    assert!(session.is_alive());
    for child in &mut all {
        assert!(child.try_wait().expect("wait").is_none());
    }
    drop(all.pop());
    assert!(
        session
            .command("true")
            .status()
            .expect("room for one")
            .success()
    );
    drop(all);
    assert_eq!(says(&session, "ulimit -n"), "24");
}

#[test]
fn output_comes_while_the_command_runs() {
    let session = session();
    let mut command = sh(&session, "while read line; do echo got $line; done");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shell");
    let mut stdin = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for n in 0..50 {
        writeln!(stdin, "{n}").expect("a reader");
        assert_eq!(
            lines.next().expect("a line").expect("text"),
            format!("got {n}")
        );
        if n % 10 == 0 {
            goes_on(&session);
        }
    }
    drop(stdin);
    assert!(child.wait().expect("wait").success());
    let big = sh(&session, "head -c 4M /dev/zero; head -c 4M /dev/zero >&2").output();
    let big = big.expect("the shell");
    assert_eq!((big.stdout.len(), big.stderr.len()), (4 << 20, 4 << 20));
}

#[test]
fn signals_reach_the_program_alone() {
    let session = session();
    let script = "trap 'echo got' USR1; echo ready; (trap '' USR1; sleep 1000) & wait; wait";
    let mut child = sh(&session, script)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shell");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    child.signal(libc::SIGUSR1).expect("a program");
    assert_eq!(lines.next().expect("a line").expect("text"), "got");
    child.kill().expect("kill");
    child.wait().expect("wait");
    assert!(child.signal(libc::SIGUSR1).is_err(), "it has ended");
}

#[test]
fn the_death_of_process_1_is_an_error_and_no_hang() {
    let session = session();
    let marker = marker();
    let script = format!("setsid sleep {marker} & sleep {marker}");
    let mut child = sh(&session, &script)
        .stdout(Stdio::null())
        .spawn()
        .expect("the shell");
    let mut other = session
        .command("sleep")
        .arg(&marker)
        .spawn()
        .expect("sleep");
    assert!(within(SOON, || processes_with(&marker).len() >= 4));
    kill_from_outside(session.id());
    for child in [&mut child, &mut other] {
        let status = child.wait().expect("wait");
        assert_eq!(
            (status.code(), status.signal()),
            (None, Some(libc::SIGKILL))
        );
    }
    let start = Instant::now();
    let error = session.command("true").spawn().expect_err("it is gone");
    assert!(matches!(error, SpawnError::SessionEnded(_)), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(!session.is_alive(), "its socket has closed");
    assert!(within(SOON, || processes_with(&marker).is_empty()));
    drop(session);
}

#[test]
fn memory_beyond_the_limit_ends_one_command() {
    let build = || {
        Sandbox::builder()
            .limits(|limits| limits.memory_mib(64))
            .build()
    };
    let sandbox = match build() {
        Ok(sandbox) => sandbox,
        Err(cofferdam::BuildError::Unavailable {
            layer: cofferdam::Layer::Cgroup,
            reason,
            ..
        }) => {
            if is_root() {
                lacks("a control group that root may use");
            }
            return println!("no control group for this user: {reason}");
        }
        Err(error) => panic!("{error:?}"),
    };
    let session = sandbox.start().expect("started");
    let mut bystander = session.command("sleep").arg("1000").spawn().expect("sleep");
    let hog = ["if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"];
    let status = session
        .command("dd")
        .args(hog)
        .stderr(Stdio::null())
        .status()
        .expect("dd");
    assert!(
        status.oom_killed() && status.signal() == Some(libc::SIGKILL),
        "{status}"
    );
    assert!(status.usage().peak_memory.expect("a peak") > 32 << 20);
    // The kernel takes the largest; init is the smallest.
    assert!(bystander.try_wait().expect("wait").is_none());
    goes_on(&session);
    let status = session.command("true").status().expect("true");
    assert!(
        !status.oom_killed(),
        "an old kill is not this command's: {status}"
    );
    drop(bystander);
    let end = session.end();
    assert!(end.usage.peak_memory.expect("a peak") > 32 << 20, "{end:?}");
}

#[test]
fn a_workspace_is_shared_with_the_host_and_between_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    let builder = Sandbox::builder().workspace(directory.path());
    let session = builder
        .build()
        .expect("a workspace")
        .start()
        .expect("started");
    says(&session, "echo inside > file");
    assert_eq!(
        fs::read_to_string(directory.path().join("file")).expect("read"),
        "inside\n"
    );
    fs::write(directory.path().join("new"), "outside").expect("write");
    assert_eq!(
        says(&session, "cat new; pwd"),
        format!("outside{}", directory.path().display())
    );
}
