//! Snapshots: sessions frozen under a name, and others that start from them.

use crate::support::lacks;
use crate::trees::*;
use cofferdam::policy::Upper;
use cofferdam::{BuildError, ChangeKind, Sandbox, Session, Snapshot, SnapshotError, SpawnError};
use cofferdam_tests::scenes::alone;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const BOTH: [bool; 2] = [false, true];

/// The test in a process of its own, with snapshots of its own.
fn alone(name: &str, test: impl FnOnce(&Path)) {
    alone::run(&format!("snapshots::{name}"), test);
}

fn freeze(session: Session, name: &str) -> Snapshot {
    session
        .snapshot(name)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn from(sandbox: &Sandbox, snapshot: &Snapshot) -> Session {
    sandbox
        .start_from(snapshot)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn forks_see_the_base_and_not_each_other() {
    alone("forks_see_the_base_and_not_each_other", |base| {
        for (number, disk) in BOTH.into_iter().enumerate() {
            let ground = Ground::in_directory(base);
            ground.fill();
            let before = ground.trace();
            let sandbox = ground.overlay(disk);
            let session = started(&sandbox);
            inside(&session, &["trees", "change", text(&ground.tree)]);
            let seen = ground.list_inside(&session);
            let snapshot = freeze(session, &format!("base-{number}"));
            let forks: Vec<Session> = (0..10).map(|_| from(&sandbox, &snapshot)).collect();
            for (number, fork) in forks.iter().enumerate() {
                same(&ground.list_inside(fork), &seen);
                script(
                    fork,
                    &format!("echo {number} > mine; echo {number} > modified; rm program"),
                );
            }
            for (number, fork) in forks.iter().enumerate() {
                let says = script(fork, "cat mine modified; test ! -e program");
                assert_eq!(says, format!("{number}\n{number}"));
                let all = changes(&fork.changes().expect("changes"));
                assert_eq!(all["mine"].kind, ChangeKind::Added);
                assert_eq!(
                    all["moved-file"].kind,
                    ChangeKind::Added,
                    "the base's are there"
                );
                assert!(!all.contains_key("program"));
            }
            drop(forks);
            // None of them has changed the snapshot.
            same(&ground.list_inside(&from(&sandbox, &snapshot)), &seen);
            assert_eq!(ground.trace(), before);
            let found = snapshot.changes().expect("changes");
            assert!(apply_all(&found).applied > 20);
            same(&ground.list(), &seen);
            drop(sandbox);
            assert!(ground.stored().is_empty(), "{:?}", ground.stored());
            snapshot.remove().expect("removed");
        }
        assert!(Snapshot::list().expect("a list").is_empty());
    });
}

#[test]
fn a_chain_of_snapshots() {
    alone("a_chain_of_snapshots", |base| {
        for disk in BOTH {
            let ground = Ground::in_directory(base);
            ground.fill();
            let sandbox = ground.overlay(disk);
            let session = started(&sandbox);
            script(&session, "echo 0 > chain; rm removed");
            let mut last = freeze(session, "link-0");
            assert_eq!(last.parent(), None);
            for number in 1..6 {
                let session = from(&sandbox, &last);
                script(
                    &session,
                    &format!(
                        "test $(cat chain) = {}; echo {number} > chain; echo {number} > n{number}
                         rm -r made-anew; mkdir made-anew; echo {number} > made-anew/only-{number}",
                        number - 1
                    ),
                );
                let before = last.name().to_owned();
                last = freeze(session, &format!("link-{number}"));
                assert_eq!(last.parent(), Some(&*before));
            }
            let session = from(&sandbox, &last);
            assert_eq!(
                script(&session, "ls made-anew; ls -d n?").replace('\n', " "),
                "only-5 n1 n2 n3 n4 n5"
            );
            let mut seen = ground.list_inside(&session);
            script(&session, "touch more");
            let all = changes(&session.changes().expect("changes"));
            assert_eq!(all["more"].kind, ChangeKind::Added);
            drop(session);
            let last = Snapshot::open("link-5").expect("it is there");
            let found = last.changes().expect("changes");
            let all = changes(&found);
            assert_eq!(all["removed"].kind, ChangeKind::Removed);
            assert_eq!(all["chain"].kind, ChangeKind::Added);
            assert_eq!(all["made-anew/old"].kind, ChangeKind::Removed);
            assert!(!all.contains_key("made-anew/only-4") && !all.contains_key("more"));
            // What differs between two of them.
            let comparison = last
                .compare(&Snapshot::open("link-3").expect("there"))
                .expect("a comparison");
            let [overlay] = comparison.overlays() else {
                panic!("{comparison:?}")
            };
            let mut differ: Vec<String> = Vec::new();
            for change in overlay.changes().expect("readable") {
                let change = change.expect("readable");
                differ.push(format!("{} {}", change.kind.name(), change.path.display()));
                if change.path.ends_with("chain") {
                    let cofferdam::Diff::Text(diff) = overlay.diff(&change).expect("a difference")
                    else {
                        panic!("no text")
                    };
                    assert!(
                        diff.to_string().contains("-5") && diff.to_string().contains("+3"),
                        "{diff}"
                    );
                }
            }
            differ.sort();
            let expected = [
                "added made-anew/only-3",
                "modified chain",
                "removed made-anew/only-5",
                "removed n4",
                "removed n5",
            ];
            assert_eq!(differ, expected);
            apply_all(&found);
            seen.retain(|line| !line.starts_with("\"more\""));
            same(&ground.list(), &seen);
            // Only from the end.
            let error = Snapshot::open("link-2")
                .expect("there")
                .remove()
                .expect_err("in use");
            assert!(
                matches!(&error, SnapshotError::InUse { by, .. } if by == "link-3"),
                "{error}"
            );
            drop(found);
            for number in (0..6).rev() {
                let one = Snapshot::open(&format!("link-{number}")).expect("there");
                one.remove().unwrap_or_else(|error| panic!("{error}"));
            }
            assert!(Snapshot::list().expect("a list").is_empty());
        }
    });
}

#[test]
fn starting_takes_the_same_time_however_large_the_layer_is() {
    alone(
        "starting_takes_the_same_time_however_large_the_layer_is",
        |base| {
            let ground = Ground::in_directory(base);
            let sandbox = ground.overlay(false);
            let snapshots = ["10", "5000"].map(|count| {
                let session = started(&sandbox);
                inside(
                    &session,
                    &["trees", "many", text(&ground.tree.join("many")), count],
                );
                freeze(session, &format!("files-{count}"))
            });
            // One after the other, so that other load meets both alike.
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..9 {
                for (snapshot, times) in snapshots.iter().zip(&mut times) {
                    let start = Instant::now();
                    let session = from(&sandbox, snapshot);
                    times.push(start.elapsed());
                    drop(session);
                }
            }
            let [small, large] = times.map(|mut times| {
                times.sort();
                times[times.len() / 2]
            });
            println!("median of 9 starts: {small:?} from 10 files, {large:?} from 5,000");
            assert!(
                large < small * 2 + Duration::from_millis(5),
                "{small:?}, {large:?}"
            );
        },
    );
}

#[test]
fn what_is_refused() {
    alone("what_is_refused", |base| {
        let ground = Ground::in_directory(base);
        ground.fill();
        let sandbox = ground.overlay(false);
        let mut session = started(&sandbox);
        script(&session, "echo kept > kept-file");
        let long = "x".repeat(65);
        for name in [
            "", ".", "..", ".x", "-x", "a/b", "a b", "ä", "a\0", "../x", &long,
        ] {
            let error = session.snapshot(name).expect_err("no name");
            let SnapshotError::Refused { error: inner, .. } = &error else {
                panic!("{error}")
            };
            assert!(
                matches!(&**inner, SnapshotError::Name(_)),
                "{name:?}: {error}"
            );
            // It works on as if nothing had been.
            session = error.into_session().expect("the session");
            assert_eq!(script(&session, "cat kept-file"), "kept", "{name:?}");
            assert!(matches!(Snapshot::open(name), Err(SnapshotError::Name(_))));
        }
        let first = freeze(session, "first");
        let session = started(&sandbox);
        let error = session.snapshot("first").expect_err("taken");
        let session = error.into_session().expect("the session");
        script(&session, "test ! -e kept-file");
        drop(session);
        let error = Snapshot::open("other").expect_err("none");
        assert!(matches!(error, SnapshotError::NotFound(_)), "{error}");

        let direct = build(with_attacker().workspace(&ground.tree));
        let error = started(&direct).snapshot("direct").expect_err("no overlay");
        let SnapshotError::Refused { error: inner, .. } = &error else {
            panic!("{error}")
        };
        assert!(matches!(&**inner, SnapshotError::NoOverlay), "{error}");
        script(&error.into_session().expect("the session"), "true");

        // Another directory as an overlay, and none.
        let elsewhere = Ground::in_directory(base);
        let other = elsewhere.overlay(false);
        for sandbox in [&other, &direct] {
            let error = sandbox.start_from(&first).expect_err("another policy");
            let SpawnError::Prepare(inner) = &error else {
                panic!("{error}")
            };
            assert!(
                matches!(&**inner, BuildError::SnapshotPath { .. }),
                "{error}"
            );
        }
        assert_eq!(Snapshot::list().expect("a list"), ["first"]);
        // A session that began before it is removed goes on; no other begins.
        let gone = first.clone();
        first.remove().expect("removed");
        sandbox.start_from(&gone).expect_err("it is gone");
        assert!(gone.changes().is_err());
        assert!(gone.remove().is_err());
        assert_eq!(Snapshot::list().expect("a list"), [] as [String; 0]);
    });
}

#[test]
fn hostile_contents_survive() {
    alone("hostile_contents_survive", |base| {
        for disk in BOTH {
            let ground = Ground::in_directory(base);
            ground.fill();
            let sandbox = ground.overlay(disk);
            let session = started(&sandbox);
            inside(&session, &["trees", "change", text(&ground.tree)]);
            inside(
                &session,
                &["trees", "deep", text(&ground.tree.join("deep")), "200"],
            );
            script(
                &session,
                "mkdir closed; echo x > closed/file; ln -s /etc/passwd out; mkfifo pipe
                 printf x > \"$(printf 'odd\\nname')\"; ln modified again; chmod 0 closed/file closed modified",
            );
            for path in ["made-anew", "modified"] {
                // What the overlay itself goes by must not be a program's to write.
                let path = text(&ground.tree.join(path)).to_owned();
                for (name, value) in [("opaque", "y"), ("redirect", "/kept"), ("whiteout", "y")] {
                    inside(
                        &session,
                        &[
                            "trees",
                            "attribute",
                            &path,
                            &format!("user.overlay.{name}"),
                            value,
                        ],
                    );
                    let trusted = format!("trusted.overlay.{name}");
                    assert_eq!(
                        inside(&session, &["trees", "attribute", &path, &trusted, value]),
                        "EPERM"
                    );
                }
            }
            let seen = ground.list_inside(&session);
            let live = kinds_of(&session);
            let snapshot = freeze(session, "hostile");
            let session = from(&sandbox, &snapshot);
            same(&ground.list_inside(&session), &seen);
            assert_eq!(kinds_of(&session), live);
            drop(session);
            let all = changes(&snapshot.changes().expect("changes"));
            let all: Vec<String> = all
                .values()
                .map(|change| format!("{} {:?}", change.kind.name(), change.path))
                .collect();
            assert_eq!(all, live);
            snapshot.remove().unwrap_or_else(|error| panic!("{error}"));
            assert!(Snapshot::list().expect("a list").is_empty());
        }
        let left = fs::read_dir(base.parent().expect("above").join("state")).expect("the state");
        let left: Vec<_> = left
            .flatten()
            .map(|entry| entry.path().join("snapshots"))
            .collect();
        for snapshots in left {
            assert_eq!(
                fs::read_dir(&snapshots).expect("it is there").count(),
                0,
                "{snapshots:?}"
            );
        }
    });
}

/// What changed, as a session tells it.
fn kinds_of(session: &Session) -> Vec<String> {
    let all = changes(&session.changes().expect("changes"));
    let line = |change: &cofferdam::Change| format!("{} {:?}", change.kind.name(), change.path);
    all.values().map(line).collect()
}

#[test]
fn layers_on_another_file_system_are_copied() {
    alone("layers_on_another_file_system_are_copied", |base| {
        let memory = base.join("memory");
        if !mount_memory(&memory, 64 << 20) {
            return;
        }
        let ground = Ground::in_directory(base);
        ground.fill();
        let store = Ground::in_directory(&memory);
        let upper = Upper::Disk(Some(store.store.clone()));
        let builder = with_attacker().overlay_workspace(&ground.tree);
        let sandbox = build(builder.filesystem(|files| files.upper(upper)));
        let session = match sandbox.start() {
            Ok(session) => session,
            // Extended attributes of the user came with Linux 6.6.
            Err(error) => return lacks(&format!("overlays with layers in a tmpfs: {error}")),
        };
        inside(&session, &["trees", "change", text(&ground.tree)]);
        let seen = ground.list_inside(&session);
        let snapshot = freeze(session, "copied");
        drop(sandbox);
        assert!(store.stored().is_empty(), "{:?}", store.stored());
        let sandbox = ground.overlay(true);
        same(&ground.list_inside(&from(&sandbox, &snapshot)), &seen);
        apply_all(&snapshot.changes().expect("changes"));
        same(&ground.list(), &seen);
    });
}
