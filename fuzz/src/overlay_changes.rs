//! What an overlay's upper layer changes: the listing against a plain comparison of what is seen
//! without and with it, and applying all of it.

use crate::input::Input;
use crate::scratch;
use cofferdam_changes::{Escaped, Tree};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const NAMES: [&str; 5] = ["a", "b", "c", ".git", "x\u{1b}y"];
const TEXTS: [&str; 4] = ["", "one", "two", "one more"];
const TARGETS: [&str; 4] = ["a", "../b", "/", "no such"];

#[derive(Clone, Debug, PartialEq)]
enum Node {
    File(u32, &'static str),
    Link(&'static str),
    /// With whether it hides what is below it.
    Directory(u32, bool, Nodes),
    Whiteout,
}

type Nodes = BTreeMap<&'static str, Node>;

/// What is at a path.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    File(u32, String),
    Link(PathBuf),
    Directory(u32),
}

/// One input: what is in the lower and in the upper directory.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let lower = nodes(&mut input, false, 0);
    let mut upper = nodes(&mut input, true, 0);
    let base = scratch::empty("overlay");
    for (name, nodes) in [("lower", &mut lower.clone()), ("upper", &mut upper)] {
        fs::create_dir(base.join(name)).expect("made");
        write(&base.join(name), nodes);
    }
    let after = merged(&lower, &upper);
    let (before, after) = (seen(&lower), seen(&after));
    let open = |name: &str| OwnedFd::from(fs::File::open(base.join(name)).expect("opened"));
    // Nothing of the host counts as changed meanwhile.
    let since = SystemTime::now() + Duration::from_secs(3600);
    let tree = Tree::new(open("lower"), vec![open("upper")], since);
    let list = || -> Vec<_> {
        let all = tree.changes().expect("both are there");
        all.map(|change| change.expect("all can be read")).collect()
    };
    let changes = list();
    let lines: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {}", change.kind.name(), change.path.display()))
        .collect();
    assert_eq!(lines, expected(&before, &after), "{lower:#?}\n{upper:#?}");
    for change in &changes {
        assert!(!change.to_string().chars().any(char::is_control));
        assert!(change.to_string().contains(&Escaped::from(change.path.as_path()).to_string()));
        tree.diff(change).expect("it can be shown");
    }
    let mut renamed = changes.clone();
    tree.find_renames(&mut renamed).expect("compared");
    let applied = tree.apply(|_| true).expect("applied");
    assert!(applied.is_complete(), "{applied:#?}");
    assert_eq!(applied.applied, changes.len() as u64);
    assert_eq!(walk(&base.join("lower")), after, "{lower:#?}\n{upper:#?}");
    assert!(list().is_empty());
    cofferdam_changes::remove_upper(&open("upper")).expect("removed");
    assert_eq!(fs::read_dir(base.join("upper")).expect("it is there").count(), 0);
}

fn nodes(input: &mut Input<'_>, upper: bool, depth: usize) -> Nodes {
    let mut nodes = Nodes::new();
    for name in NAMES {
        let node = match input.byte() % 8 {
            0..=2 => continue,
            3 => Node::File(input.pick(&[0o644, 0o755, 0o600]), input.pick(&TEXTS)),
            4 => Node::Link(input.pick(&TARGETS)),
            5 if upper => Node::Whiteout,
            _ if depth == 3 => continue,
            _ => {
                let (mode, opaque) = (input.pick(&[0o755, 0o700]), upper && input.bool());
                Node::Directory(mode, opaque, self::nodes(input, upper, depth + 1))
            }
        };
        nodes.insert(name, node);
    }
    nodes
}

/// Puts them on the disk as the kernel does; what the file system cannot hold is left out of the nodes.
fn write(directory: &Path, nodes: &mut Nodes) {
    nodes.retain(|name, node| {
        let path = directory.join(name);
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        match node {
            Node::File(mode, text) => {
                fs::write(&path, text).expect("written");
                set(*mode).expect("set");
            }
            Node::Link(target) => symlink(target, &path).expect("made"),
            Node::Directory(mode, opaque, below) => {
                fs::create_dir(&path).expect("made");
                set(*mode).expect("set");
                let attribute = ("user.overlay.opaque", b"y");
                *opaque = *opaque
                    && setxattr(&path, attribute.0, attribute.1, XattrFlags::empty()).is_ok();
                write(&path, below);
            }
            Node::Whiteout => {
                let device = mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0);
                return device.is_ok();
            }
        }
        true
    });
}

/// What an overlay shows (overlayfs.rst, "Upper and Lower", "whiteouts and opaque directories").
fn merged(lower: &Nodes, upper: &Nodes) -> Nodes {
    let mut merged = lower.clone();
    for (name, node) in upper {
        let node = match (node, lower.get(name)) {
            (Node::Whiteout, _) => {
                merged.remove(name);
                continue;
            }
            (Node::Directory(mode, false, above), Some(Node::Directory(_, _, below))) => {
                Node::Directory(*mode, false, self::merged(below, above))
            }
            (Node::Directory(mode, _, above), _) => {
                Node::Directory(*mode, false, self::merged(&Nodes::new(), above))
            }
            (node, _) => node.clone(),
        };
        merged.insert(name, node);
    }
    merged
}

fn seen(nodes: &Nodes) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    for (name, node) in nodes {
        let path = PathBuf::from(name);
        let what = match node {
            Node::File(mode, text) => Seen::File(*mode, (*text).to_owned()),
            Node::Link(target) => Seen::Link(target.into()),
            Node::Directory(mode, _, below) => {
                let below = seen(below).into_iter();
                all.extend(below.map(|(below, what)| (path.join(below), what)));
                Seen::Directory(*mode)
            }
            Node::Whiteout => continue,
        };
        all.insert(path, what);
    }
    all
}

/// What is on the disk.
fn walk(directory: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("listed") {
        let entry = entry.expect("listed");
        let (path, name) = (entry.path(), PathBuf::from(entry.file_name()));
        let stat = fs::symlink_metadata(&path).expect("it is there");
        let mode = stat.mode() & 0o7777;
        let what = if stat.is_dir() {
            let below = walk(&path).into_iter();
            all.extend(below.map(|(below, what)| (name.join(below), what)));
            Seen::Directory(mode)
        } else if stat.is_symlink() {
            Seen::Link(fs::read_link(&path).expect("a link"))
        } else {
            Seen::File(mode, fs::read_to_string(&path).expect("a file"))
        };
        all.insert(name, what);
    }
    all
}

/// The lines that the listing must have.
fn expected(before: &BTreeMap<PathBuf, Seen>, after: &BTreeMap<PathBuf, Seen>) -> Vec<String> {
    let mut paths: Vec<&PathBuf> = before.keys().chain(after.keys()).collect();
    // The order of the components' bytes, which is that of a walk.
    paths.sort_by_key(|path| path.components().collect::<Vec<_>>());
    paths.dedup();
    let mut gone: Vec<&Path> = Vec::new();
    let mut lines = Vec::new();
    for path in paths {
        let is_below = gone.iter().any(|above| path.starts_with(above));
        let kind = match (before.get(path), after.get(path)) {
            (None, Some(_)) => "added",
            (Some(_), None) if is_below => continue,
            (Some(_), None) => {
                gone.push(path);
                "removed"
            }
            (Some(old), Some(new)) if old == new => continue,
            (Some(Seen::File(_, one)), Some(Seen::File(_, other))) if one == other => "metadata",
            (Some(Seen::Directory(_)), Some(Seen::Directory(_))) => "metadata",
            (Some(Seen::File(..)), Some(Seen::File(..))) => "modified",
            (Some(Seen::Link(_)), Some(Seen::Link(_))) => "modified",
            (Some(_), _) => {
                gone.push(path);
                "type changed"
            }
            (None, None) => continue,
        };
        lines.push(format!("{kind} {}", path.display()));
    }
    lines
}
