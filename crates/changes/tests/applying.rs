//! What applying does to the host's directory, and what it leaves alone.

mod common;

use cofferdam_changes::{ApplyError, Change, ConflictReason, Kind, Owners, Refusal, Tree};
use common::{Overlay, apply_all, changes, find, list, open, project, set_xattr};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn read(overlay: &Overlay, name: &str) -> String {
    fs::read_to_string(overlay.lower().join(name)).expect("readable")
}

fn conflicts(tree: &Tree) -> Vec<(String, ConflictReason)> {
    let applied = tree.apply(|_| true).expect("applied");
    assert!(applied.refused.is_empty(), "{applied:#?}");
    let each = applied.conflicts.iter();
    each.map(|one| (one.path.display().to_string(), one.reason))
        .collect()
}

fn leftovers(dir: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(dir).expect("listed") {
        let entry = entry.expect("an entry");
        count += usize::from(
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(".cofferdam-apply."),
        );
        if entry.file_type().expect("a type").is_dir() {
            count += leftovers(&entry.path());
        }
    }
    count
}

#[test]
fn all_of_it_makes_the_lower_what_the_program_saw() {
    let overlay = project();
    overlay.run(
        "echo more >> a; rm b; rm -r dir; mkdir dir; echo new > dir/one; echo new > new
         chmod 700 c; rm link; ln -s c link; rm -r keep; echo file > keep; mkdir -p x/y/z
         echo deep > x/y/z/f; ln -s ../f x/y/s; chmod 500 x/y; touch -d @1000000 x/y/z/f x/y new",
    );
    let tree = overlay.tree();
    let count = changes(&tree).len() as u64;
    let applied = apply_all(&tree);
    assert_eq!(applied.applied, count);
    assert_eq!(list(&tree), [""; 0]);
    assert_eq!(read(&overlay, "a"), "content of a\nmore\n");
    assert_eq!(read(&overlay, "x/y/z/f"), "deep\n");
    assert_eq!(read(&overlay, "keep"), "file\n");
    assert!(!overlay.lower().join("b").exists());
    assert!(!overlay.lower().join("dir/sub").exists());
    let meta = |name: &str| fs::symlink_metadata(overlay.lower().join(name)).expect("there");
    assert_eq!(meta("c").mode() & 0o7777, 0o700);
    assert_eq!(meta("x/y").mode() & 0o7777, 0o500);
    for name in ["x/y/z/f", "x/y", "new"] {
        assert_eq!(meta(name).mtime(), 1_000_000, "{name}");
    }
    assert_eq!(leftovers(&overlay.lower()), 0);
}

#[test]
fn only_what_the_filter_takes_is_applied() {
    let overlay = project();
    overlay.run("echo 1 > a; echo 2 > b; rm c; mkdir -p n/m; echo x > n/m/f; echo y > n/g");
    let tree = overlay.tree();
    let mut seen = Vec::new();
    let applied = tree.apply(|change: &Change| {
        seen.push(change.path.clone());
        change.path == Path::new("a") || change.path.starts_with("n/m")
    });
    let applied = applied.expect("applied");
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert_eq!(applied.applied, 1);
    let refused: Vec<_> = applied
        .refused
        .iter()
        .map(|one| one.path.as_path())
        .collect();
    assert_eq!(refused, [Path::new("n/m"), Path::new("n/m/f")]);
    assert!(matches!(applied.refused[0].reason, Refusal::Parent));
    assert_eq!(read(&overlay, "a"), "1\n");
    assert_eq!(read(&overlay, "b"), "content of b\n");
    assert!(overlay.lower().join("c").exists());
    // Now with the directory.
    let applied = tree
        .apply(|change: &Change| change.path == Path::new("n") || change.path.starts_with("n/m"));
    assert_eq!(applied.expect("applied").applied, 3);
    assert_eq!(read(&overlay, "n/m/f"), "x\n");
    assert_eq!(list(&tree), ["modified b", "removed c", "added n/g"]);
}

#[test]
fn each_kind_of_conflict_is_listed_and_the_rest_applied() {
    let overlay = project();
    overlay.run(
        "echo 1 > a; rm b; chmod 700 c; echo n > new; mkdir made; echo x > made/in
         rm -r dir; echo 2 >> keep/x; rm link; ln -s b link; echo fine > fine",
    );
    let lower = overlay.lower();
    fs::write(lower.join("a"), "host\n").expect("written");
    fs::write(lower.join("b"), "host\n").expect("written");
    fs::write(lower.join("c"), "host\n").expect("written");
    fs::write(lower.join("new"), "host\n").expect("written");
    fs::create_dir(lower.join("made")).expect("made");
    fs::write(lower.join("dir/sub/deep"), "host\n").expect("written");
    fs::remove_file(lower.join("keep/x")).expect("removed");
    fs::remove_file(lower.join("link")).expect("removed");
    symlink("host", lower.join("link")).expect("made");
    use ConflictReason::{Changed, Gone};
    // `made` exists on both sides now, as a directory that the host made.
    let expected = [
        ("a", Changed),
        ("b", Changed),
        ("c", Changed),
        ("dir", Changed),
        ("keep/x", Gone),
        ("link", Changed),
        ("new", Changed),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, why)| (path.to_string(), *why))
        .collect();
    assert_eq!(conflicts(&overlay.tree()), expected);
    for name in ["a", "b", "c", "new", "dir/sub/deep"] {
        assert_eq!(read(&overlay, name), "host\n", "{name}");
    }
    assert_eq!(read(&overlay, "made/in"), "x\n");
    assert_eq!(read(&overlay, "fine"), "fine\n");
    assert_eq!(
        fs::read_link(lower.join("link")).expect("a link"),
        Path::new("host")
    );
    assert_eq!(leftovers(&lower), 0);
}

#[test]
fn what_appears_or_changes_while_it_is_reviewed_is_a_conflict() {
    let overlay = project();
    overlay.run("echo n > new; mkdir made; rm b; echo 1 > a; echo 2 > c");
    let lower = overlay.lower();
    let applied = overlay.tree().apply(|change| {
        match change.path.to_str() {
            Some("new") => fs::write(lower.join("new"), "host\n").expect("written"),
            Some("made") => fs::create_dir(lower.join("made")).expect("made"),
            Some("a") => fs::write(lower.join("a"), "host\n").expect("written"),
            Some("b") => fs::remove_file(lower.join("b")).expect("removed"),
            Some("c") => fs::remove_file(lower.join("c")).expect("removed"),
            _ => {}
        }
        true
    });
    let applied = applied.expect("applied");
    let reasons: Vec<_> = applied.conflicts.iter().map(|one| one.reason).collect();
    use ConflictReason::{Appeared, Changed, Gone};
    assert_eq!(reasons, [Changed, Gone, Appeared, Appeared], "{applied:#?}");
    // Removed on both sides is what was wanted.
    assert_eq!(applied.applied, 1);
    assert_eq!(read(&overlay, "new"), "host\n");
}

#[test]
fn a_removed_file_that_the_host_removed_too_is_no_conflict() {
    let overlay = project();
    overlay.run("rm a; rm -r dir");
    fs::remove_file(overlay.lower().join("a")).expect("removed");
    fs::remove_dir_all(overlay.lower().join("dir")).expect("removed");
    assert_eq!(list(&overlay.tree()), [""; 0]);
    apply_all(&overlay.tree());
}

#[test]
fn a_file_renamed_by_the_program_is_no_conflict() {
    // It has the overlay's mark of a copied file, and no counterpart below.
    let overlay = project();
    overlay.run("mv a renamed; mv dir/one dir/uno; ln b b2");
    apply_all(&overlay.tree());
    assert_eq!(read(&overlay, "renamed"), "content of a\n");
    assert!(!overlay.lower().join("a").exists());
    assert_eq!(read(&overlay, "b2"), "content of b\n");
}

#[test]
fn what_the_tree_applied_itself_is_no_conflict_later() {
    let overlay = project();
    overlay.run("echo 1 > a; mkdir n; echo x > n/f; ln n/f n/g; ln -s a s; chmod 700 keep");
    let tree = overlay.tree();
    apply_all(&tree);
    overlay.run(
        "echo 2 > a; echo y > n/f; rm n/g; rm s; ln -s b s; chmod 755 keep; rm keep/x; mv b b3",
    );
    apply_all(&tree);
    assert_eq!(read(&overlay, "a"), "2\n");
    assert_eq!(read(&overlay, "n/f"), "y\n");
    overlay.run("rm -r n; mkdir n");
    apply_all(&tree);
    overlay.run("rmdir n; rm a");
    apply_all(&tree);
    assert_eq!(list(&tree), [""; 0]);
    assert!(!overlay.lower().join("n").exists());
    // Another tree cannot know.
    overlay.run("ln -sfn c s");
    assert_eq!(
        conflicts(&overlay.tree()),
        [(String::from("s"), ConflictReason::Changed)]
    );
}

#[test]
fn files_that_were_links_on_the_host_are_no_conflict() {
    let overlay = Overlay::new(|lower| {
        fs::write(lower.join("a"), "old").expect("written");
        for name in ["b", "c"] {
            fs::hard_link(lower.join("a"), lower.join(name)).expect("linked");
        }
    });
    overlay.run("echo 1 > a; rm b; echo 3 > c");
    apply_all(&overlay.tree());
    assert_eq!(
        (read(&overlay, "a"), read(&overlay, "c")),
        ("1\n".into(), "3\n".into())
    );
}

#[test]
fn a_mode_is_that_of_one_name() {
    let overlay = Overlay::new(|lower| {
        fs::write(lower.join("a"), "same").expect("written");
        fs::hard_link(lower.join("a"), lower.join("other")).expect("linked");
        fs::write(lower.join("alone"), "alone").expect("written");
    });
    let seen = |name: &str| {
        let meta = fs::metadata(overlay.lower().join(name)).expect("there");
        (meta.permissions().mode() & 0o777, meta.ino())
    };
    let (other, alone) = (seen("other"), seen("alone").1);
    overlay.run("chmod 700 a alone");
    apply_all(&overlay.tree());
    assert_eq!(seen("a").0, 0o700);
    assert_eq!(seen("other"), other, "another name of the file has changed");
    assert_eq!(read(&overlay, "a"), "same");
    assert_eq!(list(&overlay.tree()), [""; 0]);
    // The control: a file with one name stays the file it is.
    assert_eq!(seen("alone"), (0o700, alone));
}

#[test]
fn set_id_bits_need_to_be_asked_for() {
    let overlay = project();
    overlay.run("echo x > suid; chmod 6755 suid; chmod 4711 a; mkdir d; chmod 2775 d");
    let tree = overlay.tree();
    apply_all(&tree);
    let mode = |name: &str| {
        let meta = fs::symlink_metadata(overlay.lower().join(name)).expect("there");
        meta.permissions().mode() & 0o7777
    };
    assert_eq!((mode("suid"), mode("a"), mode("d")), (0o755, 0o711, 0o775));
    // The control: asked for, it is applied.
    let tree = tree.danger_apply_set_id(true);
    apply_all(&tree);
    assert_eq!(
        (mode("suid"), mode("a"), mode("d")),
        (0o6755, 0o4711, 0o775)
    );
}

#[test]
fn special_files_are_refused() {
    let overlay = project();
    overlay.run("mkfifo pipe; rm a; mkfifo a; echo fine > fine");
    let socket = std::os::unix::net::UnixListener::bind(overlay.upper().join("socket"));
    let _socket = socket.expect("bound");
    let device = rustix::fs::mknodat(
        rustix::fs::CWD,
        overlay.upper().join("null"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 3),
    );
    assert_eq!(
        device.is_ok(),
        common::is_root(),
        "an ordinary user cannot make one"
    );
    let applied = overlay.tree().apply(|_| true).expect("applied");
    assert_eq!(applied.applied, 1);
    let refused = applied.refused.iter();
    assert!(
        refused
            .clone()
            .all(|one| matches!(one.reason, Refusal::SpecialFile))
    );
    assert_eq!(refused.count(), 3 + usize::from(device.is_ok()));
    assert_eq!(read(&overlay, "a"), "content of a\n");
    for name in ["pipe", "socket", "null"] {
        assert!(!overlay.lower().join(name).exists(), "{name}");
    }
    let kind = fs::symlink_metadata(overlay.upper().join("pipe"))
        .expect("there")
        .file_type();
    assert!(kind.is_fifo());
}

#[test]
fn holes_stay_holes() {
    let overlay = project();
    overlay.run("truncate -s 1G sparse; printf end >> sparse; truncate -s 1G a");
    let start = SystemTime::now();
    apply_all(&overlay.tree());
    let meta = fs::metadata(overlay.lower().join("sparse")).expect("there");
    assert_eq!(meta.len(), (1 << 30) + 3);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    let meta = fs::metadata(overlay.lower().join("a")).expect("there");
    assert_eq!(meta.len(), 1 << 30);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    let took = start.elapsed().expect("time goes on");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn hard_links_stay_links() {
    let overlay = project();
    overlay.run("echo x > n1; ln n1 dir/n2; ln n1 zz; ln a a2; echo 1 > b; ln -f b c");
    apply_all(&overlay.tree());
    let inode = |name: &str| {
        fs::metadata(overlay.lower().join(name))
            .expect("there")
            .ino()
    };
    assert_eq!(inode("n1"), inode("dir/n2"));
    assert_eq!(inode("n1"), inode("zz"));
    assert_eq!(inode("a"), inode("a2"));
    assert_eq!(inode("b"), inode("c"));
    assert_eq!(list(&overlay.tree()), [""; 0]);
}

#[test]
fn a_link_to_what_was_not_applied_is_a_copy() {
    let overlay = project();
    overlay.run("echo x > n1; ln n1 n2; ln n1 n3");
    let applied = overlay
        .tree()
        .apply(|change| change.path != Path::new("n1"));
    assert_eq!(applied.expect("applied").applied, 2);
    let inode = |name: &str| {
        fs::metadata(overlay.lower().join(name))
            .expect("there")
            .ino()
    };
    assert_eq!(inode("n2"), inode("n3"));
    assert!(!overlay.lower().join("n1").exists());
}

#[test]
fn attributes_of_the_user_are_applied() {
    let mut overlay = project();
    set_xattr(&overlay.lower().join("c"), "user.old", b"1");
    overlay.since = SystemTime::now();
    overlay.run("touch a c; mkdir d; echo n > n; chmod 444 n");
    let upper = overlay.upper();
    for name in ["a", "d", "dir", "c"] {
        if name == "dir" {
            overlay.run("chmod 755 dir; touch dir/one");
        }
        set_xattr(&upper.join(name), "user.note", b"value");
        set_xattr(&upper.join(name), "user.overlay.note", b"value");
    }
    rustix::fs::removexattr(upper.join("c"), "user.old").expect("removed");
    overlay.run("chmod 444 c");
    apply_all(&overlay.tree());
    assert_eq!(list(&overlay.tree()), [""; 0]);
    for name in ["a", "d", "dir", "c"] {
        let path = overlay.lower().join(name);
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.note", &mut value[..]).expect("there");
        assert_eq!(&value[..length], b"value");
        assert!(rustix::fs::getxattr(&path, "user.overlay.note", &mut value[..]).is_err());
        assert!(rustix::fs::getxattr(&path, "user.old", &mut value[..]).is_err());
    }
}

#[test]
fn closed_directories_are_filled_before_they_are_closed() {
    let overlay = project();
    overlay.run("mkdir -p x/y; echo f > x/y/f; chmod 0 x/y/f x/y; chmod 500 x; chmod 100 keep");
    apply_all(&overlay.tree());
    let mode = |name: &str| {
        let meta = fs::symlink_metadata(overlay.lower().join(name)).expect("there");
        meta.permissions().mode() & 0o7777
    };
    assert_eq!((mode("x"), mode("keep")), (0o500, 0o100));
    fs::set_permissions(overlay.lower().join("x"), fs::Permissions::from_mode(0o700)).expect("set");
    assert_eq!(mode("x/y"), 0);
    cofferdam_changes::remove_upper(&open(&overlay.lower())).expect("removed");
    assert_eq!(fs::read_dir(overlay.lower()).expect("there").count(), 0);
}

#[test]
fn a_file_that_changes_after_it_was_shown_is_refused() {
    let overlay = project();
    overlay.run("echo shown > a; echo shown > n");
    let applied = overlay.tree().apply(|change| {
        fs::write(overlay.upper().join(&change.path), "other\n").expect("written");
        true
    });
    let applied = applied.expect("applied");
    assert_eq!(applied.applied, 0);
    let refused = applied.refused.iter();
    assert!(
        refused
            .clone()
            .all(|one| matches!(one.reason, Refusal::ChangedMeanwhile))
    );
    assert_eq!(refused.count(), 2);
    assert_eq!(read(&overlay, "a"), "content of a\n");
    assert!(!overlay.lower().join("n").exists());
}

#[test]
fn one_apply_at_a_time() {
    let overlay = project();
    overlay.run("echo 1 > a; echo 2 > b");
    let tree = overlay.tree();
    let mut refused = 0;
    let outer = tree.apply(|_| {
        refused += usize::from(matches!(tree.apply(|_| true), Err(ApplyError::Busy { .. })));
        true
    });
    assert_eq!(outer.expect("applied").applied, 2);
    assert_eq!(refused, 2);
    apply_all(&tree);
}

#[test]
fn old_temporary_names_are_removed_and_others_stay() {
    let overlay = project();
    overlay.run("echo 1 > a; echo 2 > dir/one; echo x > .cofferdam-apply.0123456789abcdef");
    let lower = overlay.lower();
    let old = [
        ".cofferdam-apply.00000000000000aa",
        "dir/.cofferdam-apply.00000000000000bb",
    ];
    for name in old {
        fs::write(lower.join(name), "old").expect("written");
    }
    let directory = lower.join(".cofferdam-apply.00000000000000cc");
    fs::create_dir_all(directory.join("in/it")).expect("made");
    symlink("/etc", lower.join(".cofferdam-apply.00000000000000dd")).expect("made");
    fs::write(lower.join(".cofferdam-apply.mine"), "stays").expect("written");
    let applied = overlay.tree().apply(|_| true).expect("applied");
    assert_eq!(applied.applied, 2);
    assert!(matches!(applied.refused[0].reason, Refusal::ReservedName));
    assert_eq!(leftovers(&lower), 1);
    assert_eq!(read(&overlay, ".cofferdam-apply.mine"), "stays");
}

#[test]
fn owners_are_those_of_the_map() {
    let overlay = project();
    overlay.run("echo 1 > a; echo n > n; mkdir d; ln -s a s; echo in > d/in");
    let uid = common::rustix_uid();
    let tree = overlay.tree();
    let gid = fs::metadata(overlay.lower()).expect("there").gid();
    let owners = owners(uid, gid, 12345, 23456);
    let tree = tree.owners(owners);
    let after = find(&tree, "n").after.expect("there");
    assert_eq!((after.uid, after.gid), (12345, 23456));
    let applied = tree
        .apply(|change| change.kind != Kind::Metadata)
        .expect("applied");
    if common::is_root() {
        for name in ["a", "n", "d", "s", "d/in"] {
            let meta = fs::symlink_metadata(overlay.lower().join(name)).expect("there");
            assert_eq!((meta.uid(), meta.gid()), (12345, 23456), "{name}");
        }
        assert_eq!(applied.applied, 5);
    } else {
        // Nobody but root can give files away, and nothing half done is left.
        assert_eq!(applied.applied, 0, "{applied:#?}");
        assert_eq!(applied.refused.len(), 5);
        assert_eq!(leftovers(&overlay.lower()), 0);
        assert_eq!(read(&overlay, "a"), "content of a\n");
    }
}

fn owners(outside_uid: u32, outside_gid: u32, lower_uid: u32, lower_gid: u32) -> Owners {
    Owners::Map {
        outside_uid,
        outside_gid,
        lower_uid,
        lower_gid,
    }
}
