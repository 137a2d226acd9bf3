//! What is listed, on overlays that the kernel wrote.

mod common;

use cofferdam_changes::{Diff, FileType, Kind, Risk, compare, diff_between};
use common::{changes, find, list, project, set_xattr, whiteout};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
}

#[test]
fn every_kind_is_told_apart() {
    let overlay = project();
    overlay.run(
        "echo more >> a; rm b; rm -r dir; mkdir dir; echo new > dir/one; echo new > new
         chmod 700 c; rm link; ln -s c link; rm -r keep; echo file > keep",
    );
    assert_eq!(
        list(&overlay.tree()),
        [
            "modified a",
            "removed b",
            "metadata c",
            "modified dir/one",
            "removed dir/sub",
            "removed dir/two",
            "type changed keep",
            "modified link",
            "added new",
        ]
    );
    let tree = overlay.tree();
    assert_eq!(find(&tree, "dir/sub").entries, 1);
    assert_eq!(find(&tree, "keep").entries, 1);
    let link = find(&tree, "link");
    assert_eq!(
        link.after.expect("there").target.as_deref(),
        Some(Path::new("c"))
    );
    assert_eq!(find(&tree, "c").before.expect("there").mode, 0o644);
}

#[test]
fn what_was_only_touched_is_no_change() {
    let overlay = project();
    overlay.run("touch a; cat b > x; cat x > b; rm x; chmod 600 c; chmod 644 c; touch dir/sub");
    assert!(
        overlay.upper().join("a").exists(),
        "the overlay copied it up"
    );
    assert_eq!(list(&overlay.tree()), [""; 0]);
    // The same size and another content is one.
    fs::write(overlay.upper().join("b"), "Content of b\n").expect("written");
    assert_eq!(list(&overlay.tree()), ["modified b"]);
}

#[test]
fn a_removed_directory_is_one_entry() {
    let overlay = project();
    overlay.run("rm -r dir");
    let tree = overlay.tree();
    let change = find(&tree, "dir");
    assert_eq!((change.kind, change.entries), (Kind::Removed, 4));
    assert_eq!(list(&tree).len(), 1);
    assert_eq!(change.to_string(), "removed       dir/ (with 4 entries)");
}

#[test]
fn directories_that_became_files_and_files_that_became_directories() {
    let overlay = project();
    overlay.run("rm -r dir; ln -s keep dir; rm a; mkdir a; echo x > a/in; rm b; mkfifo b");
    let tree = overlay.tree();
    assert_eq!(
        list(&tree),
        [
            "type changed a",
            "added a/in",
            "type changed b",
            "type changed dir"
        ]
    );
    assert!(find(&tree, "b").risks.contains(&Risk::SpecialFile));
}

#[test]
fn renames_are_paired() {
    let overlay = project();
    overlay.run("mv a renamed; mv dir moved; echo other > dir2");
    let tree = overlay.tree();
    let mut all = changes(&tree);
    assert_eq!(tree.find_renames(&mut all).expect("compared"), 4);
    let from = |path: &str| {
        let change = all.iter().find(|change| change.path == Path::new(path));
        change.expect("listed").renamed_from.clone()
    };
    assert_eq!(from("renamed").as_deref(), Some(Path::new("a")));
    assert_eq!(
        from("moved/sub/deep").as_deref(),
        Some(Path::new("dir/sub/deep"))
    );
    assert_eq!(from("dir2"), None);
}

#[test]
fn hard_links_are_named() {
    let overlay = project();
    overlay.run("ln a a2; echo x > n1; ln n1 dir/n2; ln n1 zz");
    let tree = overlay.tree();
    assert_eq!(
        list(&tree),
        ["added a2", "added dir/n2", "added n1", "added zz"]
    );
    assert_eq!(
        find(&tree, "a2").hard_link_of.as_deref(),
        Some(Path::new("a"))
    );
    assert_eq!(find(&tree, "dir/n2").hard_link_of, None);
    assert_eq!(
        find(&tree, "n1").hard_link_of.as_deref(),
        Some(Path::new("dir/n2"))
    );
    assert_eq!(
        find(&tree, "zz").hard_link_of.as_deref(),
        Some(Path::new("dir/n2"))
    );
    assert!(find(&tree, "zz").risks.contains(&Risk::HardLink));
}

#[test]
fn attributes_of_the_user_count_and_the_overlays_do_not() {
    let overlay = project();
    overlay.run("touch a b dir/one");
    let upper = overlay.upper();
    set_xattr(&upper.join("a"), "user.note", b"1");
    set_xattr(&upper.join("b"), "user.overlay.anything", b"1");
    set_xattr(&upper.join("dir"), "user.note", b"1");
    assert_eq!(list(&overlay.tree()), ["metadata a", "metadata dir"]);
}

#[test]
fn whiteouts_by_attribute_hide_as_in_the_kernel() {
    let overlay = project();
    let upper = overlay.upper();
    fs::create_dir(upper.join("dir")).expect("made");
    set_xattr(&upper.join("dir"), "user.overlay.opaque", b"x");
    for name in ["dir/one", "dir/two", "a"] {
        write(&upper, name, "");
        set_xattr(&upper.join(name), "user.overlay.whiteout", b"y");
    }
    write(&upper, "dir/two", "not empty: a file");
    // The directory of `a` is not marked, and still no lookup finds it.
    let expected = ["removed a", "removed dir/one", "modified dir/two"];
    assert_eq!(list(&overlay.tree()), expected);
    // What the kernel makes of it below another upper.
    fs::rename(&upper, overlay.dir.path().join("layer")).expect("renamed");
    fs::create_dir(&upper).expect("made");
    overlay.run_above(
        "layer:lower",
        "test ! -e dir/one; test -s dir/two; test ! -e a",
    );
    assert_eq!(list(&overlay.tree_of(&["upper", "layer"])), expected);
}

#[test]
fn layers_are_merged_as_the_kernel_does() {
    let overlay = project();
    overlay.run("echo 1 > a; rm b; rm -r dir; mkdir dir; echo first > dir/first; echo n > n");
    fs::rename(overlay.upper(), overlay.dir.path().join("layer")).expect("renamed");
    fs::create_dir(overlay.upper()).expect("made");
    overlay.run_above(
        "layer:lower",
        "echo again > b; rm dir/first; rm n; echo s > dir/second; test ! -e dir/one; rm c",
    );
    let tree = overlay.tree_of(&["upper", "layer"]);
    assert_eq!(
        list(&tree),
        [
            "modified a",
            "modified b",
            "removed c",
            "removed dir/one",
            "added dir/second",
            "removed dir/sub",
            "removed dir/two",
        ]
    );
    let only_first = overlay.tree_of(&["layer"]);
    let between: Vec<_> = compare(&only_first, &tree)
        .expect("the same lower")
        .map(|change| change.expect("read"))
        .map(|change| format!("{} {}", change.kind.name(), change.path.display()))
        .collect();
    assert_eq!(
        between,
        [
            "added b",
            "removed c",
            "removed dir/first",
            "added dir/second",
            "removed n"
        ]
    );
    let change = compare(&only_first, &tree)
        .expect("opened")
        .next()
        .expect("one")
        .expect("read");
    let Diff::Text(diff) = diff_between(&only_first, &tree, &change).expect("read") else {
        panic!("it is text");
    };
    assert_eq!((diff.added(), diff.removed()), (1, 0));
}

#[test]
fn comparing_a_session_with_itself_gives_nothing() {
    let overlay = project();
    overlay.run("echo 1 > a; rm -r dir; echo n > n");
    let (one, other) = (overlay.tree(), overlay.tree());
    assert_eq!(compare(&one, &other).expect("opened").count(), 0);
    let elsewhere = project();
    assert!(compare(&one, &elsewhere.tree()).is_err());
}

#[test]
fn risks_are_pointed_at() {
    let overlay = project();
    overlay.run(
        "mkdir -p .git/hooks sub/.git .github/workflows bare/objects bare/refs bare/hooks
         echo x > .git/hooks/pre-commit; echo x > sub/.git/config; echo x > .github/workflows/x.yml
         echo x > bare/HEAD; echo x > bare/hooks/post-checkout
         echo x > run; chmod 755 run; chmod 755 a; echo x > suid; chmod 6755 suid
         echo x > open; chmod 666 open; ln -s /etc/passwd abs; ln -s ../../x dir/up; ln -s ../a dir/in
         mkfifo pipe; ln -s keep .claude",
    );
    let tree = overlay.tree();
    let risks = |path: &str| find(&tree, path).risks;
    let named = |path: &str| {
        risks(path)
            .iter()
            .any(|risk| matches!(risk, Risk::Named(_)))
    };
    assert!(named(".git/hooks/pre-commit"));
    assert!(named("sub/.git/config"));
    assert!(named(".github/workflows/x.yml"));
    assert!(named("bare/hooks/post-checkout"));
    assert!(
        named(".claude"),
        "a link in the place of a dangerous directory"
    );
    assert_eq!(risks("run"), [Risk::NewlyExecutable]);
    assert_eq!(risks("a"), [Risk::NewlyExecutable]);
    assert_eq!(
        risks("suid"),
        [Risk::SetUserId, Risk::SetGroupId, Risk::NewlyExecutable]
    );
    assert_eq!(risks("open"), [Risk::WorldWritable]);
    assert_eq!(risks("abs"), [Risk::SymlinkOut]);
    assert_eq!(risks("dir/up"), [Risk::SymlinkOut]);
    assert_eq!(risks("dir/in"), []);
    assert_eq!(risks("pipe"), [Risk::SpecialFile]);
}

#[test]
fn file_capabilities_are_seen() {
    let overlay = project();
    overlay.run("echo x > cap");
    let path = overlay.upper().join("cap");
    // capabilities(7), version 2: CAP_NET_RAW permitted and effective.
    let mut value = 0x0200_0001_u32.to_le_bytes().to_vec();
    value.extend((1_u32 << 13).to_le_bytes());
    value.extend([0; 12]);
    let flags = rustix::fs::XattrFlags::empty();
    let set = rustix::fs::setxattr(&path, "security.capability", &value, flags);
    let seen = find(&overlay.tree(), "cap")
        .risks
        .contains(&Risk::FileCapability);
    assert_eq!(
        set.is_ok(),
        common::is_root(),
        "an ordinary user cannot set them"
    );
    assert_eq!(seen, set.is_ok());
    overlay.tree().apply(|_| true).expect("applied");
    let applied = overlay.lower().join("cap");
    assert!(applied.exists());
    let mut buffer = [0_u8; 64];
    assert!(rustix::fs::getxattr(&applied, "security.capability", &mut buffer[..]).is_err());
}

#[test]
fn names_of_any_bytes_are_listed_and_escaped() {
    let overlay = project();
    overlay.run(
        "touch \"$(printf 'new\\nline')\" \"$(printf 'esc\\033[2J')\" \"$(printf 'bad\\377')\" \
         \"$(printf 'bidi\\342\\200\\256txt')\"",
    );
    let all = changes(&overlay.tree());
    assert_eq!(all.len(), 4);
    for change in &all {
        assert_eq!(change.risks, [Risk::OddName], "{change}");
        let line = change.to_string();
        assert!(
            !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
    assert!(
        all.iter()
            .any(|change| change.path == Path::new(OsStr::from_bytes(b"bad\xff")))
    );
    let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert!(
        lines.iter().any(|line| line.contains(r"new\nline")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains(r"bad\xff")),
        "{lines:?}"
    );
}

#[test]
fn modes_that_close_hide_nothing_and_stay() {
    let overlay = project();
    overlay.run(
        "mkdir closed; echo x > closed/in; mkdir closed/deeper; echo y > closed/deeper/y
         echo z > file; chmod 000 file closed/deeper closed; echo w >> dir/one; chmod 000 dir/one; \
         chmod 0 dir",
    );
    let tree = overlay.tree();
    assert_eq!(
        list(&tree),
        [
            "added closed",
            "added closed/deeper",
            "added closed/deeper/y",
            "added closed/in",
            "metadata dir",
            "modified dir/one",
            "added file",
        ]
    );
    assert_eq!(find(&tree, "closed").after.expect("there").mode, 0);
    assert!(matches!(
        tree.diff(&find(&tree, "closed/deeper/y")),
        Ok(Diff::Text(_))
    ));
    assert!(matches!(tree.diff(&find(&tree, "file")), Ok(Diff::Text(_))));
    for name in ["closed", "file", "dir"] {
        let mode = fs::symlink_metadata(overlay.upper().join(name))
            .expect("there")
            .permissions();
        assert_eq!(mode.mode() & 0o7777, 0, "{name} is as it was");
    }
    let upper = common::open(&overlay.upper());
    cofferdam_changes::remove_upper(&upper).expect("removed");
    assert_eq!(fs::read_dir(overlay.upper()).expect("there").count(), 0);
}

#[test]
fn diffs_are_text_or_say_why_not() {
    let overlay = project();
    overlay.run(
        "printf 'content of a\\nmore\\n' > a; rm b; head -c 2000000 /dev/zero > big
         printf 'a\\0b' > binary; rm link; ln -s c link; mkdir empty",
    );
    let tree = overlay.tree();
    let diff = |path: &str| tree.diff(&find(&tree, path)).expect("read");
    let Diff::Text(text) = diff("a") else {
        panic!("it is text");
    };
    assert_eq!(
        text.to_string(),
        "--- a/a\n+++ b/a\n@@ -1 +1,2 @@\n content of a\n+more\n"
    );
    let Diff::Text(text) = diff("b") else {
        panic!("it is text");
    };
    assert!(
        text.to_string().starts_with("--- a/b\n+++ /dev/null\n"),
        "{text}"
    );
    assert_eq!(diff("big"), Diff::TooLarge);
    assert_eq!(diff("binary"), Diff::Binary);
    assert_eq!(diff("empty"), Diff::None);
    assert!(matches!(diff("link"), Diff::Text(_)));
}

#[test]
fn a_hostile_path_in_a_change_leads_nowhere() {
    let overlay = project();
    overlay.run("echo x > n");
    let secret = overlay.dir.path().join("secret");
    fs::write(&secret, "secret").expect("written");
    let tree = overlay.tree();
    let mut change = find(&tree, "n");
    for path in ["../secret", "/etc/passwd", "dir/../../secret"] {
        change.path = path.into();
        assert!(tree.diff(&change).is_err(), "{path}");
    }
    // A link in the upper is not followed either.
    symlink(overlay.dir.path(), overlay.upper().join("out")).expect("made");
    change.path = "out/secret".into();
    assert_eq!(tree.diff(&change).expect("read"), Diff::None);
}

#[test]
fn an_unreadable_file_of_the_host_counts_as_modified() {
    let overlay = project();
    fs::copy(overlay.lower().join("a"), overlay.upper().join("a")).expect("copied");
    fs::set_permissions(overlay.lower().join("a"), fs::Permissions::from_mode(0o000)).expect("set");
    let change = find(&overlay.tree(), "a");
    let root = common::is_root();
    assert_eq!(change.unreadable, !root);
    let kind = if root { Kind::Metadata } else { Kind::Modified };
    assert_eq!(change.kind, kind);
}

#[test]
fn a_whiteout_of_nothing_is_nothing() {
    let overlay = project();
    whiteout(&overlay.upper().join("never-there"));
    assert_eq!(list(&overlay.tree()), [""; 0]);
    whiteout(&overlay.upper().join("a"));
    let change = find(&overlay.tree(), "a");
    assert_eq!(change.before.expect("there").file_type, FileType::Regular);
}
