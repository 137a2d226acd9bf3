//! A place for hosts to work in, and what they left there.

use crate::evidence::{groups, list};
use crate::host;
use crate::shape::Ground;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A directory with a tree, a place for upper layers, and one for temporary files.
pub struct Place {
    held: TempDir,
    pub base: PathBuf,
    pub ground: Ground,
}

impl Place {
    pub fn new() -> Self {
        let held = tempfile::tempdir().expect("a directory");
        let base = held.path().canonicalize().expect("a path");
        let ground = Ground::at(&base);
        for path in [&ground.tree, &ground.store, &ground.temporary] {
            fs::create_dir(path).expect("a directory");
        }
        // On a root host the layers on disk belong to the sandbox's id, which has to get there.
        for path in [&base, &ground.store] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("a mode");
        }
        host::restore(&ground.tree);
        Self { held, base, ground }
    }

    /// This program as a host of the name and shape, which writes to files here.
    pub fn host(&self, what: &str, shape: &str) -> Command {
        let mut command = Command::new(&self.ground.program);
        let base = self.held.path().canonicalize().expect("a path");
        command.args([what, shape]).arg(base);
        command.env("TMPDIR", &self.ground.temporary);
        command.env_remove("RUST_BACKTRACE");
        let file = |name: &str| File::create(self.base.join(name)).expect("a file");
        command.stdout(file("stdout")).stderr(file("stderr"));
        command
    }

    /// What the last host said, a word and a text each; and what it complained of.
    pub fn said(&self) -> (Vec<(String, String)>, String) {
        let read = |name: &str| fs::read(self.base.join(name)).expect("a file");
        let out = String::from_utf8_lossy(&read("stdout")).into_owned();
        let lines = out.lines().map(|line| {
            let (what, text) = line.split_once(' ').unwrap_or((line, ""));
            (what.to_owned(), text.to_owned())
        });
        let err = String::from_utf8_lossy(&read("stderr")).into_owned();
        (lines.collect(), err)
    }

    /// What a host that is gone has left, of which nobody is there any more to remove it.
    pub fn left(&self, host: u32) -> Vec<String> {
        let mut found = BTreeSet::new();
        self.ground
            .places()
            .into_iter()
            .for_each(|place| list(place, &mut found));
        found.extend(groups(host));
        found.into_iter().collect()
    }

    /// Makes the place as it was.
    pub fn restore(&self) {
        for place in self.ground.places() {
            for entry in fs::read_dir(place).into_iter().flatten().flatten() {
                let path = entry.path();
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
        host::restore(&self.ground.tree);
    }
}
