//! What is recorded of files: held back, applied, thrown away, taken away.

use crate::recorded::{Recorded, recorded};
use crate::support::{is_root, sh};
use cofferdam::audit::{Event, OnFailure};
use cofferdam::policy::Upper;
use cofferdam::{ApplyError, Denial, Sandbox};
use cofferdam_tests::scenes::alone;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A workspace that the user of the sandbox can reach.
struct Ground {
    _outer: TempDir,
    work: PathBuf,
    disk: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let outer = tempfile::tempdir().expect("a directory");
        let (work, disk) = (outer.path().join("work"), outer.path().join("disk"));
        fs::create_dir(&work).expect("a directory");
        fs::create_dir(&disk).expect("a directory");
        if is_root() {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(outer.path(), open).expect("its mode");
        }
        fs::write(work.join("old"), "old").expect("a file");
        Self {
            _outer: outer,
            work,
            disk,
        }
    }

    fn upper(&self, disk: bool) -> Upper {
        match disk {
            true => Upper::Disk(Some(self.disk.clone())),
            false => Upper::default(),
        }
    }

    fn overlay(&self, disk: bool) -> (Sandbox, Recorded) {
        recorded(|builder| {
            builder
                .overlay_workspace(&self.work)
                .filesystem(|files| files.upper(self.upper(disk)))
        })
    }

    fn at(&self, name: &str) -> String {
        self.work.join(name).to_str().expect("text").to_owned()
    }

    /// Path, change and state of each.
    fn expect(&self, files: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        let one = |(name, change, state): &(&str, &str, &str)| {
            (self.at(name), (*change).to_owned(), (*state).to_owned())
        };
        files.iter().map(one).collect()
    }
}

const CHANGE: &str = "echo new > new; rm old";
const HELD: [(&str, &str, &str); 2] = [("new", "added", "held"), ("old", "deleted", "held")];

fn run(sandbox: &Sandbox, script: &str) -> cofferdam::Session {
    let session = sandbox.start().expect("a session");
    let status = session.command("sh").args(["-c", script]).status();
    assert!(status.expect("the shell").success());
    session
}

#[test]
fn changes_are_held_and_then_applied_or_discarded() {
    for disk in [false, true] {
        let ground = Ground::new();
        let (sandbox, entries) = ground.overlay(disk);
        let session = run(&sandbox, CHANGE);
        assert_eq!(entries.files(), [], "nothing before its end");
        let changes = session.changes().expect("changes");
        session.end();
        assert_eq!(entries.files(), ground.expect(&HELD));
        let [overlay] = changes.overlays() else {
            panic!("{changes:?}");
        };
        let applied = overlay.apply(|change| change.path == Path::new("new"));
        assert_eq!(applied.expect("it can be applied").applied, 1);
        assert!(Path::new(&ground.at("new")).exists() && Path::new(&ground.at("old")).exists());
        let applied = ("new", "added", "applied");
        let so_far = [&HELD[..], &[applied]].concat();
        assert_eq!(entries.files(), ground.expect(&so_far));
        drop(changes);
        let all = [&so_far[..], &[("old", "deleted", "discarded")]].concat();
        assert_eq!(entries.files(), ground.expect(&all), "disk {disk}");
    }
}

#[test]
fn what_a_command_alone_changed_is_gone_with_it() {
    for disk in [false, true] {
        let ground = Ground::new();
        let (sandbox, entries) = ground.overlay(disk);
        assert!(sh(&sandbox, CHANGE).status().expect("the shell").success());
        let gone = HELD.map(|(name, change, _)| (name, change, "discarded"));
        assert_eq!(entries.files(), ground.expect(&gone), "disk {disk}");
        let kinds = entries.kinds();
        assert_eq!(kinds.last().map(String::as_str), Some("SessionEnded"));
    }
}

#[test]
fn what_is_not_applied_after_all_is_held_again() {
    let ground = Ground::new();
    let (sandbox, entries) = ground.overlay(false);
    let session = run(&sandbox, "echo mine > both");
    let changes = session.changes().expect("changes");
    session.end();
    fs::write(ground.at("both"), "the host's").expect("a file");
    let applied = changes.overlays()[0].apply(|_| true).expect("a look");
    assert_eq!((applied.applied, applied.conflicts.len()), (0, 1));
    drop(changes);
    let states: Vec<String> = entries
        .files()
        .into_iter()
        .map(|(_, _, state)| state)
        .collect();
    assert_eq!(states, ["held", "applied", "held", "discarded"]);
}

#[test]
fn nothing_is_applied_that_is_not_recorded() {
    let ground = Ground::new();
    let (audit, _) = Recorded::refusing(
        |event| matches!(event, Event::FileChanged { state, .. } if state == "applied"),
        OnFailure::Refuse,
    );
    let builder = Sandbox::builder().overlay_workspace(&ground.work);
    let sandbox = builder.audit(audit).build().expect("a sandbox");
    let session = run(&sandbox, CHANGE);
    let changes = session.changes().expect("changes");
    session.end();
    let error = changes.overlays()[0]
        .apply(|_| true)
        .expect_err("no record");
    assert!(matches!(error, ApplyError::Record { .. }), "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(!Path::new(&ground.at("new")).exists() && Path::new(&ground.at("old")).exists());
}

#[test]
fn a_flood_of_changes_is_counted() {
    let ground = Ground::new();
    let (sandbox, entries) = ground.overlay(false);
    run(&sandbox, "for i in $(seq 1200); do : > $i; done").end();
    let held = entries.files();
    let states = held.iter().filter(|(_, _, state)| state == "held").count();
    assert_eq!(states, 1000);
    let all = entries.all();
    let more = all.iter().find_map(|entry| match &entry.event {
        Event::Suppressed { kind, count } => Some((kind.clone(), *count)),
        _ => None,
    });
    assert_eq!(more, Some(("file_changed".into(), 200)));
}

#[test]
fn a_dangerous_name_that_is_taken_away_is_recorded_and_told() {
    let ground = Ground::new();
    let (sandbox, entries) = recorded(|builder| builder.workspace(&ground.work));
    let output = sh(&sandbox, "echo layout > .envrc")
        .output()
        .expect("the shell");
    assert_eq!(output.status.taken_away().len(), 1, "{output:?}");
    assert_eq!(
        entries.files(),
        ground.expect(&[(".envrc", "added", "removed")])
    );
    let told: &[Denial] = &output.denials;
    assert_eq!(told.len(), 1, "{told:?}");
    let text = told[0].for_model();
    assert!(
        text.contains(".envrc") && text.contains("--unprotect"),
        "{text}"
    );
    // The control: any other name stays.
    let output = sh(&sandbox, "echo x > fine").output().expect("the shell");
    assert!(output.denials.is_empty() && Path::new(&ground.at("fine")).exists());
}

#[test]
fn what_a_snapshot_keeps_is_not_discarded() {
    let name = "record_of_changes::what_a_snapshot_keeps_is_not_discarded";
    alone::run(name, |_| {
        let ground = Ground::new();
        let (sandbox, entries) = ground.overlay(true);
        let snapshot = run(&sandbox, CHANGE).snapshot("kept").expect("a snapshot");
        assert_eq!(entries.files(), ground.expect(&HELD));
        let kinds = entries.kinds();
        assert_eq!(kinds.last().map(String::as_str), Some("Note"));
        // What starts from it is recorded, and its own changes are gone with it.
        let session = sandbox.start_from(&snapshot).expect("a session");
        assert_eq!(entries.kinds()[kinds.len()..], ["SessionStarted"]);
        let mut command = session.command("cat");
        assert!(
            command
                .arg(ground.at("new"))
                .status()
                .expect("cat")
                .success()
        );
        drop(session);
        let states: Vec<String> = entries
            .files()
            .into_iter()
            .map(|(_, _, state)| state)
            .collect();
        assert_eq!(
            states,
            ["held", "held", "held", "held", "discarded", "discarded"]
        );
        snapshot.remove().expect("it can be removed");
    });
}
