//! Random work in an overlay: the listing against a plain comparison of the two trees, and applying
//! all of it against what the program saw.

mod common;

use common::{Overlay, apply_all, changes, list, open};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What a plain walk says about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Directory(u32),
    File(u32, Vec<u8>),
    Link(PathBuf),
    Other(u32),
}

fn walk(root: &Path, at: &Path, seen: &mut BTreeMap<PathBuf, Seen>) {
    for entry in fs::read_dir(root.join(at)).expect("listed") {
        let path = at.join(entry.expect("an entry").file_name());
        let meta = fs::symlink_metadata(root.join(&path)).expect("there");
        let mode = meta.mode() & 0o7777;
        if meta.is_dir() {
            seen.insert(path.clone(), Seen::Directory(mode));
            walk(root, &path, seen);
        } else if meta.is_symlink() {
            let target = fs::read_link(root.join(&path)).expect("a link");
            seen.insert(path, Seen::Link(target));
        } else if meta.is_file() {
            let content = fs::read(root.join(&path)).expect("readable");
            seen.insert(path, Seen::File(mode, content));
        } else {
            seen.insert(path, Seen::Other(meta.mode()));
        }
    }
}

fn tree_of(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    walk(root, Path::new(""), &mut seen);
    seen
}

/// The lines that the listing must have.
fn expected(before: &BTreeMap<PathBuf, Seen>, after: &BTreeMap<PathBuf, Seen>) -> Vec<String> {
    let mut paths: Vec<_> = before.keys().chain(after.keys()).collect();
    // The order of the components' bytes, which is that of a walk.
    paths.sort_by_key(|path| path.components().collect::<Vec<_>>());
    paths.dedup();
    let mut gone: Vec<&Path> = Vec::new();
    let mut lines = Vec::new();
    for path in paths {
        let kind = match (before.get(path), after.get(path)) {
            (None, Some(_)) => "added",
            (Some(_), None) => {
                if gone.iter().any(|above| path.starts_with(above)) {
                    continue;
                }
                gone.push(path);
                "removed"
            }
            (Some(old), Some(new)) if old == new => continue,
            (Some(Seen::File(old, x)), Some(Seen::File(new, y))) => match (old == new, x == y) {
                (_, false) => "modified",
                _ => "metadata",
            },
            (Some(Seen::Directory(_)), Some(Seen::Directory(_))) => "metadata",
            (Some(Seen::Link(_)), Some(Seen::Link(_))) => "modified",
            (Some(old), _) => {
                if matches!(old, Seen::Directory(_)) {
                    gone.push(path);
                }
                "type changed"
            }
            (None, None) => continue,
        };
        lines.push(format!("{kind} {}", path.display()));
    }
    lines
}

fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "d e"]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (name(), 0..4_u8).prop_map(|(name, text)| format!("echo {text} > '{name}'")),
        2 => name().prop_map(|name| format!("echo more >> '{name}'")),
        3 => name().prop_map(|name| format!("mkdir -p '{name}'")),
        3 => name().prop_map(|name| format!("rm -rf '{name}'")),
        2 => (name(), name()).prop_map(|(one, two)| format!("mv '{one}' '{two}'")),
        1 => (name(), name()).prop_map(|(one, two)| format!("mv -T '{one}' '{two}'")),
        1 => (name(), name()).prop_map(|(one, two)| format!("ln '{one}' '{two}'")),
        1 => (name(), name()).prop_map(|(one, two)| format!("ln -sfn '{one}' '{two}'")),
        1 => (name(), name()).prop_map(|(one, two)| format!("cp -a '{one}' '{two}'")),
        1 => (name(), prop::sample::select(vec!["644", "755", "700", "600"]))
            .prop_map(|(name, mode)| {
                // A directory that its owner cannot enter is an error on the host, by right.
                format!("if test -d '{name}'; then chmod 7{}5 '{name}'; else chmod {mode} '{name}'; fi", &mode[1..2])
            }),
        1 => name().prop_map(|name| format!("touch '{name}'")),
        1 => name().prop_map(|name| format!("rm -rf '{name}'; mkdir '{name}'")),
    ]
}

/// Steps that fail are no matter.
fn script(steps: &[String]) -> String {
    let lines = steps
        .iter()
        .map(|step| format!("{{ {step}; }} 2>/dev/null || true\n"));
    lines.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_listing_is_the_difference_and_applying_it_removes_it(
        before in prop::collection::vec(step(), 0..30),
        first in prop::collection::vec(step(), 0..20),
        second in prop::collection::vec(step(), 0..20),
    ) {
        let overlay = Overlay::in_memory(|lower| {
            let run = std::process::Command::new("sh")
                .args(["-c", &format!("umask 022\n{}", script(&before))])
                .current_dir(lower)
                .status();
            assert!(run.expect("a shell").success());
        });
        overlay.run(&script(&first));
        // The upper becomes a frozen layer, and the session goes on above it.
        fs::rename(overlay.upper(), overlay.dir.path().join("layer")).expect("renamed");
        fs::create_dir(overlay.upper()).expect("made");
        overlay.run_above(
            "layer:lower",
            &format!("{}\ncp -a . ../snapshot", script(&second)),
        );
        let tree = overlay.tree_of(&["upper", "layer"]);
        let seen = tree_of(&overlay.dir.path().join("snapshot"));
        prop_assert_eq!(list(&tree), expected(&tree_of(&overlay.lower()), &seen));
        let count = changes(&tree).len() as u64;
        prop_assert_eq!(apply_all(&tree).applied, count);
        prop_assert_eq!(tree_of(&overlay.lower()), seen);
        prop_assert!(list(&tree).is_empty());
        for name in ["upper", "layer", "lower"] {
            let path = overlay.dir.path().join(name);
            cofferdam_changes::remove_upper(&open(&path)).expect("removed");
            prop_assert_eq!(fs::read_dir(path).expect("there").count(), 0);
        }
    }
}
