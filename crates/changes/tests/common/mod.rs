//! Real overlays: mounted in a namespace of their own, on directories of the disk.

#![allow(dead_code, reason = "each test uses its part of it")]

use cofferdam_changes::{Applied, Change, Kind, Tree};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

pub struct Overlay {
    pub dir: tempfile::TempDir,
    pub since: SystemTime,
}

impl Overlay {
    /// A lower directory on a disk that `fill` made, and an empty upper.
    pub fn new(fill: impl FnOnce(&Path)) -> Self {
        Self::new_in(&disk(), fill)
    }

    /// The same in memory, where many files are cheap.
    pub fn in_memory(fill: impl FnOnce(&Path)) -> Self {
        Self::new_in(&memory(), fill)
    }

    fn new_in(place: &Path, fill: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir_in(place).expect("a directory");
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(dir.path().join(name)).expect("made");
        }
        fill(&dir.path().join("lower"));
        let since = SystemTime::now();
        Self { dir, since }
    }

    pub fn lower(&self) -> PathBuf {
        self.dir.path().join("lower")
    }

    pub fn upper(&self) -> PathBuf {
        self.dir.path().join("upper")
    }

    /// Mounts the overlay in a new user and mount namespace and runs a script in it.
    pub fn run(&self, script: &str) -> &Self {
        self.run_above("lower", script)
    }

    /// The same with other lower directories.
    pub fn run_above(&self, lower: &str, script: &str) -> &Self {
        self.run_with(lower, "upper", script)
    }

    /// The same with another upper directory.
    pub fn run_with(&self, lower: &str, upper: &str, script: &str) -> &Self {
        let all = format!(
            "set -e\numask 022\ncd '{}'\n\
             mount -t overlay overlay -o userxattr,lowerdir={lower},upperdir={upper},workdir=work merged\n\
             cd merged\n{script}\n",
            self.dir.path().display()
        );
        let output = Command::new("unshare")
            .args(["-Urm", "sh", "-c", &all])
            .output()
            .expect("unshare is there");
        assert!(
            output.status.success(),
            "the overlay could not be used: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self
    }

    pub fn tree(&self) -> Tree {
        self.tree_of(&["upper"])
    }

    pub fn tree_of(&self, uppers: &[&str]) -> Tree {
        let uppers = uppers.iter().map(|name| open(&self.dir.path().join(name)));
        Tree::new(open(&self.lower()), uppers.collect(), self.since)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // The overlay's own work directory has mode 000, which a plain removal stops at.
        let removed = cofferdam_changes::remove_upper(&open(self.dir.path()));
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

/// Where temporary directories lie, which is a disk on most machines.
fn disk() -> PathBuf {
    std::env::temp_dir()
}

/// A tmpfs of the host, which outlives the namespace that an overlay is mounted in; it takes the
/// overlay's attributes since Linux 6.6.
fn memory() -> PathBuf {
    let usable = |dir: &Path| {
        let probe = tempfile::tempdir_in(dir).ok()?;
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(probe.path(), "user.overlay.opaque", b"y", flags).ok()
    };
    let shm = PathBuf::from("/dev/shm");
    if usable(&shm).is_some() { shm } else { disk() }
}

pub fn open(path: &Path) -> OwnedFd {
    fs::File::open(path).expect("opened").into()
}

/// Every change; none may be an error.
pub fn changes(tree: &Tree) -> Vec<Change> {
    tree.changes()
        .expect("the roots open")
        .collect::<Result<_, _>>()
        .expect("all can be read")
}

/// Kind and path of every change, as text.
pub fn list(tree: &Tree) -> Vec<String> {
    let line = |change: &Change| format!("{} {}", change.kind.name(), change.path.display());
    changes(tree).iter().map(line).collect()
}

pub fn find(tree: &Tree, path: &str) -> Change {
    let all = changes(tree);
    let found = all.iter().find(|change| change.path == Path::new(path));
    found
        .unwrap_or_else(|| panic!("{path} is not in {all:#?}"))
        .clone()
}

/// Applies everything, which must work.
pub fn apply_all(tree: &Tree) -> Applied {
    let applied = tree.apply(|_| true).expect("applied");
    assert!(applied.is_complete(), "{applied:#?}");
    applied
}

pub fn is_root() -> bool {
    rustix_uid() == 0
}

pub fn rustix_uid() -> u32 {
    cofferdam_sys::cred::geteuid()
}

pub fn whiteout(path: &Path) {
    let device = rustix::fs::makedev(0, 0);
    let mode = rustix::fs::Mode::empty();
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, device).expect("a whiteout");
}

pub fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, name, value, flags).expect("an attribute");
}

pub fn kinds(all: &[Change], kind: Kind) -> usize {
    all.iter().filter(|change| change.kind == kind).count()
}

/// An overlay over a few files and directories and a link.
pub fn project() -> Overlay {
    Overlay::new(|lower| {
        fs::create_dir_all(lower.join("dir/sub")).expect("made");
        fs::create_dir(lower.join("keep")).expect("made");
        for name in [
            "a",
            "b",
            "c",
            "dir/one",
            "dir/two",
            "dir/sub/deep",
            "keep/x",
        ] {
            fs::write(lower.join(name), format!("content of {name}\n")).expect("written");
        }
        symlink("a", lower.join("link")).expect("made");
    })
}
