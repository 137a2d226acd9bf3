//! Roots other than the host's, made by whoever made the image.

use crate::support::*;
use cofferdam::policy::{Access, PathRule};
use cofferdam::{Sandbox, SandboxBuilder};
use cofferdam_tests::scenes::{alone, image, system};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const PROGRAM: &str = "/usr/bin/attacker";

/// A system with the attacker in it.
fn root(base: &Path) -> PathBuf {
    let root = base.join("root");
    fs::create_dir(&root).expect("a directory");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("a mode");
    system::make(&root, &[Path::new(ATTACKER)]);
    root
}

fn of(root: &Path) -> SandboxBuilder {
    Sandbox::builder().filesystem(|files| files.root_directory(root))
}

fn ask(sandbox: &Sandbox, attack: &[&str]) -> String {
    answer(sandbox.command(PROGRAM).args(attack))
}

#[test]
fn the_host_s_files_are_not_in_another_root() {
    let scene = Scene::new();
    let root = root(&scene.beyond);
    let canary = scene.canary("file");
    let sandbox = build(of(&root).workspace(&scene.workspace));
    assert!(done(&ask(&sandbox, &["files", "read", "/etc/name"])));
    for path in [
        text(&canary),
        text(&root),
        "/etc/passwd",
        "/etc/ld.so.cache",
        "/usr/bin/git",
        "/var/log",
        "/home",
    ] {
        let attack = ["files", "stat", path];
        let inside = ask(&sandbox, &attack);
        let of_root = fs::symlink_metadata(root.join(path.trim_start_matches('/'))).is_ok();
        assert_eq!(done(&inside), of_root, "{path}: {inside}");
        assert!(done(&one_outside(&attack)), "{path}");
    }
    let write = ["files", "write", "/etc/name", "changed"];
    let before = trace(&root.join("etc/name"));
    assert_eq!(ask(&sandbox, &write), "done");
    assert_eq!(trace(&root.join("etc/name")), before);
    let read_only = build(of(&root).filesystem(|files| files.root_access(Access::Read)));
    assert_eq!(ask(&read_only, &write), "EROFS");
    assert_eq!(
        one_outside(&["files", "write", text(&root.join("etc/name")), "x"]),
        "done"
    );
}

/// Links of the image where mounts go lead neither to the host nor to another place of the image.
#[test]
fn a_hostile_root_leads_nowhere() {
    for (number, target) in ["/etc", "../../../../etc", "/nowhere", "BEYOND"]
        .into_iter()
        .enumerate()
    {
        let scene = Scene::new();
        let canary = scene.canary("file");
        let root = root(&scene.beyond);
        let target = target.replace("BEYOND", text(&scene.beyond));
        for name in ["proc", "dev", "tmp", "home", "root", "sys", "run"] {
            let path = root.join(name);
            let _ = fs::remove_dir_all(&path);
            symlink(&target, &path).expect("a link");
        }
        let before = one_outside(&["trees", "trace", text(&root.join("etc"))]);
        let beyond = trace(&canary);
        let builder =
            of(&root).filesystem(|files| files.rule(PathRule::read(ATTACKER).at("/run/given")));
        match builder.build() {
            Err(error) => println!("{target}: {error}"),
            Ok(sandbox) => match sandbox
                .command(PROGRAM)
                .args(["files", "stat", "/proc/self/status"])
                .output()
            {
                Err(error) => println!("{target}: {error}"),
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stdout).into_owned();
                    assert!(
                        said.starts_with("done"),
                        "{target}: there is no /proc: {said}"
                    );
                    for attack in [
                        ["files", "write", "/tmp/made", "made"],
                        ["files", "write", "/dev/null", "made"],
                        ["files", "write", "/proc/self/comm", "made"],
                    ] {
                        ask(&sandbox, &attack);
                    }
                    assert_eq!(ask(&sandbox, &["files", "read", text(&canary)]), "ENOENT");
                }
            },
        }
        assert_eq!(
            one_outside(&["trees", "trace", text(&root.join("etc"))]),
            before,
            "{number}"
        );
        assert_eq!(trace(&canary), beyond, "{number}");
        assert!(!scene.beyond.join("made").exists());
        assert!(!Path::new("/etc/made").exists());
    }
}

#[test]
fn set_user_id_programs_of_a_root_change_nothing() {
    let scene = Scene::new();
    let root = root(&scene.beyond);
    let program = root.join("usr/bin/attacker");
    let tool = root.join("usr/bin/tool");
    copy_program(&tool);
    // Of root on a root host; of whoever runs the tests otherwise, who gains nothing outside either.
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o6755)).expect("a mode");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let sandbox = build(of(&root));
    let ids = |answer: String| {
        let words = ["Uid:", "Gid:", "CapEff:"];
        let mut words = words.map(|word| answer.split(word).nth(1).expect("a status").to_owned());
        for word in &mut words {
            *word = word
                .split_whitespace()
                .take(4)
                .collect::<Vec<_>>()
                .join(" ");
        }
        (words[0].clone(), words[1].clone())
    };
    let plain = ids(ask(&sandbox, &["files", "read", "/proc/self/status"]));
    let raised = [
        "files",
        "exec",
        "/usr/bin/tool",
        "files",
        "read",
        "/proc/self/status",
    ];
    assert_eq!(ids(ask(&sandbox, &raised)), plain);
    if is_root() {
        // The control: another user runs it outside, and is root.
        for path in [scene.beyond.parent().expect("above"), &scene.beyond] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("a mode");
        }
        let output = std::process::Command::new("setpriv")
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                text(&tool),
            ])
            .args(["files", "read", "/proc/self/status"])
            .output()
            .expect("setpriv");
        let outside = ids(String::from_utf8_lossy(&output.stdout).into_owned());
        if outside.0 != "65534 0 0 0" {
            lacks("a temporary directory on which the set-user-ID bit works");
        }
    }
}

#[test]
fn the_cache_of_images_is_not_written() {
    alone::run("roots::the_cache_of_images_is_not_written", |base| {
        let root = root(base);
        let layout = base.join("layout");
        image::make(&layout, &root, "{}");
        let sandbox = build(Sandbox::builder().filesystem(|files| files.root_image(&layout)));
        let cache = cofferdam::image::Cache::default_directory().expect("a directory");
        let entry = fs::read_dir(&cache)
            .expect("the cache")
            .next()
            .expect("an image");
        let entry = entry.expect("an entry").path();
        let list = || one_outside(&["trees", "trace", text(&entry)]);
        let before = list();
        for attack in [
            &["files", "write", "/etc/name", "changed"] as &[&str],
            &["trees", "map-and-write", "/etc/name"],
            &["files", "chmod", "/etc/name", "0777"],
            &["files", "unlink", "/etc/name"],
            &["files", "rename", "/etc", "/other"],
            &["files", "chmod", "/", "0777"],
            &["files", "mkdir", "/made"],
        ] {
            let answer = ask(&sandbox, attack);
            assert!(done(&answer) || answer == "EXDEV", "{attack:?}: {answer}");
            assert_eq!(list(), before, "{attack:?}");
        }
        for path in [&cache, &entry, &entry.join("root/etc/name")] {
            assert_eq!(ask(&sandbox, &["files", "stat", text(path)]), "ENOENT");
        }
        // The control: outside the cache's owner can.
        let name = entry.join("root/etc/name");
        assert_eq!(
            one_outside(&["files", "write", text(&name), "changed"]),
            "done"
        );
        assert_ne!(list(), before);
    });
}
