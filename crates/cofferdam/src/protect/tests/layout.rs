//! The layouts of git that a workspace can have.

use super::super::git::is_home;
use super::*;
use cofferdam_policy::Danger;
use std::os::unix::fs::MetadataExt;

#[test]
fn a_repository_keeps_its_configuration_and_hooks() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/.mcp.json", "{}");
    ground.write("repo/.vscode/tasks.json", "{}");
    let found = protect(&tree);
    check(&found, &tree);
    for name in [
        ".git/config",
        ".git/hooks/pre-commit",
        ".mcp.json",
        ".vscode/tasks.json",
    ] {
        assert!(is_read_only(&found, &tree.join(name)), "{name}");
    }
    for name in [
        ".git/config.worktree",
        ".git/commondir",
        ".git/info/attributes",
        ".envrc",
        "HEAD",
    ] {
        assert!(is_absent(&found, &tree.join(name)), "{name}");
    }
    for name in [
        ".git/objects",
        ".git/refs",
        ".git/HEAD",
        ".git/index",
        ".git",
        "src",
    ] {
        assert!(!is_read_only(&found, &tree.join(name)), "{name}");
    }
    assert!(found.shown.is_empty());
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn nothing_is_protected_without_names() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/.mcp.json", "{}");
    let found = find(&tree, &DangerousNames::none(), &patient()).expect("a protection");
    assert!(found.read_only.is_empty() && found.absent.is_empty());
    let names = DangerousNames::none().add("keep/this.txt");
    let found = find(&tree, &names, &patient()).expect("a protection");
    assert_eq!(found.absent, [(tree.join("keep/this.txt"), Danger::Named)]);
}

#[test]
fn names_of_a_home_count_in_one_or_where_they_exist() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/.bashrc", "");
    ground.write("repo/nested/.git/HEAD", "");
    ground.write("repo/nested/.bashrc", "");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join(".bashrc")));
    assert!(!is_absent(&found, &tree.join(".profile")));
    assert!(!is_read_only(&found, &tree.join("nested/.bashrc")));
    assert!(!is_home(&tree, Some(&ground.path)));
    let link = ground.link("repo", "link");
    assert!(is_home(&tree, Some(&link)));
    assert!(is_home(Path::new("/home/somebody"), None));
    assert!(!is_home(Path::new("/home/somebody/code"), None));
}

#[test]
fn a_worktree_shows_the_directory_that_it_shares() {
    let ground = Ground::new();
    let main = ground.repository("main");
    let tree = ground.join("tree");
    git(&main, ["worktree", "add", "-q", "../tree"]);
    git(&main, ["worktree", "add", "-q", "../other"]);
    let worktree = |found: &Protection| {
        check(found, &tree);
        let common = main.join(".git");
        assert_eq!(shown(found), [(common.clone(), true)]);
        for name in [
            "config",
            "hooks",
            "HEAD",
            "index",
            "worktrees/tree/commondir",
            "worktrees/tree/gitdir",
            "worktrees/other",
        ] {
            let path = common.join(name);
            assert!(path.exists() == is_read_only(found, &path), "{name}");
        }
        for name in [
            "objects",
            "refs",
            "logs",
            "worktrees/tree/HEAD",
            "worktrees/tree/index",
        ] {
            assert!(!is_read_only(found, &common.join(name)), "{name}");
        }
        assert!(is_read_only(found, &tree.join(".git")));
        assert!(is_absent(
            found,
            &common.join("worktrees/tree/config.worktree")
        ));
        assert!(is_absent(found, &common.join("commondir")));
        assert!(found.notes.is_empty(), "{:?}", found.notes);
    };
    worktree(&protect(&tree));
    // As with worktree.useRelativePaths of git 2.48.
    ground.write("tree/.git", "gitdir: ../main/.git/worktrees/tree\n");
    ground.write("main/.git/worktrees/tree/gitdir", "../../../../tree/.git\n");
    git(&tree, ["status"]);
    worktree(&protect(&tree));
}

#[test]
fn a_repository_does_not_let_its_other_worktrees_be_led_astray() {
    let ground = Ground::new();
    let main = ground.repository("main");
    git(&main, ["worktree", "add", "-q", "../elsewhere"]);
    git(&main, ["worktree", "add", "-q", ".claude/worktrees/inside"]);
    let found = protect(&main);
    check(&found, &main);
    assert!(is_read_only(&found, &main.join(".git/worktrees/elsewhere")));
    let inside = main.join(".git/worktrees/inside");
    assert!(!is_read_only(&found, &inside.join("index")));
    assert!(is_read_only(&found, &inside.join("commondir")));
    assert!(is_read_only(
        &found,
        &main.join(".claude/worktrees/inside/.git")
    ));
    assert!(is_absent(
        &found,
        &main.join(".claude/worktrees/inside/.envrc")
    ));
    assert!(found.shown.is_empty());
}

#[test]
fn a_worktree_in_its_bare_repository_sees_the_parts_of_git_only() {
    let ground = Ground::new();
    let main = ground.repository("main");
    git(&main, ["clone", "-q", "--bare", ".", "../bare"]);
    let bare = ground.join("bare");
    git(&bare, ["worktree", "add", "-q", "tree"]);
    git(&bare, ["worktree", "add", "-q", "private"]);
    let tree = bare.join("tree");
    let found = protect(&tree);
    check(&found, &tree);
    let shown = shown(&found);
    assert!(shown.contains(&(bare.join("objects"), true)), "{shown:?}");
    assert!(shown.contains(&(bare.join("config"), false)), "{shown:?}");
    assert!(
        shown
            .iter()
            .all(|(path, _)| !path.starts_with(bare.join("private")) && *path != bare)
    );
    assert!(is_read_only(&found, &bare.join("worktrees/private")));
    assert!(is_read_only(&found, &bare.join("worktrees/tree/commondir")));
    assert!(found.notes.contains(&Note::PartlyShown { common: bare }));
}

#[test]
fn a_submodule_shows_its_own_directory() {
    let ground = Ground::new();
    ground.repository("library");
    let main = ground.repository("main");
    git(&main, ["submodule", "add", "-q", "../library", "deep/lib"]);
    let tree = main.join("deep/lib");
    let found = protect(&tree);
    check(&found, &tree);
    let directory = main.join(".git/modules/deep/lib");
    assert_eq!(shown(&found), [(directory.clone(), true)]);
    assert!(is_read_only(&found, &directory.join("config")));
    assert!(is_read_only(&found, &directory.join("hooks")));
    assert!(is_read_only(&found, &tree.join(".git")));
    assert!(found.notes.is_empty(), "{:?}", found.notes);

    let found = protect(&main);
    check(&found, &main);
    assert!(found.shown.is_empty());
    assert!(is_read_only(&found, &directory.join("config")));
    assert!(!is_read_only(&found, &directory.join("objects")));
    assert!(is_read_only(&found, &tree.join(".git")));
    assert!(is_absent(&found, &tree.join(".envrc")));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn a_directory_of_a_repository_is_said_to_be_one() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let below = ground.directory("repo/sub");
    let around = |found: &Protection| {
        let note = Note::Subdirectory {
            repository: tree.clone(),
        };
        found.notes == [note] && found.shown.is_empty()
    };
    let found = protect(&below);
    assert!(around(&found), "{:?}", found.notes);
    assert!(found.read_only.is_empty());
    // Hooks of the repository around it can be in it, also in what its configuration includes.
    ground.write("repo/sub/more", "[core]\nhooksPath = sub/hooks\n");
    git(&tree, ["config", "include.path", "../sub/more"]);
    ground.write("repo/sub/hooks/pre-commit", "");
    let found = protect(&below);
    assert!(around(&found), "{:?}", found.notes);
    check(&found, &below);
    assert_eq!(found.read_only, [below.join("hooks"), below.join("more")]);
}

#[test]
fn a_plain_directory_is_said_to_be_no_repository() {
    let ground = Ground::new();
    let tree = ground.directory("plain");
    let found = protect(&tree);
    assert_eq!(found.notes, [Note::NoRepository]);
    assert!(is_absent(&found, &tree.join(".mcp.json")));
    // Making a repository is nobody's crime.
    assert!(!is_absent(&found, &tree.join(".git/config")));
}

#[test]
fn a_bare_workspace_is_a_git_directory() {
    let ground = Ground::new();
    let tree = ground.directory("bare.git");
    git(&tree, ["init", "-q", "--bare"]);
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join("config")));
    assert!(is_read_only(&found, &tree.join("hooks")));
    assert!(!is_read_only(&found, &tree.join("HEAD")));
}

#[test]
fn hooks_elsewhere_in_the_workspace_are_found() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/tools/hooks/pre-commit", "");
    ground.write("repo/tools/check.sh", "");
    git(&tree, ["config", "CORE.hooksPath", "tools/hooks"]);
    ground.link("../../tools/check.sh", "repo/.git/hooks/pre-push");
    ground.link("../../tools/later.sh", "repo/.git/hooks/post-merge");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join("tools/hooks")));
    assert!(is_read_only(&found, &tree.join("tools/check.sh")));
    assert!(is_absent(&found, &tree.join("tools/later.sh")));
    assert!(!is_read_only(&found, &tree.join("tools")));

    git(
        &tree,
        [
            "config",
            "core.hooksPath",
            tree.join("new").to_str().expect("text"),
        ],
    );
    assert!(is_absent(&protect(&tree), &tree.join("new")));

    git(&tree, ["config", "core.hooksPath", "."]);
    let found = protect(&tree);
    check(&found, &tree);
    let config = tree.join(".git/config");
    let path = tree.clone();
    assert_eq!(found.notes, [Note::HooksPath { config, path }]);
}

#[test]
fn hooks_that_are_a_link_are_protected_where_they_are() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    fs::remove_dir_all(tree.join(".git/hooks")).expect("hooks of the template");
    ground.link("../scripts", "repo/.git/hooks");
    assert!(is_absent(&protect(&tree), &tree.join("scripts")));
    ground.directory("repo/scripts");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join("scripts")));
}

#[test]
fn names_that_lead_elsewhere_are_said() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let target = ground.write("outside/settings.json", "{}");
    ground.link(&target, "repo/.mcp.json");
    ground.write("repo/.envrc", "");
    ground.link(".", "repo/.vscode");
    fs::hard_link(tree.join(".envrc"), tree.join("alias")).expect("a hard link");
    let found = protect(&tree);
    check(&found, &tree);
    let path = tree.join(".mcp.json");
    assert!(found.notes.contains(&Note::LeadsOutside { path, target }));
    let path = tree.join(".envrc");
    assert!(found.notes.contains(&Note::HardLinks { path, names: 2 }));
    assert!(is_read_only(&found, &tree.join(".envrc")));
    let path = tree.join(".vscode");
    assert!(found.notes.contains(&Note::LeadsToTree { path }));
    assert!(!is_read_only(&found, &tree));
}

#[test]
fn stores_elsewhere_are_said_and_not_shown() {
    let ground = Ground::new();
    let store = ground.repository("store");
    git(&store, ["clone", "-q", "--shared", ".", "../repo"]);
    let tree = ground.join("repo");
    let found = protect(&tree);
    assert!(found.shown.is_empty());
    let file = tree.join(".git/objects/info/alternates");
    let store = store.join(".git/objects");
    assert_eq!(found.notes, [Note::Alternates { file, store }]);
}

#[test]
fn a_workspace_is_taken_by_its_real_path() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let link = ground.link("repo", "link");
    let found = protect(&link);
    assert!(is_read_only(&found, &tree.join(".git/config")));
    let error = find(&ground.join("none"), &DangerousNames::default(), &patient());
    let error = error.expect_err("no such directory").to_string();
    assert!(error.contains("cannot be opened"), "{error}");
}

#[test]
fn looking_changes_nothing() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let state = || {
        let list = std::process::Command::new("find")
            .arg(&tree)
            .args(["-printf", "%p %i %m %s %T@ %C@\n"])
            .output()
            .expect("find");
        assert!(list.status.success() && !list.stdout.is_empty());
        list.stdout
    };
    let before = state();
    assert!(protect(&tree).watch().take_away().is_empty());
    assert!(before == state());
    assert_eq!(fs::metadata(&tree).expect("the tree").nlink(), 3);
}
