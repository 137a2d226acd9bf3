//! Workspaces that are written to directly: names that programs outside obey.

use crate::support::*;
use cofferdam::{Session, Stdio};
use cofferdam_tests::scenes::repository;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

fn ask(session: &Session, attack: &[&str]) -> String {
    answer(session.command(INSIDE).args(attack))
}

/// A repository with what a person's programs obey.
fn scene() -> (Scene, Vec<PathBuf>) {
    let scene = Scene::new();
    let tree = &scene.workspace;
    repository::make(tree);
    repository::make(&tree.join("nested"));
    let names = [
        ".git/hooks/pre-commit",
        ".git/config",
        "nested/.git/hooks/pre-push",
        ".mcp.json",
        ".vscode/settings.json",
        ".claude/settings.json",
    ];
    for name in names.iter().filter(|name| !name.ends_with("/config")) {
        fs::create_dir_all(tree.join(name).parent().expect("a directory")).expect("a directory");
        fs::write(tree.join(name), "the host's").expect("a file");
    }
    let names = names.iter().map(|name| tree.join(name)).collect();
    (scene, names)
}

#[test]
fn what_programs_outside_obey_does_not_change() {
    let (scene, names) = scene();
    let sandbox = build(scene.wall());
    let tree = text(&scene.workspace).to_owned();
    for name in &names {
        let (path, beside) = (text(name), format!("{tree}/beside"));
        let aside = format!("{tree}/aside");
        let directory = text(name.parent().expect("a directory"));
        let first = name
            .strip_prefix(&tree)
            .expect("in it")
            .iter()
            .next()
            .expect("a name");
        let first = scene.workspace.join(first);
        let mut attacks: Vec<Vec<&str>> = vec![
            vec!["files", "write", &beside, "mine"],
            vec!["trees", "exchange", &beside, path],
            vec!["files", "rename", &beside, path],
            vec!["files", "write", path, "changed"],
            vec!["files", "append", path, "changed"],
            vec!["trees", "map-and-write", path],
            vec!["files", "truncate", path],
            vec!["files", "chmod", path, "0777"],
            vec!["files", "unlink", path],
            vec!["files", "rename", path, &aside],
            vec!["files", "link", path, &aside],
            vec!["files", "rename", text(&first), &aside],
        ];
        if directory != tree {
            attacks.push(vec!["files", "rename", directory, &aside]);
        }
        let attacks: Vec<&[&str]> = attacks.iter().map(Vec::as_slice).collect();
        let before = trace(name);
        let answers = inside(&sandbox, &attacks);
        assert_eq!(trace(name), before, "{path}: {answers:?}");
        assert_eq!(
            answers.iter().filter(|answer| done(answer)).count(),
            1,
            "{path}: {answers:?}"
        );
        let _ = fs::remove_file(&beside);
    }
    // The control: without the protection the same program changes them.
    let open = build(scene.wall().filesystem(|files| files.protect(false)));
    for name in &names {
        assert_eq!(
            one_inside(&open, &["files", "write", text(name), "changed"]),
            "done"
        );
        assert_eq!(fs::read(name).expect("a file"), b"changed");
    }
}

#[test]
fn what_programs_outside_would_obey_is_taken_away() {
    let scene = Scene::new();
    repository::make(&scene.workspace);
    let names = [
        ".mcp.json",
        ".envrc",
        ".git/config.worktree",
        ".git/commondir",
    ];
    let attacks: Vec<[String; 4]> = names
        .iter()
        .map(|name| {
            ["files", "write", text(&scene.workspace.join(name)), "made"].map(str::to_owned)
        })
        .collect();
    let run = |sandbox: &cofferdam::Sandbox| {
        for attack in &attacks {
            let answer = one_inside(sandbox, &attack.each_ref().map(String::as_str));
            assert_eq!(answer, "done", "{attack:?}");
        }
        names.map(|name| scene.workspace.join(name).exists())
    };
    assert_eq!(run(&build(scene.wall())), [false; 4]);
    // A link on the way, and links in place of a name, are taken away themselves.
    scene.canary("settings.json");
    let before = trace(&scene.beyond.join("settings.json"));
    let sandbox = build(scene.wall());
    for name in [".vscode", ".claude", ".husky"] {
        let link = scene.workspace.join(name);
        one_inside(
            &sandbox,
            &["files", "symlink", text(&scene.beyond), text(&link)],
        );
        assert!(!link.is_symlink(), "{name}");
    }
    assert_eq!(trace(&scene.beyond.join("settings.json")), before);
    let open = build(scene.wall().filesystem(|files| files.protect(false)));
    assert_eq!(run(&open), [true; 4]);
}

/// A program that lives on in its session exchanges a directory for a link while names in it are being
/// removed.
#[test]
fn removing_follows_no_link() {
    let scene = Scene::new();
    for name in ["settings.json", "canary", "deep"] {
        scene.canary(name);
    }
    let state = || ["settings.json", "canary", "deep"].map(|name| trace(&scene.beyond.join(name)));
    let before = state();
    let session = build(scene.wall()).start().expect("a session");
    let name = scene.workspace.join(".vscode");
    let mut swapping = session
        .command(INSIDE)
        .args(["trees", "swap", text(&name), text(&scene.beyond), "3000"])
        .stdout(Stdio::piped())
        .timeout(PATIENCE)
        .spawn()
        .expect("an attacker");
    let mut lines = BufReader::new(swapping.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    let mut taken = 0;
    while swapping.try_wait().expect("a state").is_none() {
        let status = session
            .command(INSIDE)
            .args(["processes", "directory"])
            .status();
        taken += status.expect("an attacker").taken_away().len();
        assert_eq!(state(), before);
    }
    println!("{taken} names were taken away meanwhile");
    assert!(taken > 0);
    let end = session.end();
    assert!(
        end.taken_away.iter().all(cofferdam::TakenAway::is_removed),
        "{:?}",
        end.taken_away
    );
    assert!(!name.join("settings.json").exists());
    assert_eq!(state(), before);
    // The control: a removal that goes by the path follows such a link.
    let link = scene.workspace.join("link");
    symlink(&scene.beyond, &link).expect("a link");
    fs::remove_file(link.join("canary")).expect("removed");
    assert_ne!(state(), before);
}

#[test]
fn a_name_made_over_and_over_is_gone_at_the_end() {
    let scene = Scene::new();
    let name = scene.workspace.join(".mcp.json");
    let session = build(scene.wall()).start().expect("a session");
    let mut making = session
        .command(INSIDE)
        .args(["trees", "make-again", text(&name), "600000"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("an attacker");
    let mut lines = BufReader::new(making.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    for _ in 0..20 {
        ask(&session, &["processes", "directory"]);
    }
    assert!(making.try_wait().expect("a state").is_none());
    let end = session.end();
    assert!(!name.exists(), "{:?}", end.taken_away);
    drop(making);
    assert!(!name.exists());
}

/// What an earlier run wrote into the workspace shows nothing of the host, whatever git would make
/// of it.
#[test]
fn a_forged_pointer_shows_nothing() {
    let scene = Scene::new();
    let victim = scene.beyond.join("victim");
    repository::make(&victim);
    fs::write(victim.join(".git/secret"), "secret").expect("a file");
    let secret = victim.join(".git/secret");
    let head = victim.join(".git/HEAD");
    let pointers: [&dyn Fn(&Path); 4] = [
        &|git| {
            fs::write(git, format!("gitdir: {}\n", victim.join(".git").display())).expect("a file")
        },
        &|git| fs::write(git, "gitdir: ../beyond/victim/.git\n").expect("a file"),
        &|git| symlink(victim.join(".git"), git).expect("a link"),
        &|git| {
            fs::create_dir(git).expect("a directory");
            fs::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("a file");
            fs::create_dir_all(git.join("objects")).expect("a directory");
            fs::create_dir_all(git.join("refs")).expect("a directory");
            fs::write(git.join("commondir"), text(&victim.join(".git"))).expect("a file");
        },
    ];
    for (number, forge) in pointers.iter().enumerate() {
        let git = scene.workspace.join(".git");
        forge(&git);
        // The control: git outside believes it.
        let believed = repository::command(&scene.workspace)
            .args(["log", "--format=%s"])
            .output();
        let believed = believed.expect("git");
        assert_eq!(believed.stdout, b"one\n", "{number}");
        let sandbox = build(scene.wall());
        for file in [&secret, &head] {
            assert!(done(&one_outside(&["files", "read", text(file)])));
            assert_eq!(
                one_inside(&sandbox, &["files", "read", text(file)]),
                "ENOENT",
                "{number}"
            );
        }
        drop(sandbox);
        let _ = fs::remove_file(&git);
        let _ = fs::remove_dir_all(&git);
    }
}

#[test]
fn a_worktree_gives_no_way_to_its_repository() {
    let scene = Scene::new();
    let main = scene.beyond.join("main");
    repository::make(&main);
    let linked = scene.workspace.join("linked");
    repository::git(
        &main,
        ["worktree", "add", "-q", "-b", "topic", text(&linked)],
    );
    let sandbox = build(wall().workspace(&linked));
    let own = main.join(".git/worktrees/linked");
    let kept = [
        main.join(".git/config"),
        main.join("file"),
        own.join("commondir"),
        own.join("gitdir"),
    ];
    let hook = main.join(".git/hooks/post-commit");
    let before = kept.each_ref().map(|path| trace(path));
    for path in kept.iter().chain([&hook]) {
        let aside = main.join(".git/objects/aside");
        let attacks: [&[&str]; 4] = [
            &["files", "write", text(path), "changed"],
            &["files", "unlink", text(path)],
            &["files", "rename", text(path), text(&aside)],
            &[
                "files",
                "rename",
                text(path.parent().expect("above")),
                text(&aside),
            ],
        ];
        // Some are done, to a directory of the sandbox's own that leads to the repository.
        let answers = inside(&sandbox, &attacks);
        assert_eq!(
            kept.each_ref().map(|path| trace(path)),
            before,
            "{answers:?}"
        );
        assert!(!hook.exists(), "{answers:?}");
    }
    assert_eq!(
        one_inside(&sandbox, &["files", "read", text(&main.join("file"))]),
        "ENOENT"
    );
    // The controls: what git needs is there, and outside all of it can be written.
    assert!(done(&one_inside(
        &sandbox,
        &["files", "read", text(&own.join("HEAD"))]
    )));
    assert_eq!(
        one_outside(&["files", "write", text(&hook), "changed"]),
        "done"
    );
    assert_eq!(
        one_outside(&["files", "write", text(&kept[0]), "changed"]),
        "done"
    );
}
