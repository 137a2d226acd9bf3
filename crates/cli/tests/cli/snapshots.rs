//! Sessions kept under a name.

use crate::common::{Ended, cofferdam, directory, end, run, text, walls};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A workspace, a place for an ordinary user's snapshots, and names that nobody else has: root's
/// are in one place. What is left is removed.
struct Scene {
    workspace: TempDir,
    state: TempDir,
    names: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let workspace = directory();
        let name = workspace
            .path()
            .file_name()
            .expect("a name")
            .to_string_lossy();
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        fs::write(workspace.path().join("file"), "zero\n").expect("write");
        Self {
            names: (0..4).map(|number| format!("{name}-{number}")).collect(),
            workspace,
            state: directory(),
        }
    }

    fn path(&self) -> &Path {
        self.workspace.path()
    }

    fn call(&self, arguments: &[&str]) -> Ended {
        end(cofferdam()
            .env("XDG_STATE_HOME", self.state.path())
            .args(arguments))
    }

    fn run(&self, options: &[&str], script: &str) -> Ended {
        let workspace = ["run", "--overlay", "-w", text(self.path())];
        self.call(&[&workspace, options, &["--", "sh", "-c", script]].concat())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for name in self.names.iter().rev() {
            self.call(&["snapshot", "remove", name]);
        }
    }
}

#[test]
fn a_session_is_kept_compared_continued_and_applied() {
    if !walls() {
        return;
    }
    let scene = Scene::new();
    let [one, two, ..] = &scene.names[..] else {
        panic!("names")
    };
    let saved = scene
        .run(
            &["--save", one],
            "echo one > file; echo made > made; exit 4",
        )
        .expect(4);
    assert!(saved.stderr.contains(&format!("--from {one}")), "{saved:?}");
    assert!(saved.stderr.contains("2 changes"), "{saved:?}");
    let file = || fs::read_to_string(scene.path().join("file")).expect("read");
    assert_eq!(file(), "zero\n");

    let continued = scene.run(
        &["--from", one, "--save", two],
        "cat file; echo two > file; rm made",
    );
    assert_eq!(continued.expect(0).stdout, "one\n");
    let listed = scene.call(&["snapshot", "list"]).expect(0).stdout;
    assert!(listed.lines().any(|line| line == one), "{listed}");
    assert!(
        listed
            .lines()
            .any(|line| line == format!("{two}  from {one}")),
        "{listed}"
    );

    let against_host = scene.call(&["diff", one]).expect(1).stdout;
    for part in ["-zero", "+one", "added         made"] {
        assert!(against_host.contains(part), "{part}: {against_host}");
    }
    let between = scene.call(&["diff", one, two]).expect(1).stdout;
    for part in ["-one", "+two", "removed       made"] {
        assert!(between.contains(part), "{part}: {between}");
    }
    assert_eq!(scene.call(&["diff", one, one]).expect(0).stdout, "");

    scene.call(&["snapshot", "remove", one]).expect(1);
    scene.call(&["snapshot", "apply", one, "made"]).expect(0);
    assert!(scene.path().join("made").exists());
    assert_eq!(file(), "zero\n");
    let unsaid = scene.call(&["snapshot", "apply", one]).expect(0);
    assert!(unsaid.stderr.contains("nothing was applied"), "{unsaid:?}");
    scene.call(&["snapshot", "apply", one, "all"]).expect(0);
    assert_eq!(file(), "one\n");

    scene.call(&["snapshot", "remove", two]).expect(0);
    scene.call(&["snapshot", "remove", one]).expect(0);
    let listed = scene.call(&["snapshot", "list"]).expect(0).stdout;
    assert!(!listed.contains(&**one), "{listed}");
}

#[test]
fn a_conflict_of_a_snapshot_is_122() {
    if walls() {
        let scene = Scene::new();
        let name = &scene.names[0];
        scene.run(&["--save", name], "echo one > file").expect(0);
        fs::write(scene.path().join("file"), "the host's own\n").expect("write");
        let ended = scene.call(&["snapshot", "apply", name, "all"]).expect(122);
        assert!(ended.stderr.contains("in conflict"), "{ended:?}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_before_anything_runs() {
    if walls() {
        let scene = Scene::new();
        let name = &scene.names[0];
        scene.run(&["--save", name], "true").expect(0);
        let ended = scene.run(&["--save", name], "echo ran").expect(125);
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains("already"), "{ended:?}");
    }
}

#[test]
fn a_snapshot_of_another_workspace_is_refused() {
    if walls() {
        let (scene, other) = (Scene::new(), Scene::new());
        let name = &scene.names[0];
        scene.run(&["--save", name], "echo x > file").expect(0);
        let mut command = cofferdam();
        command.env("XDG_STATE_HOME", scene.state.path());
        command.args(["run", "--overlay", "-w", text(other.path()), "--from", name]);
        let ended = end(command.args(["--", "echo", "ran"])).expect(125);
        assert_eq!(ended.stdout, "");
        assert!(
            ended.stderr.contains("policy it was made under"),
            "{ended:?}"
        );
    }
}

#[test]
fn what_is_not_there_is_said() {
    let scene = Scene::new();
    for arguments in [
        &["snapshot", "remove", "surely-not-there"][..],
        &["snapshot", "apply", "surely-not-there", "all"],
        &["snapshot", "apply", "surely-not-there", "all", "none"],
    ] {
        scene.call(arguments).expect(1);
    }
    scene.call(&["diff", "surely-not-there"]).expect(2);
    scene
        .call(&["snapshot", "apply", "x", "--apply-risky"])
        .expect(125);
    // The control has nothing to do with a name.
    if walls() {
        run(&[], &["true"]).expect(0);
    }
}
