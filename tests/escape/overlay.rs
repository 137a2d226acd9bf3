//! Overlays: what is done in one stays there, and neither layer is reached past it.

use crate::support::*;
use cofferdam::policy::Upper;
use cofferdam::{Bytes, Changes, Sandbox, Session};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Every way to change a file that a program finds, or what is beside it.
const ATTACKS: &[&[&str]] = &[
    &["trees", "map-and-write", "FILE"],
    &["files", "append", "FILE", "more"],
    &["files", "chmod", "FILE", "0777"],
    &["files", "utime", "FILE"],
    &["files", "xattr", "FILE"],
    &["files", "link", "FILE", "FILE-linked"],
    &["files", "write", "FILE-other", "other"],
    &["trees", "exchange", "FILE", "FILE-other"],
    &["files", "write", "FILE", "changed"],
    &["files", "truncate", "FILE"],
    &["files", "rename", "FILE", "FILE-moved"],
    &["files", "unlink", "FILE-moved"],
    &["files", "symlink", "nowhere", "FILE"],
    &["files", "mkdir", "FILE-directory"],
];

fn at(file: &Path) -> Vec<Vec<String>> {
    let word = |word: &&str| word.replace("FILE", text(file));
    ATTACKS
        .iter()
        .map(|attack| attack.iter().map(word).collect())
        .collect()
}

/// The answers in a session.
fn ask(session: &Session, attack: &[&str]) -> String {
    answer(session.command(INSIDE).args(attack))
}

/// A store in which the layers of a root's sandbox can be reached by their id.
fn store(scene: &Scene) -> PathBuf {
    let store = scene.beyond.join("store");
    fs::create_dir(&store).expect("a directory");
    for path in [scene.beyond.parent().expect("above"), &scene.beyond, &store] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("a mode");
    }
    store
}

fn uppers(scene: &Scene) -> [Upper; 2] {
    [
        Upper::Memory(Bytes::mib(64)),
        Upper::Disk(Some(store(scene))),
    ]
}

fn overlaid(scene: &Scene, upper: Upper) -> Sandbox {
    let wall = wall().overlay_workspace(&scene.workspace);
    build(wall.filesystem(|files| files.upper(upper)))
}

fn apply(changes: &Changes) {
    for overlay in changes.overlays() {
        overlay
            .apply(|_| true)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn what_is_done_in_an_overlay_stays_there() {
    let scene = Scene::new();
    let file = scene.workspace.join("directory/file");
    fs::create_dir(scene.workspace.join("directory")).expect("a directory");
    fs::write(&file, "the host's").expect("a file");
    let list = || one_outside(&["trees", "trace", text(&scene.workspace)]);
    let before = list();
    let attacks = at(&file);
    for upper in uppers(&scene) {
        let session = overlaid(&scene, upper).start().expect("a session");
        for attack in &attacks {
            let attack: Vec<&str> = attack.iter().map(String::as_str).collect();
            let answer = ask(&session, &attack);
            assert!(
                done(&answer),
                "it is not the host's to refuse: {attack:?} {answer}"
            );
            assert_eq!(list(), before, "{attack:?}");
        }
        drop(session);
        assert_eq!(list(), before);
    }
    for attack in &attacks {
        let attack: Vec<&str> = attack.iter().map(String::as_str).collect();
        let before = list();
        let answer = one_outside(&attack);
        assert!(done(&answer), "{attack:?} {answer}");
        assert_ne!(list(), before, "{attack:?} does nothing outside");
    }
}

#[test]
fn the_layers_have_no_names_inside() {
    let scene = Scene::new();
    fs::write(scene.workspace.join("file"), "the host's").expect("a file");
    let store = store(&scene);
    let session = overlaid(&scene, Upper::Disk(Some(store.clone())))
        .start()
        .expect("a session");
    let at = |name: &str| scene.workspace.join(name);
    let (new, node, file) = (at("new"), at("node"), at("file"));
    let write = ["files", "write", text(&new), "inside"];
    assert_eq!(ask(&session, &write), "done");
    let layers = fs::read_dir(&store).expect("the store").flatten();
    let upper = layers
        .map(|layer| layer.path().join("0/upper/new"))
        .find(|path| path.exists());
    let upper = upper.expect("it is on the host");
    let read = ["files", "read", text(&upper)];
    assert_eq!(one_outside(&read), "done inside");
    assert_eq!(ask(&session, &read), "ENOENT");
    let table = session
        .command("grep")
        .args(["overlay", "/proc/self/mountinfo"])
        .output();
    let table = String::from_utf8_lossy(&table.expect("grep").stdout).into_owned();
    assert!(table.contains(" - overlay "), "{table}");
    assert!(!table.contains(text(&store)), "{table}");
    // Nor is a whiteout a program's to make, or a mark of the overlay's own.
    let node = ["files", "mknod", text(&node), "0", "0"];
    assert_eq!(ask(&session, &node), "EPERM");
    let mark = [
        "trees",
        "attribute",
        text(&file),
        "trusted.overlay.redirect",
        "/x",
    ];
    assert_eq!(ask(&session, &mark), "EPERM");
}

/// Marks of the overlay's own that a program has put on files bring nothing of the host into a later
/// session, nor into what is applied.
#[test]
fn forged_marks_lead_nowhere() {
    let scene = Scene::new();
    scene.canary("secret");
    fs::create_dir_all(scene.workspace.join("directory")).expect("a directory");
    fs::write(scene.workspace.join("directory/file"), "the host's").expect("a file");
    for upper in uppers(&scene) {
        let session = overlaid(&scene, upper).start().expect("a session");
        let made = scene.workspace.join("made");
        assert_eq!(ask(&session, &["files", "mkdir", text(&made)]), "done");
        let above = format!("/..{}", text(&scene.beyond));
        for path in [
            &made,
            &scene.workspace.join("directory"),
            &scene.workspace.join("directory/file"),
        ] {
            for (name, value) in [
                ("redirect", above.as_str()),
                ("opaque", "y"),
                ("metacopy", ""),
                ("whiteout", "y"),
            ] {
                for family in ["user.overlay", "user.overlay.overlay"] {
                    ask(
                        &session,
                        &[
                            "trees",
                            "attribute",
                            text(path),
                            &format!("{family}.{name}"),
                            value,
                        ],
                    );
                }
            }
        }
        assert_eq!(
            ask(&session, &["files", "read", text(&made.join("secret"))]),
            "ENOENT"
        );
        let seen = ask(
            &session,
            &["files", "list", text(&scene.workspace.join("directory"))],
        );
        assert_eq!(seen, "done file");
        let changes = session.changes().expect("changes");
        drop(session);
        let listed = changes.overlays()[0].changes().expect("readable");
        for change in listed {
            let change = change.expect("readable");
            assert!(!change.path.ends_with("secret"), "{change}");
            assert_ne!(change.kind, cofferdam::ChangeKind::Removed, "{change}");
        }
        apply(&changes);
        assert!(!made.join("secret").exists());
        let kept = fs::read_to_string(scene.workspace.join("directory/file")).expect("a file");
        assert_eq!(kept, "the host's");
        fs::remove_dir_all(&made).expect("removed");
    }
    // The control: outside such a mark can be set.
    let mark = [
        "trees",
        "attribute",
        text(&scene.workspace),
        "user.overlay.redirect",
        "/x",
    ];
    assert_eq!(one_outside(&mark), "done");
}

/// Whoever applies follows none of the links that a program leaves, now or in an earlier run.
#[test]
fn applying_follows_no_link() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let before = trace(&canary);
    // An earlier run that wrote directly left a link; this one finds a directory in its place.
    symlink(&scene.beyond, scene.workspace.join("earlier")).expect("a link");
    fs::create_dir(scene.workspace.join("now")).expect("a directory");
    for upper in uppers(&scene) {
        fs::write(scene.workspace.join("now/file"), "the host's").expect("a file");
        let session = overlaid(&scene, upper).start().expect("a session");
        let earlier = scene.workspace.join("earlier");
        let through = earlier.join("file");
        assert_eq!(
            ask(&session, &["files", "write", text(&through), "written"]),
            "ENOENT"
        );
        for attack in [
            &["files", "unlink", text(&earlier)] as &[&str],
            &["files", "mkdir", text(&earlier)],
            &["files", "write", text(&through), "written"],
            &[
                "files",
                "write",
                text(&scene.workspace.join("now/file")),
                "written",
            ],
        ] {
            assert_eq!(ask(&session, attack), "done", "{attack:?}");
        }
        let changes = session.changes().expect("changes");
        drop(session);
        // The host's directory becomes a link while the changes are looked at.
        let now = scene.workspace.join("now");
        let applied = changes.overlays()[0].apply(|change| {
            if change.path.ends_with("now/file") {
                fs::rename(&now, scene.beyond.join("aside")).expect("moved");
                symlink(&scene.beyond, &now).expect("a link");
            }
            true
        });
        applied.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(trace(&canary), before);
        assert!(earlier.is_dir() && !earlier.is_symlink());
        // The control: a copy that follows links writes there.
        fs::remove_dir_all(&earlier).expect("removed");
        symlink(&scene.beyond, &earlier).expect("a link");
        fs::write(scene.beyond.join("other"), "x").expect("a file");
        fs::write(earlier.join("other"), "written").expect("a file");
        assert_eq!(
            fs::read(scene.beyond.join("other")).expect("a file"),
            b"written"
        );
        fs::remove_file(&now).expect("removed");
        fs::rename(scene.beyond.join("aside"), &now).expect("moved back");
    }
}

#[test]
fn layers_are_removed_whatever_is_in_them() {
    let scene = Scene::new();
    let store = store(&scene);
    scene.canary("file");
    let before = trace(&scene.beyond.join("file"));
    let session = overlaid(&scene, Upper::Disk(Some(store.clone())))
        .start()
        .expect("a session");
    let deep = scene.workspace.join("deep");
    let out = scene.workspace.join("out");
    assert_eq!(
        ask(&session, &["trees", "deep", text(&deep), "300"]),
        "done"
    );
    assert_eq!(
        ask(
            &session,
            &["files", "symlink", text(&scene.beyond), text(&out)]
        ),
        "done"
    );
    assert_eq!(
        ask(&session, &["files", "chmod", text(&scene.workspace), "0"]),
        "done"
    );
    assert_eq!(fs::read_dir(&store).expect("the store").count(), 1);
    drop(session);
    assert_eq!(fs::read_dir(&store).expect("the store").count(), 0);
    assert_eq!(trace(&scene.beyond.join("file")), before);
    // The control: such a tree is more than a plain removal takes from an ordinary user.
    let here = scene.beyond.join("deep");
    assert_eq!(one_outside(&["trees", "deep", text(&here), "300"]), "done");
    assert_eq!(fs::remove_dir_all(&here).is_ok(), is_root());
    if here.exists() {
        let open = std::process::Command::new("sh")
            .args(["-c", "chmod u+rwx \"$0\" && cd \"$0\" && while cd */ 2>/dev/null; do :; done; chmod u+rwx .; chmod -R u+rwx \"$0\"; rm -rf \"$0\""])
            .arg(&here)
            .status();
        assert!(open.expect("a shell").success());
    }
}
