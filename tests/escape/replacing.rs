//! Things exchanged for others between a policy and its use, and names instead of files.

use crate::support::*;
use cofferdam::policy::PathRule;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_link_where_a_mount_goes_is_refused() {
    let scene = Scene::new();
    fs::create_dir(scene.beyond.join("target")).expect("a directory");
    symlink(scene.beyond.join("target"), scene.workspace.join("link")).expect("a link");
    let shown = tempfile::tempdir().expect("a directory");
    let over = |at: &str| {
        let rule = PathRule::read(shown.path()).at(scene.workspace.join(at));
        scene.wall().filesystem(|files| files.rule(rule)).build()
    };
    let before = trace(&scene.beyond);
    assert!(over("link").is_err());
    assert!(over("link/below").is_err());
    assert!(
        scene
            .wall()
            .hide(scene.workspace.join("link/below"))
            .build()
            .is_err()
    );
    assert_eq!(trace(&scene.beyond), before);
    // Without the check the link would have led a maker of mount points out of the workspace.
    fs::create_dir(scene.workspace.join("link/made")).expect("led out");
    assert!(scene.beyond.join("target/made").exists());
}

#[test]
fn a_mount_point_exchanged_for_a_link_stops_the_spawn() {
    let scene = Scene::new();
    let point = scene.workspace.join("point");
    fs::create_dir_all(point.join("below")).expect("directories");
    fs::create_dir(scene.beyond.join("below")).expect("a directory");
    let shown = tempfile::tempdir().expect("a directory");
    for at in [point.clone(), point.join("below")] {
        let rule = PathRule::read(shown.path()).at(&at);
        let sandbox = build(scene.wall().filesystem(|files| files.rule(rule)));
        let works = sandbox.command("true").status();
        assert!(works.expect("started").success());
        // What a program of an earlier command does.
        fs::rename(&point, scene.workspace.join("aside")).expect("moved");
        symlink(&scene.beyond, &point).expect("a link");
        let before = trace(&scene.beyond);
        let error = sandbox.command("true").status();
        assert!(error.is_err(), "{}", at.display());
        assert_eq!(trace(&scene.beyond), before);
        fs::remove_file(&point).expect("removed");
        fs::rename(scene.workspace.join("aside"), &point).expect("moved back");
    }
}

#[test]
fn a_workspace_exchanged_for_a_link_stops_the_spawn() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let sandbox = build(scene.wall());
    fs::rename(&scene.workspace, scene.workspace.with_extension("aside")).expect("moved");
    symlink(&scene.beyond, &scene.workspace).expect("a link");
    let before = trace(&canary);
    let path = scene.workspace.join("file");
    let attack = ["files", "write", text(&path), "changed"];
    assert!(sandbox.command(INSIDE).args(attack).output().is_err());
    assert_eq!(trace(&canary), before);
    assert!(done(&one_outside(&attack)));
    assert_ne!(trace(&canary), before);
}

/// `mv .git aside; mkdir .git` and a configuration of one's own in it: a bind protects a file, and
/// what counts is its name.
#[test]
fn the_way_to_what_is_protected_cannot_be_moved() {
    let scene = Scene::new();
    let directory = scene.workspace.join("a/.git");
    let aside = scene.workspace.join("aside");
    let file = directory.join("config");
    fs::create_dir_all(&directory).expect("directories");
    fs::write(&file, "good").expect("a file");
    let (a, moved) = (scene.workspace.join("a"), aside.join(".git"));
    let attacks: [&[&str]; 6] = [
        &["files", "rename", text(&directory), text(&aside)],
        &["files", "mkdir", text(&directory)],
        &["files", "write", text(&file), "evil"],
        &["files", "rename", text(&a), text(&aside)],
        &["files", "mkdir", text(&a)],
        &["files", "rename", text(&moved), text(&directory)],
    ];
    for wall in [scene.wall().read(&file), scene.wall().hide(&file)] {
        let answers = inside(&build(wall), &attacks);
        assert_eq!(
            fs::read_to_string(&file).ok().as_deref(),
            Some("good"),
            "{answers:?}"
        );
        // All else around it can be written as before.
        let other = directory.join("index");
        let work = ["files", "write", text(&other), "work"];
        assert!(done(&one_inside(&build(scene.wall().read(&file)), &work)));
    }
    let answers = outside(&attacks[..3]);
    assert!(answers.iter().all(|answer| done(answer)), "{answers:?}");
    assert_eq!(fs::read_to_string(&file).expect("the file"), "evil");
}

#[test]
fn what_is_hidden_stays_hidden() {
    let scene = Scene::new();
    let key = scene.workspace.join("keys/private");
    let aside = scene.workspace.join("aside");
    fs::create_dir(scene.workspace.join("keys")).expect("a directory");
    fs::write(&key, "private key").expect("a file");
    let moved = scene.workspace.join("moved");
    let by_root = format!("/proc/self/root{}", key.display());
    let keys = scene.workspace.join("keys");
    let attacks: [&[&str]; 6] = [
        &["files", "read", text(&key)],
        &["files", "read", &by_root],
        &["files", "chmod", text(&key), "0777"],
        &["files", "link", text(&key), text(&moved)],
        &["files", "rename", text(&key), text(&moved)],
        &["files", "rename", text(&keys), text(&aside)],
    ];
    for hidden in [&key, &keys] {
        let sandbox = build(scene.wall().hide(hidden));
        let before = trace(&key);
        let answers = inside(&sandbox, &attacks);
        assert!(
            !answers.iter().any(|answer| answer.contains("private key")),
            "{answers:?}"
        );
        assert_eq!(trace(&key), before, "{answers:?}");
        let later = inside(
            &sandbox,
            &[
                &["files", "read", text(&aside.join("private"))],
                &["files", "read", text(&moved)],
            ],
        );
        assert!(!later.iter().any(|answer| done(answer)), "{later:?}");
    }
    assert_eq!(one_outside(attacks[0]), "done private key");
}

/// The working directory of a command is often an agent's choice; it is found inside, and gives no
/// rights.
#[test]
fn a_working_directory_gives_nothing() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    symlink(&scene.beyond, scene.workspace.join("link")).expect("a link");
    let sandbox = build(scene.wall());
    let attack = ["files", "write", "file", "changed"];
    let before = trace(&canary);
    for directory in [
        scene.workspace.join("link"),
        scene.beyond.clone(),
        scene.workspace.join("../beyond"),
    ] {
        let started = sandbox
            .command(INSIDE)
            .args(attack)
            .current_dir(&directory)
            .output();
        assert!(started.is_err(), "{}", directory.display());
    }
    let usr = sandbox
        .command(INSIDE)
        .args(attack)
        .current_dir("/usr")
        .output()
        .expect("started");
    assert!(!done(String::from_utf8_lossy(&usr.stdout).trim()));
    assert!(!std::path::Path::new("/usr/file").exists());
    assert_eq!(trace(&canary), before);
    let control = std::process::Command::new(ATTACKER)
        .args(attack)
        .current_dir(scene.workspace.join("link"))
        .output();
    assert_eq!(control.expect("started").stdout, b"done\n");
    assert_ne!(trace(&canary), before);
}
