//! What is recorded of environments and commands, and that nothing runs that is not.

use crate::recorded::{Recorded, recorded, under};
use crate::support::{is_root, lacks, marker, processes_with, sandbox, sh, within};
use cofferdam::audit::{Entry, Event, OnFailure};
use cofferdam::{BuildError, RunError, Sandbox, SpawnError, Stdio};
use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

const ONE: [&str; 4] = [
    "SessionStarted",
    "CommandStarted",
    "CommandEnded",
    "SessionEnded",
];

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_command_has_its_events_in_their_order() {
    let (sandbox, entries) = recorded(|builder| builder);
    let mut command = sh(&sandbox, "echo $GREETING; exit 3");
    command.env("GREETING", "hello").current_dir("/usr");
    let output = command.output().expect("the shell");
    // The control: it did what it says.
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(3), &b"hello\n"[..])
    );
    assert_eq!(entries.kinds(), ONE);
    let all = entries.own();
    let [session, started, ended, over] = &all[..] else {
        panic!("{all:?}");
    };
    let Event::SessionStarted {
        policy,
        enforcement,
        workspace,
        pid,
    } = &session.event
    else {
        panic!("{session:?}");
    };
    assert_eq!(policy.len(), 64, "SHA-256 in hexadecimal: {policy}");
    assert_eq!(workspace, &None);
    assert!(*pid > 1);
    assert_eq!(enforcement.len(), 6, "{enforcement:?}");
    assert!(
        enforcement.iter().all(|layer| layer.state == "enforced"),
        "{enforcement:?}"
    );
    assert_eq!(
        started.event,
        Event::CommandStarted {
            argv: ["sh", "-c", "echo $GREETING; exit 3"]
                .map(Into::into)
                .into(),
            cwd: "/usr".into(),
            variables: vec!["GREETING".into()],
        }
    );
    let Event::CommandEnded {
        code,
        signal,
        usage,
    } = &ended.event
    else {
        panic!("{ended:?}");
    };
    assert_eq!((code, signal), (&Some(3), &None));
    assert!(usage.wall_us > 0 && usage.max_rss > 0, "{usage:?}");
    assert_eq!(
        over.event,
        Event::SessionEnded {
            usage: usage.clone()
        }
    );
    let id = session.context.session;
    assert!(id.is_some() && all.iter().all(|entry| entry.context.session == id));
    let commands = all.iter().map(|entry| entry.context.command.is_some());
    assert!(commands.eq([false, true, true, false]), "{all:?}");
    assert!(all.is_sorted_by_key(|entry| entry.time));
}

#[test]
fn a_child_that_runs_is_recorded_before_it_ends() {
    let (sandbox, entries) = recorded(|builder| builder);
    let mut child = sandbox
        .command("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("cat");
    assert_eq!(entries.kinds(), ONE[..2]);
    let Event::SessionStarted { pid, .. } = entries.own()[0].event else {
        panic!("{:?}", entries.own());
    };
    assert_eq!(pid, child.id());
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
    assert_eq!(entries.kinds(), ONE);
    // Waiting again says nothing new.
    child.wait().expect("its end");
    drop(child);
    assert_eq!(entries.kinds(), ONE);
}

#[test]
fn a_child_that_is_dropped_has_ended() {
    let (sandbox, entries) = recorded(|builder| builder);
    drop(sh(&sandbox, "exec sleep 100").spawn().expect("the shell"));
    assert_eq!(entries.kinds(), ONE);
    let Event::CommandEnded { code, signal, .. } = entries.own()[2].event else {
        panic!("{:?}", entries.own());
    };
    assert_eq!((code, signal), (None, Some(9)));
}

#[test]
fn a_session_holds_its_commands_together() {
    let (sandbox, entries) = recorded(|builder| builder);
    let session = sandbox.start().expect("a session");
    let run = |span: Option<&str>| {
        let mut command = session.command("true");
        if let Some(span) = span {
            command.under(&under(span));
        }
        command.status().expect("true");
    };
    run(None);
    run(Some("00f067aa0ba902b7"));
    session.under(&under("00f067aa0ba902b8"));
    run(None);
    run(Some("00f067aa0ba902b9"));
    session.end();
    let command = &ONE[1..3];
    let expected = [&ONE[..1], command, command, command, command, &ONE[3..]].concat();
    assert_eq!(entries.kinds(), expected);
    let all = entries.own();
    let ids: BTreeSet<_> = all.iter().map(|entry| entry.context.session).collect();
    assert_eq!(ids.len(), 1);
    let commands: BTreeSet<_> = all.iter().filter_map(|one| one.context.command).collect();
    assert_eq!(commands.len(), 4);
    let spans = |entry: &Entry| entry.context.span.map(|span| span.to_string());
    let spans: Vec<_> = all.iter().map(spans).collect();
    let last = |digit: &str| Some(format!("00f067aa0ba902b{digit}"));
    let of = |digit: &str| [last(digit), last(digit)];
    let expected = [None, None, None].into_iter();
    let expected = expected.chain(of("7")).chain(of("8")).chain(of("9"));
    assert_eq!(spans, expected.chain([last("8")]).collect::<Vec<_>>());
    // A trace goes with each span.
    assert!(
        all.iter()
            .all(|one| one.context.trace.is_some() == one.context.span.is_some())
    );
}

#[test]
fn environments_of_a_pool_are_recorded_when_they_stand() {
    let (sandbox, entries) = recorded(|builder| builder);
    let pool = sandbox.pool(NonZero::<usize>::MIN).expect("a pool");
    assert!(pool.wait_ready(SOON));
    assert_eq!(entries.kinds(), ONE[..1]);
    pool.command("true")
        .under(&under("00f067aa0ba902b7"))
        .status()
        .expect("true");
    assert!(pool.wait_ready(SOON));
    drop(pool);
    let all = entries.own();
    let first = all[0].context.session;
    let (of_first, other): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|entry| entry.context.session == first);
    let kinds = |entries: Vec<Entry>| {
        let started = |one: &Entry| matches!(one.event, Event::SessionStarted { .. });
        let count = entries.len();
        (entries.iter().filter(|one| started(one)).count(), count)
    };
    assert!(
        of_first[1..3]
            .iter()
            .all(|entry| entry.context.span.is_some()),
        "{of_first:?}"
    );
    assert_eq!(kinds(of_first), (1, 4));
    // The one that took its place was never used.
    assert_eq!(kinds(other), (1, 2));
}

#[test]
fn what_cannot_be_started_is_recorded() {
    let (sandbox, entries) = recorded(|builder| builder);
    let failed = |entries: &Recorded| {
        let all = entries.own();
        let event = all.iter().rev().find_map(|entry| match &entry.event {
            Event::CommandFailed { argv, error } => Some((argv.clone(), error.clone())),
            _ => None,
        });
        event.unwrap_or_else(|| panic!("{all:?}"))
    };
    let error = sandbox
        .command("no-such-program")
        .spawn()
        .expect_err("none");
    let (argv, text) = failed(&entries);
    assert_eq!(
        (&argv[..], text),
        (&["no-such-program".to_owned()][..], error.to_string())
    );
    let kinds = [
        "SessionStarted",
        "CommandStarted",
        "CommandFailed",
        "SessionEnded",
    ];
    assert_eq!(entries.kinds(), kinds);

    // One that is refused before there is an environment.
    sandbox.command("a\0b").spawn().expect_err("a null byte");
    assert_eq!(entries.kinds()[4..], ["CommandFailed"]);
    let session = sandbox.start().expect("a session");
    session
        .command("no-such-program")
        .spawn()
        .expect_err("none");
    let ids: Vec<_> = entries.own()[5..]
        .iter()
        .map(|one| one.context.session)
        .collect();
    assert!(
        ids.iter().all(|id| id.is_some() && *id == ids[0]),
        "{ids:?}"
    );
    session
        .command("true")
        .status()
        .expect("the session goes on");
}

#[test]
fn nothing_runs_that_is_not_recorded() {
    let place = tempfile::tempdir().expect("a directory");
    let workspace = place.path().join("w");
    fs::create_dir(&workspace).expect("a directory");
    let made = workspace.join("made");
    let build = |refuses, on_failure| {
        let (audit, entries) = Recorded::refusing(refuses, on_failure);
        let builder = Sandbox::builder().workspace(&workspace).audit(audit);
        (builder.build().expect("a sandbox"), entries)
    };
    let marker = marker();
    let script = format!("touch made; exec sleep {marker}");
    let is_refused = |error: &SpawnError| {
        assert!(error.to_string().contains("the disk is full"), "{error}");
        matches!(error, SpawnError::Record(_))
    };
    let starts: [fn(&Event) -> bool; 2] = [
        |event| matches!(event, Event::SessionStarted { .. }),
        |event| matches!(event, Event::CommandStarted { .. }),
    ];
    for (number, refuses) in starts.into_iter().enumerate() {
        let (sandbox, entries) = build(refuses, OnFailure::Refuse);
        let error = sh(&sandbox, &script).spawn().expect_err("no record");
        assert!(is_refused(&error), "{error:?}");
        let error = sh(&sandbox, &script).output().expect_err("no record");
        assert!(
            matches!(error, RunError::Spawn(SpawnError::Record(_))),
            "{error:?}"
        );
        let started = sandbox.start();
        let pool = sandbox.pool(NonZero::<usize>::MIN);
        if number == 0 {
            assert!(is_refused(&started.expect_err("no record")));
            assert!(is_refused(&pool.expect_err("no record")));
            assert_eq!(entries.kinds(), [] as [&str; 0]);
        } else {
            let session = started.expect("a session");
            let error = session.command("sh").args(["-c", &script]).spawn();
            assert!(is_refused(&error.expect_err("no record")));
            assert!(session.is_alive());
            let error = pool
                .expect("a pool")
                .command("sh")
                .args(["-c", &script])
                .spawn();
            assert!(is_refused(&error.expect_err("no record")));
            drop(session);
            // What was put up is gone, and that is recorded.
            let count = |kind: &str| entries.kinds().iter().filter(|one| *one == kind).count();
            assert_eq!(count("SessionStarted"), count("SessionEnded"));
        }
        assert!(!made.exists());
        assert_eq!(processes_with(&marker), [] as [i32; 0]);
    }

    // The control: where that is chosen, it is done all the same.
    let (sandbox, _) = build(|_| true, OnFailure::Continue);
    let child = sh(&sandbox, &script).spawn().expect("the shell");
    assert!(within(SOON, || made.exists()
        && !processes_with(&marker).is_empty()));
    drop(child);
}

#[test]
fn an_end_that_cannot_be_recorded_is_an_end() {
    let (audit, entries) = Recorded::refusing(
        |event| {
            matches!(
                event,
                Event::CommandEnded { .. } | Event::SessionEnded { .. }
            )
        },
        OnFailure::Refuse,
    );
    let sandbox = Sandbox::builder().audit(audit).build().expect("a sandbox");
    assert!(sandbox.command("true").status().expect("true").success());
    sandbox.start().expect("a session").end();
    assert_eq!(entries.kinds(), [ONE[0], ONE[1], ONE[0]]);
}

#[test]
fn ids_are_unique_over_threads_and_sandboxes() {
    let (audit, entries) = Recorded::new();
    let build = || {
        Sandbox::builder()
            .audit(audit.clone())
            .build()
            .expect("a sandbox")
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sandbox = build();
                for _ in 0..5 {
                    sandbox.command("true").status().expect("true");
                }
            });
        }
    });
    let all = entries.own();
    let of = |wanted: fn(&Event) -> bool| all.iter().filter(move |one| wanted(&one.event));
    let sessions = of(|event| matches!(event, Event::SessionStarted { .. }));
    let commands = of(|event| matches!(event, Event::CommandStarted { .. }));
    let ids: BTreeSet<_> = sessions
        .map(|one| one.context.session)
        .chain(commands.map(|one| one.context.command))
        .collect();
    assert_eq!(ids.len(), 2 * 4 * 5);
    assert!(!ids.contains(&None));
    assert!(all.is_sorted_by_key(|entry| entry.time));
}

#[test]
fn what_is_concluded_is_recorded_before_the_end() {
    let (sandbox, entries) = recorded(|builder| builder);
    let script = "cat /srv/x; echo 'curl: (6) Could not resolve host: api.example.com' >&2; exit 6";
    let output = sh(&sandbox, script).output().expect("the shell");
    assert_eq!(output.denials.len(), 2, "{output:?}");
    let between = ["FileDenied", "Network"];
    let expected = [&ONE[..2], &between[..], &ONE[2..]].concat();
    assert_eq!(entries.kinds(), expected);
    let all = entries.own();
    let Event::FileDenied { path, denial, .. } = &all[2].event else {
        panic!("{all:?}");
    };
    assert_eq!((&**path, denial), ("/srv/x", &output.denials[0]));
    assert!(all[2].context.command.is_some());
    let Event::Network(network) = &all[3].event else {
        panic!("{all:?}");
    };
    assert_eq!(network.host, "api.example.com");
    assert_eq!(network.denial.as_ref(), Some(&output.denials[1]));
}

#[test]
fn a_time_limit_is_told() {
    let (recorded, entries) =
        recorded(|builder| builder.limits(|limits| limits.wall_clock(Duration::from_millis(100))));
    let output = sh(&recorded, "sleep 100").output().expect("the shell");
    assert!(output.status.timed_out());
    let all = entries.own();
    let hit = all.iter().find_map(|entry| match &entry.event {
        Event::LimitHit { limit, denial } => Some((limit, denial)),
        _ => None,
    });
    let (limit, denial) = hit.unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!(limit, "wall_clock");
    assert_eq!(output.denials, std::slice::from_ref(denial));
    let text = denial.for_model();
    assert!(
        text.contains("longer than 100ms") && text.contains("--timeout"),
        "{text}"
    );
    // The control: a command that ends in time, and one without a record.
    assert!(
        recorded
            .command("true")
            .output()
            .expect("true")
            .denials
            .is_empty()
    );
    let mut command = sandbox().command("sleep");
    let output = command
        .arg("100")
        .timeout(Duration::from_millis(100))
        .output();
    assert_eq!(output.expect("sleep").denials.len(), 1);
}

#[test]
fn a_memory_limit_is_told() {
    let (audit, entries) = Recorded::new();
    let builder = Sandbox::builder().limits(|limits| limits.memory_mib(48));
    let sandbox = match builder.audit(audit).build() {
        Ok(sandbox) => sandbox,
        Err(BuildError::Unavailable { reason, .. }) => {
            if is_root() {
                lacks("a control group that root may use");
            }
            println!("no control group for this user: {reason}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let hog = "exec dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null";
    let session = sandbox.start().expect("a session");
    let mut child = session
        .command("sh")
        .args(["-c", hog])
        .spawn()
        .expect("the shell");
    assert!(child.wait().expect("its end").oom_killed());
    assert_eq!(child.denials().len(), 1, "{:?}", child.denials());
    assert_eq!(child.denials(), session.denials());
    let text = child.denials()[0].for_model();
    assert!(
        text.contains("more memory than 48MiB") && text.contains("--memory"),
        "{text}"
    );
    let kinds = entries.kinds();
    let hit = kinds.iter().position(|kind| kind == "LimitHit");
    let end = kinds.iter().position(|kind| kind == "CommandEnded");
    assert!(hit.is_some() && hit < end, "{kinds:?}");
}
