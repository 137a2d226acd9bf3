//! Trees that sandboxes change, and how they are looked at.

use crate::support::{is_root, lacks};
use cofferdam::policy::Upper;
use cofferdam::{
    Applied, Bytes, Change, ChangeKind, Changes, PathRule, Sandbox, SandboxBuilder, Session,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const ATTACKER: &str = env!("CARGO_BIN_EXE_attacker");
const INSIDE: &str = "/attacker";

/// A tree on the host, and a directory for upper layers beside it.
pub struct Ground {
    pub held: TempDir,
    pub tree: PathBuf,
    pub store: PathBuf,
}

impl Ground {
    /// With an empty tree.
    pub fn new() -> Self {
        Self::in_directory(&std::env::temp_dir())
    }

    pub fn in_directory(parent: &Path) -> Self {
        let held = tempfile::tempdir_in(parent).expect("a directory");
        let base = held.path().canonicalize().expect("a path");
        let (tree, store) = (base.join("tree"), base.join("store"));
        fs::create_dir(&tree).expect("a directory");
        fs::create_dir(&store).expect("a directory");
        if is_root() {
            // Layers on disk belong to the sandbox's id, which has to get there.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            fs::set_permissions(&base, fs::Permissions::clone(&mode)).expect("a mode");
            fs::set_permissions(&store, mode).expect("a mode");
        }
        Self { held, tree, store }
    }

    /// With something for every kind of change.
    pub fn full() -> Self {
        let ground = Self::new();
        ground.fill();
        ground
    }

    pub fn fill(&self) {
        for (path, text) in [
            ("kept/file", "kept"),
            ("modified", "old\nline\n"),
            ("appended", "one\n"),
            ("removed", "removed"),
            ("mode", "mode"),
            ("mode-directory/file", "in it"),
            ("attribute", "attribute"),
            ("file-to-link", "file"),
            ("directory-to-file/file", "file"),
            ("removed-directory/a/b", "b"),
            ("made-anew/old", "old"),
            ("file-to-move", "moves"),
            ("directory-to-move/one", "one"),
            ("directory-to-move/two/three", "three"),
            ("one-name", "one name"),
        ] {
            self.write(path, text);
        }
        symlink("modified", self.tree.join("link")).expect("a link");
        let path = self.tree.join("attribute");
        let answer = outside(&["trees", "attribute", text(&path), "user.note", "first"]);
        if answer != "done" {
            lacks("extended attributes of the user in temporary directories");
        }
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.tree.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.tree.join(path)).unwrap_or_else(|error| error.to_string())
    }

    /// The tree as an overlay, with its upper layer on disk or in memory.
    pub fn overlay(&self, disk: bool) -> Sandbox {
        let upper = self.upper(disk);
        let builder = with_attacker().overlay_workspace(&self.tree);
        build(builder.filesystem(|files| files.upper(upper)))
    }

    /// A session that has begun later than the last change of the tree, as far as file times can tell.
    pub fn session(&self, disk: bool) -> Session {
        settle();
        started(&self.overlay(disk))
    }

    pub fn upper(&self, disk: bool) -> Upper {
        match disk {
            true => Upper::Disk(Some(self.store.clone())),
            false => Upper::Memory(Bytes::gib(1)),
        }
    }

    /// What the store holds.
    pub fn stored(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.store).expect("the store");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }

    pub fn trace(&self) -> Vec<String> {
        entries(&outside(&["trees", "trace", text(&self.tree)]))
    }

    pub fn list(&self) -> Vec<String> {
        entries(&outside(&["trees", "list", text(&self.tree)]))
    }

    /// The same as a program in the session sees it.
    pub fn list_inside(&self, session: &Session) -> Vec<String> {
        entries(&inside(session, &["trees", "list", text(&self.tree)]))
    }
}

/// Mounts a file system in memory of so many bytes, in a process that has mounts of its own; false where
/// this user may not.
pub fn mount_memory(at: &Path, size: u32) -> bool {
    if !is_root() {
        println!("not for this user: a file system of its own");
        return false;
    }
    fs::create_dir(at).expect("a directory");
    let options = format!("size={size},mode=711");
    let mut mount = std::process::Command::new("mount");
    let status = mount
        .args(["-t", "tmpfs", "-o", &options, "none"])
        .arg(at)
        .status();
    assert!(status.expect("mount").success());
    true
}

/// File times are those of the last tick, which is 10 ms at most.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(25));
}

pub fn with_attacker() -> SandboxBuilder {
    Sandbox::builder().filesystem(|files| files.rule(PathRule::read(ATTACKER).at(INSIDE)))
}

pub fn build(builder: SandboxBuilder) -> Sandbox {
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

pub fn started(sandbox: &Sandbox) -> Session {
    sandbox.start().unwrap_or_else(|error| panic!("{error}"))
}

/// What the attacker answers in a session.
pub fn inside(session: &Session, attack: &[&str]) -> String {
    let mut command = session.command(INSIDE);
    let output = command
        .args(attack)
        .timeout(Duration::from_secs(60))
        .output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    answer(&output.stdout, &output.stderr)
}

/// What the attacker answers on the host.
pub fn outside(attack: &[&str]) -> String {
    let output = std::process::Command::new(ATTACKER).args(attack).output();
    let output = output.expect("the attacker");
    answer(&output.stdout, &output.stderr)
}

fn answer(stdout: &[u8], stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout).trim_end().to_owned();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(stderr));
    text
}

pub fn entries(answer: &str) -> Vec<String> {
    let list = answer
        .strip_prefix("done ")
        .unwrap_or_else(|| panic!("{answer}"));
    list.split('|').map(str::to_owned).collect()
}

/// Runs a script in a session; what it writes. It must succeed.
pub fn script(session: &Session, script: &str) -> String {
    let mut command = session.command("sh");
    let output = command
        .args(["-ec", script])
        .timeout(Duration::from_secs(60))
        .output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script}: {}: {errors}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// The changes of the only overlay, by path.
pub fn changes(changes: &Changes) -> BTreeMap<String, Change> {
    let [overlay] = changes.overlays() else {
        panic!("{} overlays", changes.overlays().len());
    };
    let all = overlay.changes().unwrap_or_else(|error| panic!("{error}"));
    let all = all.map(|change| change.unwrap_or_else(|error| panic!("{error}")));
    all.map(|change| (change.path.to_string_lossy().into_owned(), change))
        .collect()
}

/// The same, as kinds alone.
pub fn kinds(all: &BTreeMap<String, Change>) -> BTreeMap<&str, ChangeKind> {
    all.iter()
        .map(|(path, change)| (path.as_str(), change.kind))
        .collect()
}

/// Applies all of the only overlay, without conflict or refusal.
pub fn apply_all(changes: &Changes) -> Applied {
    let applied = apply(changes, |_| true);
    assert!(applied.is_complete(), "{applied:?}");
    applied
}

pub fn apply(changes: &Changes, filter: impl FnMut(&Change) -> bool) -> Applied {
    let applied = changes.overlays()[0].apply(filter);
    applied.unwrap_or_else(|error| panic!("{error}"))
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is text")
}

/// Fails with what one of two lists has and the other has not. Which names are one file is left out: an
/// overlay gives a file that was copied up another inode number by its new name.
pub fn same(one: &[String], other: &[String]) {
    let cut = |list: &[String]| -> Vec<String> {
        let cut = |line: &String| line.split(" is \"").next().unwrap_or_default().to_owned();
        list.iter().map(cut).collect()
    };
    let (one, other) = (cut(one), cut(other));
    let only = |one: &[String], other: &[String]| {
        let only = one.iter().filter(|line| !other.contains(line));
        only.cloned().collect::<Vec<_>>().join("\n")
    };
    let (left, right) = (only(&one, &other), only(&other, &one));
    assert!(
        one == other,
        "only the first:\n{left}\nonly the second:\n{right}"
    );
}
