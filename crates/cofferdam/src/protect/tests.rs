//! Protection of real repositories, of forged ones, and of what appears in them.

mod config;
mod forged;
mod layout;
mod looks;
mod nested;
mod watch;

use super::{Bound, Note, Protection, find};
use cofferdam_policy::DangerousNames;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A directory that is gone after the test; its path has no links.
pub(super) struct Ground {
    _directory: TempDir,
    pub path: PathBuf,
}

impl Ground {
    pub(super) fn new() -> Self {
        let directory = TempDir::with_prefix("protect-").expect("a temporary directory");
        let path = fs::canonicalize(directory.path()).expect("its path");
        Self {
            _directory: directory,
            path,
        }
    }

    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// Writes a file, making the directories that it is in.
    pub(super) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(&path, text).expect("a file");
        path
    }

    pub(super) fn directory(&self, path: &str) -> PathBuf {
        let path = self.join(path);
        fs::create_dir_all(&path).expect("directories");
        path
    }

    pub(super) fn link(&self, text: impl AsRef<Path>, path: &str) -> PathBuf {
        let path = self.join(path);
        std::os::unix::fs::symlink(text, &path).expect("a link");
        path
    }

    /// A repository with one commit.
    pub(super) fn repository(&self, path: &str) -> PathBuf {
        let tree = self.directory(path);
        git(&tree, ["init", "-q", "-b", "main"]);
        git(&tree, ["commit", "-q", "--allow-empty", "-m", "one"]);
        tree
    }
}

/// git without any configuration of the host.
pub(super) fn git_command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", "/");
    command
}

pub(super) fn git<S: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = S>) {
    let settings = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "protocol.file.allow=always",
    ];
    let output = git_command(directory)
        .args(settings)
        .args(arguments)
        .output()
        .expect("git is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A bound that the load of the machine does not reach.
pub(super) fn patient() -> Bound {
    Bound {
        time: Duration::from_secs(60),
        ..Bound::default()
    }
}

pub(super) fn protect(workspace: &Path) -> Protection {
    find(workspace, &DangerousNames::default(), &patient()).expect("a protection")
}

pub(super) fn shown(protection: &Protection) -> Vec<(PathBuf, bool)> {
    let shown = protection.shown.iter();
    shown.map(|one| (one.path.clone(), one.writable)).collect()
}

/// Whether a path is read-only, by itself or by what it is in.
pub(super) fn is_read_only(protection: &Protection, path: &Path) -> bool {
    protection.read_only.iter().any(|one| path.starts_with(one))
}

pub(super) fn is_absent(protection: &Protection, path: &Path) -> bool {
    protection.absent.iter().any(|(one, _)| one == path)
}

pub(super) fn not_shown(protection: &Protection) -> Option<super::note::Unproven> {
    protection.notes.iter().find_map(|note| match note {
        Note::NotShown { why, .. } => Some(*why),
        _ => None,
    })
}

/// What holds for every protection: real paths, nothing twice, only in what the sandbox can write to.
pub(super) fn check(protection: &Protection, workspace: &Path) {
    for path in &protection.read_only {
        assert_eq!(fs::canonicalize(path).expect("it exists"), *path);
        let above = protection
            .read_only
            .iter()
            .filter(|one| path.starts_with(one));
        assert_eq!(above.count(), 1, "{path:?} is covered twice");
        let shown = protection.shown.iter().filter(|shown| shown.writable);
        let mut writable = shown.map(|shown| shown.path.as_path()).chain([workspace]);
        assert!(
            writable.any(|root| path.starts_with(root) && path != root)
                || protection
                    .shown
                    .iter()
                    .any(|shown| path.starts_with(&shown.path)),
            "{path:?} is not in the view"
        );
    }
    for (path, _) in &protection.absent {
        assert!(fs::symlink_metadata(path).is_err(), "{path:?} exists");
        assert!(!is_read_only(protection, path), "{path:?} cannot appear");
    }
}
