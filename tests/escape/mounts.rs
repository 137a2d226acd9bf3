//! Mounts and namespaces.

use crate::support::*;
use cofferdam::{Layer, SyscallIntent};
use std::fs;
use std::process::Command;

#[test]
fn no_namespace_is_made() {
    let sandbox = build(wall());
    for kind in [
        "user", "mount", "pid", "net", "ipc", "uts", "cgroup", "time",
    ] {
        for how in ["unshare", "clone"] {
            // clone(2) cannot make a time namespace: those bits are the signal's.
            if (how, kind) == ("clone", "time") {
                continue;
            }
            let attack = ["namespaces", how, kind];
            assert_eq!(one_inside(&sandbox, &attack), "EPERM", "{how} {kind}");
            // An ordinary user makes the others from within one of its own.
            let control = match is_root() || kind == "user" {
                true => one_outside(&attack),
                false => one_outside(&["as-root", attack[0], attack[1], attack[2]]),
            };
            assert!(done(&control), "{how} {kind}: {control}");
        }
    }
    assert_eq!(one_inside(&sandbox, &["namespaces", "clone3"]), "ENOSYS");
    assert!(done(&one_outside(&["namespaces", "clone3"])));
}

/// Attacks on the mounts of a scene, each by itself: what it needs to work is done before it.
fn on_mounts(directory: &str) -> Vec<Vec<&str>> {
    [
        &["namespaces", "tmpfs", directory] as &[&str],
        &["namespaces", "bind", "/usr", directory],
        &["namespaces", "copy-tree", directory],
        &["namespaces", "chroot", directory],
        &["namespaces", "setns", "/proc/self/ns/mnt", "mount"],
        &["namespaces", "setns", "/proc/self/ns/net", "net"],
    ]
    .map(<[&str]>::to_vec)
    .to_vec()
}

#[test]
fn nothing_is_mounted_or_entered() {
    let scene = Scene::new();
    let sandbox = build(scene.wall());
    for attack in on_mounts(text(&scene.workspace)) {
        // Without the wall an ordinary user does it as root of namespaces of its own.
        let as_root: Vec<&str> = ["as-root"]
            .into_iter()
            .chain(attack.iter().copied())
            .collect();
        let control = one_outside(&as_root);
        assert!(done(&control), "{attack:?}: {control}");
        assert_eq!(one_inside(&sandbox, &attack), "EPERM", "{attack:?}");
        assert_eq!(one_inside(&sandbox, &as_root), "EPERM", "{attack:?}");
    }
    let answers = inside(
        &sandbox,
        &[
            &["namespaces", "unmount", "/proc"],
            &["namespaces", "unmount", "/usr"],
            &["namespaces", "pivot", "/tmp"],
            &["namespaces", "remount-writable", "/usr"],
            &["namespaces", "remount-filesystem", "/proc"],
            &["namespaces", "attributes-writable", "/usr"],
        ],
    );
    assert_eq!(answers, ["EPERM"; 6]);
    assert!(!done(&one_inside(
        &sandbox,
        &["files", "open", "w", "/usr/bin/env"]
    )));
}

/// With nested namespaces allowed, a program inside is root of its own mounts; Landlock would keep it
/// from mounting at all, so the mounts stand alone here.
#[test]
fn nested_namespaces_undo_nothing() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let key = scene.workspace.join("key");
    fs::write(&key, "private key").expect("a file");
    let (beyond, key, file) = (text(&scene.beyond), text(&key), text(&canary));
    let workspace = text(&scene.workspace);
    let wall = scene.wall().read(&scene.beyond).hide(key);
    let sandbox = build(
        wall.syscalls(|calls| calls.allow(SyscallIntent::NestedNamespaces))
            .layers(|layers| layers.off(Layer::Landlock)),
    );
    // It works as such.
    assert_eq!(
        one_inside(&sandbox, &["as-root", "namespaces", "tmpfs", workspace]),
        "done"
    );
    let before = trace(&canary);
    let attacks: [&[&str]; 9] = [
        &["as-root", "namespaces", "remount-writable", beyond],
        &["namespaces", "attributes-writable", beyond],
        &["namespaces", "unmount", key],
        &["namespaces", "unmount", beyond],
        &["namespaces", "unmount", "/proc/sys"],
        &["namespaces", "bind", beyond, workspace],
        &["namespaces", "remount-writable", workspace],
        &["files", "write", file, "changed"],
        &["files", "read", key],
    ];
    let answers = inside(&sandbox, &attacks);
    assert!(
        !answers.iter().any(|answer| answer.contains("private key")),
        "{answers:?}"
    );
    assert_eq!(trace(&canary), before, "{answers:?}");
    let through = scene.workspace.join("file");
    let answers = inside(
        &sandbox,
        &[
            &["as-root", "namespaces", "bind", beyond, workspace],
            &["namespaces", "attributes-writable", workspace],
            &["files", "write", text(&through), "changed"],
            &["files", "count-writable", "/proc/sys/kernel"],
            &["namespaces", "setns", "/proc/1/ns/mnt", "mount"],
            &["namespaces", "setns", "/proc/1/ns/user", "user"],
        ],
    );
    assert_eq!(trace(&canary), before, "{answers:?}");
    assert!(answers[3].starts_with("done 0"), "{answers:?}");
    assert!(!done(&answers[4]) && !done(&answers[5]), "{answers:?}");
    // Without the wall one's own mounts can be changed so.
    let attack = ["as-root", "namespaces", "bind", beyond, workspace];
    let control = outside(&[&attack, &["files", "write", text(&through), "changed"]]);
    assert_eq!(control, ["done", "done"]);
    assert_eq!(fs::read_to_string(&canary).expect("the file"), "changed");
}

/// With Landlock in force nested namespaces mount nothing at all.
#[test]
fn landlock_keeps_nested_namespaces_from_mounting() {
    let scene = Scene::new();
    let workspace = text(&scene.workspace);
    let nested = |calls: cofferdam::Syscalls| calls.allow(SyscallIntent::NestedNamespaces);
    let sandbox = build(scene.wall().syscalls(nested));
    assert_eq!(
        one_inside(&sandbox, &["as-root", "processes", "ids"]),
        "done 0 0 0 0"
    );
    assert_eq!(
        one_inside(&sandbox, &["as-root", "namespaces", "tmpfs", workspace]),
        "EPERM"
    );
    assert_eq!(
        one_outside(&["as-root", "namespaces", "tmpfs", workspace]),
        "done"
    );
}

fn host(setup: &[&str], attack: &[&str]) -> String {
    let output = Command::new(ATTACKER)
        .arg("host")
        .args(setup)
        .arg("--")
        .args(attack)
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn mounts_below_what_is_read_only_are_read_only() {
    let scene = Scene::new();
    let file = scene.beyond.join("below/file");
    let directory = text(&scene.beyond);
    let read = host(&["submount", directory], &["files", "read", text(&file)]);
    assert_eq!(
        read,
        "outside done original\ninside done original\nafter original\n"
    );
    fs::remove_dir(scene.beyond.join("below")).expect("the mount point");
    let write = host(
        &["submount", directory],
        &["files", "append", text(&file), "+"],
    );
    assert_eq!(write, "outside done\ninside EROFS\nafter original+\n");
}

#[test]
fn mounts_of_the_host_do_not_follow() {
    let scene = Scene::new();
    let file = scene.beyond.join("later/file");
    let said = host(
        &["later", text(&scene.beyond)],
        &["files", "read", text(&file)],
    );
    assert_eq!(said, "outside done mounted later\ninside ENOENT\n");
}

#[test]
fn nothing_is_left_of_the_old_root() {
    let scene = Scene::new();
    scene.canary("file");
    let sandbox = build(scene.wall());
    let answers = inside(
        &sandbox,
        &[
            &["namespaces", "mounts-below", "/"],
            &["files", "list", "/"],
            &["files", "list", "/.."],
            &["files", "stat", text(&scene.beyond)],
        ],
    );
    let workspace = scene.workspace.display().to_string();
    let expected = [
        "/usr",
        "/opt",
        "/etc",
        "/dev",
        "/proc",
        "/tmp",
        "/attacker",
        "/nix",
        "/gnu",
        "/bin",
        "/sbin",
        "/lib",
    ];
    let home = std::env::var("HOME").expect("a home");
    for mount in answers[0].split(' ').skip(1) {
        let known = mount == "/"
            || mount == workspace
            || mount.starts_with(&home)
            || expected.iter().any(|known| mount.starts_with(known));
        assert!(known, "{mount}");
    }
    assert_eq!(answers[1], answers[2]);
    assert!(!answers[1].contains("var/log"));
    assert_eq!(answers[3], "ENOENT");
    assert!(done(&one_outside(&["files", "stat", text(&scene.beyond)])));
}
