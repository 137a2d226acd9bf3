//! Looking at names that share their first part: one look must not hide what is behind another.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn paths(watch: &crate::protect::Watch) -> Vec<PathBuf> {
    let all = watch.take_away();
    all.into_iter().map(|caught| caught.path).collect()
}

#[test]
fn a_first_part_is_anything_that_has_the_name() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let watch = protect(&tree).watch();
    assert!(watch.take_away().is_empty());
    // A link to nothing is there too: it could lead somewhere a moment later.
    let link = ground.link("nowhere", "repo/.claude");
    assert_eq!(paths(&watch), [link]);
    // A file is no directory to find anything in, and does not keep the others from being found.
    ground.write("repo/.claude", "a file");
    let other = ground.write("repo/.mcp.json", "{}");
    assert_eq!(paths(&watch), [other]);
    fs::remove_file(tree.join(".claude")).expect("the file");
    // All of those that share it.
    let both = ["settings.json", "settings.local.json"]
        .map(|name| ground.write(&format!("repo/.claude/{name}"), "{}"));
    assert_eq!(paths(&watch), both);
    assert!(watch.take_away().is_empty());
}

#[test]
fn a_closed_workspace_is_no_workspace_without_names() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let watch = protect(&tree).watch();
    let name = ground.write("repo/.mcp.json", "{}");
    let mode = |mode| fs::set_permissions(&tree, PermissionsExt::from_mode(mode)).expect("a mode");
    mode(0o000);
    let caught = paths(&watch);
    mode(0o700);
    assert_eq!(caught, [name]);
}

#[test]
fn names_of_a_tree_are_absent_as_one_by_one() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/.claude/settings.json", "{}");
    ground.link("nowhere", "repo/.vscode");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join(".claude/settings.json")));
    assert!(is_absent(&found, &tree.join("nowhere")));
    let mut expected = 0;
    for name in DangerousNames::default().protected() {
        let path = tree.join(name.path());
        let exists = fs::symlink_metadata(&path).is_ok() || path.starts_with(tree.join(".vscode"));
        if !exists && !name.is_of_home() {
            expected += 1;
            assert!(is_absent(&found, &path), "{path:?}");
        }
    }
    assert!(expected > 20, "{expected}");
    let mut sorted = found.absent.clone();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted.dedup_by(|(one, _), (other, _)| one == other);
    assert_eq!(sorted, found.absent);
}
