//! Repositories nested in a workspace.

use super::*;
use crate::protect::note::Cut;

#[test]
fn nested_repositories_are_found_as_deep_as_the_search_goes() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.repository("repo/a/b/c");
    ground.repository("repo/x/y/z/deeper");
    ground.repository("repo/node_modules/package");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join("a/b/c/.git/config")));
    assert!(is_absent(&found, &tree.join("a/b/c/.mcp.json")));
    assert!(is_absent(&found, &tree.join("a/b/c/HEAD")));
    assert!(!is_read_only(
        &found,
        &tree.join("x/y/z/deeper/.git/config")
    ));
    assert!(!is_read_only(
        &found,
        &tree.join("node_modules/package/.git/config")
    ));
    assert_eq!(found.notes, [Note::SearchEnded(Cut::Depth(3))]);

    let deeper = Bound {
        depth: 4,
        ..patient()
    };
    let found = find(&tree, &DangerousNames::default(), &deeper).expect("a protection");
    assert!(is_read_only(&found, &tree.join("x/y/z/deeper/.git/config")));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn a_search_ends_at_its_bounds_and_says_so() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    for n in 0..40 {
        ground.directory(&format!("repo/d{n}"));
    }
    ground.repository("repo/d7/nested");
    let config = tree.join("d7/nested/.git/config");
    let with = |bound: Bound| {
        let found = find(&tree, &DangerousNames::default(), &bound).expect("a protection");
        check(&found, &tree);
        (is_read_only(&found, &config), found.notes)
    };
    assert_eq!(with(patient()), (true, Vec::new()));
    let entries = Bound {
        entries: 20,
        ..patient()
    };
    assert_eq!(
        with(entries),
        (false, vec![Note::SearchEnded(Cut::Entries(20))])
    );
    let time = Bound {
        time: Duration::ZERO,
        ..patient()
    };
    assert_eq!(with(time), (false, vec![Note::SearchEnded(Cut::Time(0))]));
    let repositories = Bound {
        repositories: 1,
        ..patient()
    };
    assert_eq!(
        with(repositories),
        (false, vec![Note::SearchEnded(Cut::Repositories(1))])
    );
}

#[test]
fn a_search_follows_no_link() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.repository("outside");
    ground.link("../outside", "repo/link");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    assert!(found.read_only.iter().all(|path| path.starts_with(&tree)));
}

#[test]
fn submodules_are_known_however_deep_they_are() {
    let ground = Ground::new();
    ground.repository("library");
    let main = ground.repository("main");
    let path = "one/two/three/four/five/lib";
    git(&main, ["submodule", "add", "-q", "../library", path]);
    // An older form, with its own directory in it: only .gitmodules knows.
    ground.repository("main/one/two/three/four/old");
    let modules = fs::read_to_string(main.join(".gitmodules")).expect(".gitmodules");
    let old = "[submodule \"old\"]\n\tpath = one/two/three/four/old\n\turl = /nowhere\n";
    let evil = "[submodule \"evil\"]\n\tpath = ../library\n\turl = /nowhere\n";
    ground.write("main/.gitmodules", &format!("{modules}{evil}{old}"));
    let found = protect(&main);
    check(&found, &main);
    assert!(is_read_only(
        &found,
        &main.join(".git/modules").join(path).join("config")
    ));
    assert!(is_read_only(&found, &main.join(path).join(".git")));
    assert!(is_read_only(
        &found,
        &main.join("one/two/three/four/old/.git/config")
    ));
}

#[test]
fn bare_repositories_are_found() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let bare = ground.directory("repo/fixtures/bare");
    git(&bare, ["init", "-q", "--bare"]);
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &bare.join("config")));
    assert!(is_read_only(&found, &bare.join("hooks")));
}

#[test]
fn a_nested_worktree_of_a_repository_elsewhere_is_said() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let other = ground.repository("other");
    git(&other, ["worktree", "add", "-q", "../repo/nested"]);
    let found = protect(&tree);
    check(&found, &tree);
    assert!(found.shown.is_empty());
    assert!(is_read_only(&found, &tree.join("nested/.git")));
    assert_eq!(
        not_shown(&found),
        Some(crate::protect::note::Unproven::Nested)
    );
}
