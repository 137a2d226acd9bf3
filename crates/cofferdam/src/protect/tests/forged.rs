//! Pointers that an earlier run could have left, and what they must not open.

use super::*;
use crate::protect::note::Unproven;
use std::time::Instant;

/// A repository of the user that the workspace has nothing to do with, and a workspace.
fn victim() -> (Ground, PathBuf, PathBuf) {
    let ground = Ground::new();
    let victim = ground.repository("victim");
    let tree = ground.directory("work");
    (ground, victim, tree)
}

fn refused(tree: &Path, why: Unproven) {
    let found = protect(tree);
    check(&found, tree);
    assert!(found.shown.is_empty(), "{:?}", found.shown);
    assert_eq!(not_shown(&found), Some(why), "{:?}", found.notes);
}

#[test]
fn a_pointer_alone_opens_nothing() {
    let (ground, victim, tree) = victim();
    for target in [
        "../victim/.git",
        victim.join(".git").to_str().expect("text"),
    ] {
        ground.write("work/.git", &format!("gitdir: {target}\n"));
        // It works for git: that is what makes it worth forging.
        git(&tree, ["log", "-1"]);
        refused(&tree, Unproven::NoWayBack);
    }
    // The same, if the directory says so.
    git(&victim, ["config", "core.worktree", "../../work"]);
    let found = protect(&tree);
    assert_eq!(shown(&found), [(victim.join(".git"), true)]);
    check(&found, &tree);
}

#[test]
fn a_directory_that_is_none_of_git_is_not_shown() {
    let (ground, _, tree) = victim();
    ground.write("secrets/config", "[core]\nworktree = ../work\n");
    ground.write("work/.git", "gitdir: ../secrets\n");
    refused(&tree, Unproven::NoGitDirectory);
    ground.write("secrets/HEAD", "ref: refs/heads/main\n");
    ground.directory("secrets/objects");
    ground.directory("secrets/refs");
    assert_eq!(shown(&protect(&tree)), [(ground.join("secrets"), true)]);
    ground.write("work/.git", "gitdir: ../nothing\n");
    refused(&tree, Unproven::Missing);
}

#[test]
fn a_forged_worktree_directory_leads_nowhere() {
    let (ground, victim, tree) = victim();
    let forge = |place: &str| {
        ground.write(
            &format!("{place}/gitdir"),
            tree.join(".git").to_str().expect("text"),
        );
        let common = victim.join(".git");
        ground.write(
            &format!("{place}/commondir"),
            common.to_str().expect("text"),
        );
        ground.write(&format!("{place}/HEAD"), "ref: refs/heads/main\n");
        let place = ground.join(place);
        ground.write("work/.git", &format!("gitdir: {}\n", place.display()));
        git(&tree, ["log", "-1"]);
    };
    // Where another sandbox could write, and in the workspace itself.
    forge("elsewhere/worktrees/work");
    refused(&tree, Unproven::NotItsWorktree);
    forge("work/fake/worktrees/work");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(found.shown.is_empty());
    // By a link, the name of which looks right.
    ground.directory("victim/.git/worktrees");
    ground.link(
        ground.join("elsewhere/worktrees/work"),
        "victim/.git/worktrees/linked",
    );
    ground.write("work/.git", "gitdir: ../victim/.git/worktrees/linked\n");
    refused(&tree, Unproven::NotItsWorktree);
    // In the repository itself it is a worktree.
    forge("victim/.git/worktrees/work");
    assert_eq!(shown(&protect(&tree)), [(victim.join(".git"), true)]);
}

#[test]
fn a_worktree_of_another_place_is_not_believed() {
    let (ground, victim, tree) = victim();
    git(&victim, ["worktree", "add", "-q", "../real"]);
    assert_eq!(
        shown(&protect(&ground.join("real"))),
        [(victim.join(".git"), true)]
    );
    fs::copy(ground.join("real/.git"), tree.join(".git")).expect("a copy");
    git(&tree, ["log", "-1"]);
    refused(&tree, Unproven::OtherWayBack);
    let back = "victim/.git/worktrees/real/gitdir";
    ground.write(back, tree.join("x").to_str().expect("text"));
    refused(&tree, Unproven::OtherWayBack);
    fs::remove_file(ground.join(back)).expect("the way back");
    refused(&tree, Unproven::NoWayBack);
}

#[test]
fn a_way_back_counts_as_git_reads_it() {
    let (ground, victim, tree) = victim();
    ground.write("work/.git", "gitdir: ../victim/.git\n");
    for no in [
        "# [core]\n# worktree = ../../work\n",
        "[core]\n; worktree = ../../work\n",
        "[core \"x\"]\nworktree = ../../work\n",
        "[cor]\nworktree = ../../work\n",
        "[core]\nworktree\n",
        "[a]\nb = \"[core]\\n\\\nworktree = ../../work\"\n",
        "[core]\nworktree = ../../work\nbroken = \"\n",
    ] {
        ground.write("victim/.git/config", no);
        refused(&tree, Unproven::NoWayBack);
    }
    ground.write(
        "victim/.git/config",
        "[core]\nworktree = ../../work\nworktree = ../..\n",
    );
    refused(&tree, Unproven::OtherWayBack);
    for yes in [
        "[CORE]\nWorkTree = ../../work # here\n",
        "[core] worktree = \"../../wo\"rk\n",
        "[core]\nworktree = ..\nworktree = ../../\\\nwork\n",
    ] {
        ground.write("victim/.git/config", yes);
        assert_eq!(
            shown(&protect(&tree)),
            [(victim.join(".git"), true)],
            "{yes}"
        );
    }
    // A file of its own counts only if the other one says so.
    ground.write(
        "victim/.git/config.worktree",
        "[core]\nworktree = ../../work\n",
    );
    ground.write("victim/.git/config", "[core]\nbare = false\n");
    refused(&tree, Unproven::NoWayBack);
    ground.write(
        "victim/.git/config",
        "[extensions]\nworktreeConfig = true\n",
    );
    assert_eq!(shown(&protect(&tree)), [(victim.join(".git"), true)]);
}

#[test]
fn a_link_is_no_pointer() {
    let (ground, victim, tree) = victim();
    git(&victim, ["config", "core.worktree", "../../work"]);
    ground.link("../victim/.git", "work/.git");
    git(&tree, ["log", "-1"]);
    refused(&tree, Unproven::Link);
    fs::remove_file(tree.join(".git")).expect("the link");
    ground.write("work/.git", "gitdir: ../victim/.git\n");
    assert_eq!(shown(&protect(&tree)), [(victim.join(".git"), true)]);
}

#[test]
fn a_pointer_in_the_workspace_is_protected_with_what_it_leads_to() {
    let (ground, _, tree) = victim();
    git(&tree, ["init", "-q", "--separate-git-dir", "real.git"]);
    let found = protect(&tree);
    check(&found, &tree);
    assert!(found.shown.is_empty());
    for name in [".git", "real.git/config", "real.git/hooks"] {
        assert!(is_read_only(&found, &tree.join(name)), "{name}");
    }
    fs::remove_file(tree.join(".git")).expect("the pointer");
    ground.link("real.git", "work/.git");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join("real.git/config")));
}

#[test]
fn what_is_no_plain_file_holds_nobody_up() {
    let (ground, _, tree) = victim();
    let fifo = |path: &str| {
        let made = std::process::Command::new("mkfifo")
            .arg(ground.join(path))
            .status();
        assert!(made.expect("mkfifo").success());
    };
    git(&tree, ["init", "-q"]);
    for name in ["commondir", "config.worktree", "objects/info/alternates"] {
        fifo(&format!("work/.git/{name}"));
    }
    fifo("work/.gitmodules");
    fifo("work/.envrc");
    ground.link("loop-b", "work/loop-a");
    ground.link("loop-a", "work/loop-b");
    ground.link("loop-a/settings", "work/.mcp.json");
    ground.link("../../../../../../../..", "work/.vscode");
    ground.write("work/nested/.git", "no pointer");
    ground.write(
        "work/huge/.git",
        &format!("gitdir: {}", "x/".repeat(100_000)),
    );
    ground.write("work/nul/.git", "gitdir: a\0b\n");
    let deep = "[core]\n".repeat(200_000);
    ground.write("work/large/.git/config", &deep);
    let begin = Instant::now();
    let found = protect(&tree);
    assert!(begin.elapsed() < Duration::from_secs(10));
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join(".git/config")));
    let noted = |path: &str| {
        let path = tree.join(path);
        found.notes.iter().any(|note| match note {
            Note::OddType { path: one } | Note::Unreadable { path: one, .. } => *one == path,
            Note::NotShown { pointer, .. } => *pointer == path,
            _ => false,
        })
    };
    for name in [
        ".git/commondir",
        ".envrc",
        "nested/.git",
        "huge/.git",
        "nul/.git",
        "large/.git/config",
    ] {
        assert!(noted(name), "{name}: {:?}", found.notes);
    }
}

#[test]
fn what_is_left_in_heaps_ends_somewhere() {
    let (ground, _, tree) = victim();
    git(&tree, ["init", "-q"]);
    // Two files that include each other sixty times: without an end, 60 to the power of 10.
    for (file, other) in [("a", "b"), ("b", "a")] {
        let lines = format!("[include]\npath = {other}\npath = ./{other}\n").repeat(30);
        ground.write(&format!("work/{file}"), &lines);
    }
    git(&tree, ["config", "include.path", "../a"]);
    // Hooks directories in numbers: the last one counts.
    let many: String = (0..10_000)
        .map(|n| format!("[core]\nhooksPath = h{n}\n"))
        .collect();
    ground.write("work/many/.git/config", &many);
    ground.write("work/many/.git/HEAD", "");
    let many: String = (0..10_000)
        .map(|n| format!("[include]\npath = h{n}\n"))
        .collect();
    ground.write("work/more/.git/config", &many);
    for n in 0..150 {
        ground.write(&format!("work/heap/{n}/.git"), "gitdir: ../nowhere\n");
    }
    let begin = Instant::now();
    let found = protect(&tree);
    assert!(begin.elapsed() < Duration::from_secs(10));
    check(&found, &tree);
    for name in ["a", "b", ".git/config"] {
        assert!(is_read_only(&found, &tree.join(name)), "{name}");
    }
    let path = tree.join("a");
    assert!(!found.notes.contains(&Note::Includes { path }));
    let path = tree.join("more/.git/config");
    assert!(found.notes.contains(&Note::Includes { path }));
    assert!(found.read_only.len() < 1_000 && found.absent.len() < 50_000);
    assert!(found.notes.len() < 500, "{}", found.notes.len());
    let cut = |note: &Note| {
        matches!(
            note,
            Note::SearchEnded(crate::protect::note::Cut::Repositories(128))
        )
    };
    assert!(found.notes.iter().any(cut));
}

#[test]
fn notes_show_no_control_characters() {
    let (ground, _, tree) = victim();
    ground.write("work/.git", "gitdir: ../\u{1b}[2J\u{202e}gnp\n");
    let found = protect(&tree);
    let text = found.notes[0].to_string();
    assert!(text.contains("\\u{1b}[2J\\u{202e}gnp"), "{text}");
}
