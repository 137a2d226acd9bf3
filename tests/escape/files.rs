//! Files outside of what the policy names, and files that are read-only.

use crate::support::*;
use cofferdam::policy::PathRule;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Every way to change a file, as an attack on a path.
fn changes(path: &Path) -> Vec<Vec<String>> {
    let path = text(path);
    let beside = format!("{path}-other");
    [
        &["files", "write", path, "changed"] as &[&str],
        &["files", "append", path, "changed"],
        &["files", "truncate", path],
        &["files", "chmod", path, "0777"],
        &["files", "utime", path],
        &["files", "xattr", path],
        &["files", "rename", path, &beside],
        &["files", "unlink", path],
        &["files", "link", path, &beside],
        &["files", "symlink", "nowhere", &beside],
        &["files", "mkdir", &beside],
        &["files", "write", &beside, "made"],
    ]
    .iter()
    .map(|attack| attack.iter().map(|word| (*word).to_owned()).collect())
    .collect()
}

/// The state of a file and of what attacks put beside it.
fn state(path: &Path) -> String {
    let beside = PathBuf::from(format!("{}-other", path.display()));
    format!("{} | {}", trace(path), trace(&beside))
}

/// Shows that every change works without the wall, and none inside, at each of the paths that lead
/// to a file. `aim` makes the file and its paths.
fn no_change(sandbox: &cofferdam::Sandbox, file: &Path, ways: &[PathBuf]) {
    let count = changes(file).len();
    for way in ways {
        let before = state(file);
        let attacks = changes(way);
        let attacks: Vec<Vec<&str>> = attacks
            .iter()
            .map(|a| a.iter().map(String::as_str).collect())
            .collect();
        let attacks: Vec<&[&str]> = attacks.iter().map(Vec::as_slice).collect();
        let answers = inside(sandbox, &attacks);
        assert_eq!(state(file), before, "by {}: {answers:?}", way.display());
    }
    for index in 0..count {
        let attack = changes(&ways[0]).remove(index);
        let attack: Vec<&str> = attack.iter().map(String::as_str).collect();
        let (before, answer) = (state(file), one_outside(&attack));
        if answer == "EOPNOTSUPP" {
            lacks("extended attributes of the user on the temporary directory's file system");
            continue;
        }
        assert_ne!(
            state(file),
            before,
            "{attack:?} does nothing outside: {answer}"
        );
        let beside = PathBuf::from(format!("{}-other", file.display()));
        let _ = fs::remove_dir(&beside);
        let _ = fs::remove_file(&beside);
        fs::write(file, "canary").expect("put back");
    }
}

#[test]
fn files_beyond_the_workspace_do_not_change() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let relative = scene.workspace.join("../beyond/file");
    let by_proc = PathBuf::from(format!("/proc/self/root{}", canary.display()));
    let by_init = PathBuf::from(format!("/proc/1/root{}", canary.display()));
    let ways = [canary.clone(), relative, by_proc, by_init];
    no_change(&build(scene.wall()), &canary, &ways);
}

#[test]
fn links_in_the_workspace_do_not_lead_out() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    symlink(&scene.beyond, scene.workspace.join("directory")).expect("a link");
    symlink(&canary, scene.workspace.join("file")).expect("a link");
    symlink("../beyond", scene.workspace.join("relative")).expect("a link");
    symlink("/proc/self/root", scene.workspace.join("root")).expect("a link");
    let ways = [
        scene.workspace.join("directory/file"),
        scene.workspace.join("relative/file"),
        scene.workspace.join(format!("root{}", canary.display())),
    ];
    let sandbox = build(scene.wall());
    no_change(&sandbox, &canary, &ways);
    // By the link itself only what is behind it can change; the link is the workspace's.
    let link = scene.workspace.join("file");
    let before = trace(&canary);
    one_inside(&sandbox, &["files", "write", text(&link), "changed"]);
    assert_eq!(trace(&canary), before);
    assert!(done(&one_outside(&[
        "files",
        "write",
        text(&link),
        "changed"
    ])));
    assert_ne!(trace(&canary), before);
}

#[test]
fn what_is_read_only_does_not_change() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    // The same file through a writable link, the root links of /proc, and where it is shown again.
    symlink(&canary, scene.workspace.join("link")).expect("a link");
    symlink(&scene.beyond, scene.workspace.join("directory")).expect("a link");
    let by_root = PathBuf::from(format!("/proc/self/root{}", canary.display()));
    let ways = [
        canary.clone(),
        scene.workspace.join("directory/file"),
        by_root,
        "/again/file".into(),
    ];
    let again = PathRule::read(&scene.beyond).at("/again");
    let wall = scene
        .wall()
        .read(&scene.beyond)
        .filesystem(|files| files.rule(again));
    let sandbox = build(wall);
    assert_eq!(
        one_inside(&sandbox, &["files", "read", text(&canary)]),
        "done canary"
    );
    assert_eq!(
        one_inside(&sandbox, &["files", "read", "/again/file"]),
        "done canary"
    );
    no_change(&sandbox, &canary, &ways);
    let link = scene.workspace.join("link");
    let before = trace(&canary);
    one_inside(&sandbox, &["files", "append", text(&link), "changed"]);
    assert_eq!(trace(&canary), before);
}

#[test]
fn a_hard_link_does_not_carry_a_file_out() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let link = scene.workspace.join("link");
    let attacks: [&[&str]; 4] = [
        &["files", "link", text(&canary), text(&link)],
        &["files", "rename", text(&canary), text(&link)],
        &["files", "chmod", text(&link), "0777"],
        &["files", "write", text(&link), "changed"],
    ];
    let sandbox = build(scene.wall().read(&scene.beyond));
    let before = trace(&canary);
    let answers = inside(&sandbox, &attacks[..3]);
    assert_eq!(trace(&canary), before, "{answers:?}");
    assert_eq!(answers[0], "EXDEV");
    fs::remove_file(&link).ok();
    outside(&[attacks[0], attacks[2], attacks[3]]);
    let after = fs::metadata(&canary).expect("the file");
    assert_eq!((after.nlink(), after.mode() & 0o777), (2, 0o777));
}

#[test]
fn files_of_the_user_and_the_system_are_not_there() {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let held = tempfile::Builder::new()
        .prefix(".cofferdam-")
        .tempdir_in(&home)
        .expect("a directory");
    let key = held.path().join("id_ed25519");
    fs::write(&key, "private key").expect("a file");
    let run = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let other = run.path().join("other");
    fs::write(&other, "another program's").expect("a file");
    let readable = [
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/fstab",
        "/etc/login.defs",
        "/sys/kernel/uevent_seqnum",
        "/boot",
        "/var/log",
        "/run",
        "/srv",
    ];
    let sandbox = build(wall());
    for (path, text) in [(&key, "private key"), (&other, "another program's")] {
        let attack = ["files", "read", path.to_str().expect("text")];
        assert_eq!(one_outside(&attack), format!("done {text}"));
        assert_eq!(one_inside(&sandbox, &attack), "ENOENT");
    }
    let mut shown = 0;
    for path in readable {
        let attack = ["files", "stat", path];
        shown += usize::from(done(&one_outside(&attack)));
        assert_eq!(one_inside(&sandbox, &attack), "ENOENT", "{path}");
    }
    assert!(shown > 2, "nothing to hide here");
    assert_ne!(
        one_inside(&sandbox, &["files", "read", "/etc/shadow"]),
        "done"
    );
    assert_eq!(
        one_inside(&sandbox, &["files", "read", "/etc/shadow"]),
        "ENOENT"
    );
}

#[test]
fn the_system_is_read_only() {
    let sandbox = build(wall());
    let paths = ["/usr/bin/env", "/etc/passwd", "/etc/ld.so.cache", "/bin/sh"];
    for path in paths {
        let answer = one_inside(&sandbox, &["files", "open", "w", path]);
        assert!(
            ["EROFS", "EACCES"].contains(&answer.as_str()),
            "{path}: {answer}"
        );
        // The kernel itself keeps them from an ordinary user; a program that runs is busy.
        let control = one_outside(&["files", "open", "w", path]);
        let opens = done(&control) || control == "ETXTBSY";
        assert_eq!(opens, is_root(), "{path}: {control}");
    }
    for directory in ["/", "/usr", "/etc", "/dev", "/usr/bin", "/proc"] {
        let path = format!("{directory}/cofferdam-made");
        let answer = one_inside(&sandbox, &["files", "write", &path, "made"]);
        assert!(!done(&answer), "{path}");
        assert!(!Path::new(&path).exists());
    }
}

#[test]
fn a_bind_without_exec_runs_nothing() {
    let scene = Scene::new();
    let program = scene.beyond.join("program");
    copy_program(&program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let sandbox =
        build(wall().filesystem(|files| files.rule(PathRule::read(&scene.beyond).no_exec())));
    let attack = ["files", "exec", text(&program), "processes", "directory"];
    assert!(done(&one_outside(&attack)));
    assert_eq!(one_inside(&sandbox, &attack), "EACCES");
    // The loader would map it as a library and jump to it.
    let loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loader.into_iter().find(|path| Path::new(path).exists());
    let Some(loader) = loader else {
        return lacks("the GNU loader");
    };
    let attack = [
        "files",
        "exec",
        loader,
        text(&program),
        "processes",
        "directory",
    ];
    assert!(done(&one_outside(&attack)));
    assert!(!done(&one_inside(&sandbox, &attack)));
    let allowed = build(wall().read(&scene.beyond));
    assert!(done(&one_inside(&allowed, &attack)));
}

#[test]
fn device_nodes_are_neither_made_nor_opened() {
    let scene = Scene::new();
    let sandbox = build(scene.wall());
    let made = scene.workspace.join("made");
    let answer = one_inside(&sandbox, &["files", "mknod", text(&made), "1", "3"]);
    assert_eq!(answer, "EPERM");
    assert!(!made.exists());
    // Only root can make one, so only there is there one to open; an ordinary user is refused by
    // the kernel itself.
    let answer = one_outside(&["files", "mknod", text(&made), "1", "3"]);
    assert_eq!(done(&answer), is_root(), "{answer}");
    if is_root() {
        fs::set_permissions(&made, fs::Permissions::from_mode(0o666)).expect("a mode");
        let attack = ["files", "open", "w", text(&made)];
        if !done(&one_outside(&attack)) {
            return lacks("a temporary directory on which device nodes work");
        }
        assert_eq!(one_inside(&sandbox, &attack), "EACCES");
    }
    let devices = one_inside(&sandbox, &["files", "list", "/dev"]);
    let expected = "done fd full null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(devices, expected);
}

/// The nodes in the sandbox's `/dev` are those of the host.
#[test]
fn devices_of_the_host_keep_their_times_and_modes() {
    // Reading and writing a device changes its times at most by the clock, not to 1970.
    let state = |path: &str| {
        let data = fs::metadata(path).expect("a device");
        (
            data.mode(),
            data.uid(),
            data.gid(),
            data.mtime() == 1,
            data.atime() == 1,
        )
    };
    let sandbox = build(wall());
    for path in [
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/tty",
    ] {
        let before = state(path);
        let answers = inside(
            &sandbox,
            &[
                &["files", "chmod", path, "0600"],
                &["files", "utime", path],
                &["files", "touch", path],
                &["files", "chown", path, "1000"],
                &["files", "xattr", path],
                &["files", "unlink", path],
            ],
        );
        assert_eq!(state(path), before, "{path}: {answers:?}");
        assert!(
            !answers.iter().any(|answer| done(answer)),
            "{path}: {answers:?}"
        );
        // For an ordinary user the kernel allows one of these outside, by the right to write.
        assert_eq!(one_outside(&["files", "touch", path]), "done");
    }
}

#[test]
fn a_directory_moved_out_leads_nowhere() {
    let attack = |scene: &Scene| {
        fs::create_dir_all(scene.workspace.join("a/b")).expect("directories");
        scene.canary("secret");
        text(&scene.workspace.join("a/b")).to_owned()
    };
    let run = |scene: &Scene, mut waiting: Waiting| {
        assert_eq!(waiting.says(), "ready");
        fs::rename(scene.workspace.join("a/b"), scene.beyond.join("b")).expect("moved");
        waiting.ask()
    };
    let scene = Scene::new();
    let from = attack(&scene);
    let mut control = std::process::Command::new(ATTACKER);
    control.args(["files", "walk-up", &from, "secret"]);
    assert_eq!(run(&scene, Waiting::outside(&mut control)), "done canary");

    let scene = Scene::new();
    let from = attack(&scene);
    let waiting = Waiting::inside(&build(scene.wall()), &["files", "walk-up", &from, "secret"]);
    assert_eq!(run(&scene, waiting), "ENOENT");
}

#[test]
fn no_file_is_opened_by_its_handle() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let attack = ["files", "handle", text(&canary)];
    // Only root may without the wall; an ordinary user is refused by the kernel itself.
    assert_eq!(done(&one_outside(&attack)), is_root());
    // The file is shown, so that the handle could be had.
    let sandbox = build(wall().read(&scene.beyond));
    assert_eq!(one_inside(&sandbox, &attack), "EPERM");
}

#[test]
fn a_pipe_in_what_is_read_only_is_not_written() {
    let scene = Scene::new();
    let pipe = scene.beyond.join("pipe");
    let path = std::ffi::CString::new(text(&pipe)).expect("no NUL");
    // SAFETY: mkfifo(3) reads the path up to its NUL.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }, 0);
    // Open on the host's side, so that a writer need not wait for a reader.
    let _reader = fs::File::options()
        .read(true)
        .write(true)
        .open(&pipe)
        .expect("a pipe");
    // Read-only mounts do not cover pipes; Landlock does, where nothing above is writable inside.
    let attack = ["files", "open", "w", "/shown/pipe"];
    let shown = |rule: PathRule| build(wall().filesystem(|files| files.rule(rule.at("/shown"))));
    assert_eq!(
        one_inside(&shown(PathRule::read(&scene.beyond)), &attack),
        "EACCES"
    );
    assert!(done(&one_inside(
        &shown(PathRule::write(&scene.beyond)),
        &attack
    )));
    assert!(done(&one_outside(&["files", "open", "w", text(&pipe)])));
}
