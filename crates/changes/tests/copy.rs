//! Copying a layer: an overlay above the copy shows what one above the original shows.

mod common;

use cofferdam_changes::{CopyError, Owners, Tree, copy_upper};
use common::{Overlay, open, set_xattr, whiteout};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// An overlay with a copy of its upper, which is empty so far.
fn with_copy(overlay: Overlay) -> Overlay {
    for name in ["copy", "upper2"] {
        fs::create_dir(overlay.dir.path().join(name)).expect("made");
    }
    overlay
}

fn fill(lower: &Path) {
    for name in [
        "gone",
        "dir/one",
        "dir/two",
        "opaque/old",
        "tree/sub/deep",
        "closed/in",
    ] {
        let path = lower.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, format!("content of {name}\n")).expect("written");
    }
    symlink("gone", lower.join("link")).expect("made");
}

/// On a disk and in memory.
fn overlays() -> [Overlay; 2] {
    [Overlay::new(fill), Overlay::in_memory(fill)].map(with_copy)
}

fn copied(overlay: &Overlay) -> Result<(), CopyError> {
    let (from, to) = (
        open(&overlay.upper()),
        open(&overlay.dir.path().join("copy")),
    );
    copy_upper(&from, &to, Owners::Same)
}

fn attributes(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 65_536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).expect("listed");
    let names = names[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| name.starts_with(b"user."));
    let mut all: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]);
            value.truncate(length.expect("read"));
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect();
    all.sort();
    all
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// All that is in a tree, one line an entry, as the owner sees it with what modes keep from it opened
/// for the moment; inode numbers as the order in which their names come.
fn seen(at: &Path) -> Vec<String> {
    fn look(root: &Path, at: &Path, inodes: &mut Vec<u64>, lines: &mut Vec<String>) {
        let meta = fs::symlink_metadata(at).expect("there");
        let kind = meta.file_type();
        let opened = (kind.is_dir() || kind.is_file()) && meta.mode() & 0o700 != 0o700;
        if opened {
            set_mode(at, meta.mode() | 0o700);
        }
        let inode = inodes.iter().position(|inode| *inode == meta.ino());
        let inode = inode.unwrap_or(inodes.len());
        if inode == inodes.len() {
            inodes.push(meta.ino());
        }
        let (mode, names) = match kind.is_dir() {
            true => (meta.mode(), 0),
            false => (meta.mode(), meta.nlink()),
        };
        let content = match kind.is_file() {
            true => fs::read(at).expect("read"),
            false if kind.is_symlink() => {
                let text = fs::read_link(at).expect("read");
                text.as_os_str().as_bytes().to_vec()
            }
            false => Vec::new(),
        };
        let attributes = match kind.is_file() || kind.is_dir() {
            true => attributes(at),
            false => Vec::new(),
        };
        // A whiteout is there, and that is all that counts of it.
        lines.push(match kind.is_char_device() {
            true => format!("{:?} whiteout {}", at.strip_prefix(root), meta.rdev()),
            false => format!(
                "{:?} {mode:o} {names} names of {inode}, {}:{} {}.{:09} {attributes:?} {:?}",
                at.strip_prefix(root),
                meta.uid(),
                meta.gid(),
                meta.mtime(),
                meta.mtime_nsec(),
                String::from_utf8_lossy(&content[..content.len().min(100)]),
            ),
        });
        if kind.is_dir() {
            let entries = fs::read_dir(at).expect("listed");
            let mut paths: Vec<_> = entries
                .map(|entry| entry.expect("an entry").path())
                .collect();
            paths.sort();
            for path in paths {
                look(root, &path, inodes, lines);
            }
        }
        if opened {
            set_mode(at, meta.mode());
        }
    }
    let mut lines = Vec::new();
    look(at, at, &mut Vec::new(), &mut lines);
    lines
}

/// The copy is what the upper is, and was not changed by it.
fn copy_is_the_same(overlay: &Overlay) {
    let before = seen(&overlay.upper());
    copied(overlay).expect("copied");
    assert_eq!(seen(&overlay.upper()), before, "the original changed");
    assert_eq!(seen(&overlay.dir.path().join("copy")), before);
}

/// What an overlay shows whose topmost lower is `layer`.
fn merged(overlay: &Overlay, layer: &str) -> String {
    let listing = "(find . -type d -printf '%p %y %m %U:%G %T@\\n' \\
           -o -printf '%p %y %m %s %l %U:%G %T@\\n' | sort
         find . -type f -exec md5sum {} + | sort -k2) > ../listing";
    overlay.run_with(&format!("{layer}:lower"), "upper2", listing);
    let listing = fs::read(overlay.dir.path().join("listing")).expect("read");
    assert!(!listing.is_empty());
    String::from_utf8_lossy(&listing).into_owned()
}

#[test]
fn a_session_s_layer_shows_the_same_from_its_copy() {
    for overlay in overlays() {
        overlay.run(
            "rm gone; rm -r opaque; mkdir opaque; echo new > opaque/new; echo more >> dir/one
             rm dir/two; rm -r tree/sub; rm link; ln -s dir/one link; mkdir -p a/b/c; echo x > a/b/c/f
             ln a/b/c/f a/hard; chmod 751 a/b; touch -h -d @1000000.5 link a/b/c/f a/b a
             mkfifo fifo; chmod 622 fifo; chmod 1777 a/b/c; mv closed moved || true
             touch -d @1234567.000000001 .",
        );
        let upper = overlay.upper();
        assert!(
            attributes(&upper.join("opaque"))
                .contains(&("user.overlay.opaque".into(), b"y".into()))
        );
        let gone = fs::symlink_metadata(upper.join("gone")).expect("there");
        assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
        copy_is_the_same(&overlay);
        let shown = merged(&overlay, "upper");
        assert!(
            shown.contains("./opaque/new") && !shown.contains("./opaque/old"),
            "{shown}"
        );
        assert!(
            !shown.contains("./gone") && !shown.contains("./dir/two"),
            "{shown}"
        );
        assert_eq!(merged(&overlay, "copy"), shown);
    }
}

#[test]
fn an_overlay_above_the_copy_works() {
    for overlay in overlays() {
        overlay.run("rm gone; rm -r opaque; mkdir opaque; echo 1 > dir/one; echo n > new");
        copied(&overlay).expect("copied");
        let before = seen(&overlay.dir.path().join("copy"));
        overlay.run_with(
            "copy:lower",
            "upper2",
            "test ! -e gone; test ! -e opaque/old; echo back > gone; echo o > opaque/old
             echo 2 >> dir/one; rm new; test \"$(cat dir/one)\" = \"$(printf '1\\n2')\"
             mkdir new; test -z \"$(ls new)\"; rm -r tree",
        );
        assert_eq!(seen(&overlay.dir.path().join("copy")), before);
        let layers = ["upper2", "copy"];
        assert_eq!(
            common::list(&overlay.tree_of(&layers)),
            [
                "modified dir/one",
                "modified gone",
                "added new",
                "modified opaque/old",
                "removed tree",
            ]
        );
    }
}

#[test]
fn whiteouts_and_marks_of_every_form_stay() {
    for overlay in overlays() {
        let upper = overlay.upper();
        whiteout(&upper.join("gone"));
        fs::hard_link(upper.join("gone"), upper.join("link")).expect("shared");
        fs::create_dir_all(upper.join("dir")).expect("made");
        set_xattr(&upper.join("dir"), "user.overlay.opaque", b"x");
        fs::write(upper.join("dir/two"), "").expect("written");
        set_xattr(&upper.join("dir/two"), "user.overlay.whiteout", b"y");
        fs::create_dir_all(upper.join("opaque")).expect("made");
        set_xattr(&upper.join("opaque"), "user.overlay.opaque", b"y");
        set_xattr(&upper.join("opaque"), "user.note", &[0, 255, 10]);
        fs::write(upper.join("file"), "x").expect("written");
        set_xattr(&upper.join("file"), "user.overlay.origin", b"some");
        set_xattr(&upper.join("file"), "user.empty", b"");
        set_xattr(&upper.join("file"), "user.long", &[7; 1_000]);
        set_xattr(&upper, "user.overlay.impure", b"y");
        copy_is_the_same(&overlay);
        assert_eq!(merged(&overlay, "copy"), merged(&overlay, "upper"));
    }
}

#[test]
fn closed_directories_and_files_are_copied_and_stay_closed() {
    for overlay in overlays() {
        let upper = overlay.upper();
        fs::create_dir_all(upper.join("a/b/c")).expect("made");
        for name in ["a/b/c/f", "a/b/none", "a/b/write", "a/b/first", "empty"] {
            fs::write(upper.join(name), "secret").expect("written");
            set_xattr(&upper.join(name), "user.overlay.origin", b"some");
        }
        fs::hard_link(upper.join("a/b/first"), upper.join("second")).expect("linked");
        set_xattr(&upper.join("a/b"), "user.note", b"1");
        let modes = [
            ("a/b/none", 0o000),
            ("a/b/write", 0o200),
            ("a/b/first", 0o000),
            ("a/b/c", 0o100),
            ("a/b", 0o000),
            ("a", 0o600),
            ("", 0o000),
        ];
        for (name, mode) in modes {
            set_mode(&upper.join(name), mode);
        }
        let (from, to) = (open_place(&upper), open(&overlay.dir.path().join("copy")));
        let before = seen(&upper);
        copy_upper(&from, &to, Owners::Same).expect("copied");
        assert_eq!(seen(&upper), before, "the original changed");
        assert_eq!(seen(&overlay.dir.path().join("copy")), before);
    }
}

/// A directory that its mode may have closed.
fn open_place(path: &Path) -> std::os::fd::OwnedFd {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("a place")
}

#[test]
fn an_empty_closed_file_in_a_closed_layer_is_listed_and_applied() {
    let overlay = Overlay::new(fill);
    let path = overlay.upper().join("empty");
    fs::write(&path, "").expect("written");
    set_xattr(&path, "user.note", b"1");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("a mode");
    set_mode(&overlay.upper(), 0);
    let uppers = vec![open_place(&overlay.upper())];
    let tree = Tree::new(open(&overlay.lower()), uppers, overlay.since);
    assert_eq!(common::list(&tree), ["added empty"]);
    common::apply_all(&tree);
    set_mode(&overlay.upper(), 0o700);
    let applied = fs::symlink_metadata(overlay.lower().join("empty")).expect("there");
    assert_eq!(applied.mode() & 0o7777, 0);
    let upper = fs::symlink_metadata(path).expect("there");
    assert_eq!(upper.mode() & 0o7777, 0);
}

#[test]
fn holes_stay_holes() {
    use std::os::unix::fs::FileExt as _;
    for overlay in overlays() {
        let file = fs::File::create(overlay.upper().join("holes")).expect("made");
        file.write_all_at(b"start", 0).expect("written");
        file.write_all_at(b"middle", 300 << 20).expect("written");
        file.set_len(1 << 30).expect("long");
        copied(&overlay).expect("copied");
        let copy = fs::File::open(overlay.dir.path().join("copy/holes")).expect("there");
        let meta = copy.metadata().expect("there");
        assert_eq!(meta.len(), 1 << 30);
        assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
        let mut text = [0; 6];
        copy.read_exact_at(&mut text, 300 << 20).expect("read");
        assert_eq!(&text, b"middle");
    }
}

#[test]
fn links_are_links_whatever_they_are_links_to() {
    for overlay in overlays() {
        let upper = overlay.upper();
        fs::create_dir_all(upper.join("d/e")).expect("made");
        fs::write(upper.join("d/e/file"), "x").expect("written");
        symlink("/nowhere", upper.join("d/e/symlink")).expect("made");
        fifo(&upper.join("d/e/fifo"), 0o666);
        for name in ["file", "symlink", "fifo"] {
            fs::hard_link(
                upper.join("d/e").join(name),
                upper.join("z").with_extension(name),
            )
            .expect("linked");
            fs::hard_link(upper.join("d/e").join(name), upper.join("d").join(name))
                .expect("linked");
        }
        copy_is_the_same(&overlay);
    }
}

fn fifo(path: &Path, mode: u32) {
    let kind = rustix::fs::FileType::Fifo;
    let bits = rustix::fs::Mode::empty();
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, bits, 0).expect("a FIFO");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn sockets_and_set_id_bits_stay_behind() {
    for overlay in overlays() {
        let upper = overlay.upper();
        // One name of it would be linked to the other.
        drop(std::os::unix::net::UnixListener::bind(upper.join("socket")).expect("bound"));
        fs::hard_link(upper.join("socket"), upper.join("socket2")).expect("linked");
        fs::create_dir(upper.join("dir")).expect("made");
        fs::write(upper.join("file"), "x").expect("written");
        fifo(&upper.join("fifo"), 0o666);
        for (name, mode) in [("dir", 0o3775), ("file", 0o7755), ("fifo", 0o6622)] {
            set_mode(&upper.join(name), mode);
        }
        copied(&overlay).expect("copied");
        let copy = overlay.dir.path().join("copy");
        let mode = |name: &str| {
            let meta = fs::symlink_metadata(copy.join(name));
            meta.expect("there").mode() & 0o7777
        };
        assert_eq!(
            [mode("dir"), mode("file"), mode("fifo")],
            [0o3775, 0o1755, 0o622]
        );
        assert!(!copy.join("socket").exists() && !copy.join("socket2").exists());
        assert_eq!(fs::read_dir(&copy).expect("listed").count(), 3);
        // The control: the original has them.
        let mode = fs::metadata(upper.join("file")).expect("there").mode();
        assert_eq!(mode & 0o7777, 0o7755);
        assert!(upper.join("socket").exists());
    }
}

#[test]
fn owners_are_translated() {
    let map = Owners::Map {
        outside_uid: 70_001,
        outside_gid: 70_002,
        lower_uid: 80_001,
        lower_gid: 80_002,
    };
    for overlay in overlays() {
        let upper = overlay.upper();
        fs::create_dir(upper.join("dir")).expect("made");
        fs::write(upper.join("dir/file"), "x").expect("written");
        symlink("x", upper.join("link")).expect("made");
        fifo(&upper.join("fifo"), 0o600);
        fs::write(upper.join("other"), "x").expect("written");
        let names = ["", "dir", "dir/file", "link", "fifo"];
        let copy = overlay.dir.path().join("copy");
        let to = open(&copy);
        if !common::is_root() {
            // Nobody but root gives files away: an error that says where, and ids as they are work.
            let (uid, gid) = (
                common::rustix_uid(),
                fs::metadata(&upper).expect("there").gid(),
            );
            let own = Owners::Map {
                outside_uid: uid,
                outside_gid: gid,
                lower_uid: 80_001,
                lower_gid: 80_002,
            };
            let error = copy_upper(&open(&upper), &to, own).expect_err("refused");
            assert!(matches!(error, CopyError::Entry { .. }), "{error}");
            continue;
        }
        for name in names {
            std::os::unix::fs::lchown(upper.join(name), Some(70_001), Some(70_002)).expect("given");
        }
        std::os::unix::fs::lchown(upper.join("other"), Some(70_003), Some(70_002)).expect("given");
        copy_upper(&open(&upper), &to, map).expect("copied");
        for name in names {
            let meta = fs::symlink_metadata(copy.join(name)).expect("there");
            assert_eq!((meta.uid(), meta.gid()), (80_001, 80_002), "{name}");
        }
        let meta = fs::metadata(copy.join("other")).expect("there");
        assert_eq!((meta.uid(), meta.gid()), (70_003, 80_002));
    }
}

#[test]
fn a_tree_that_is_too_deep_is_refused_and_one_that_is_not_is_copied() {
    let overlay = with_copy(Overlay::in_memory(fill));
    let deep = |levels| overlay.upper().join("d/".repeat(levels));
    fs::create_dir_all(deep(400)).expect("made");
    fs::write(deep(400).join("file"), "deep").expect("written");
    // Above what a walk holds open, so that it goes through closed directories on its way back.
    for level in (1..400).rev().step_by(7) {
        fs::set_permissions(deep(level), fs::Permissions::from_mode(0o000)).expect("a mode");
    }
    copy_is_the_same(&overlay);
    let overlay = with_copy(Overlay::in_memory(fill));
    fs::create_dir_all(overlay.upper().join("d/".repeat(401))).expect("made");
    match copied(&overlay).expect_err("refused") {
        CopyError::Entry { path, source } => {
            assert_eq!(path.components().count(), 401);
            assert!(source.to_string().contains("too deep"), "{source}");
        }
        error => panic!("{error}"),
    }
}

#[test]
fn names_are_any_bytes() {
    for overlay in overlays() {
        let upper = overlay.upper();
        let names: [&[u8]; 6] = [
            b"\xff\xfe",
            b"new\nline",
            b"-rf",
            b" ",
            b"\x1b[31m",
            &[b'x'; 255],
        ];
        for name in names {
            let name = OsStr::from_bytes(name);
            fs::create_dir(upper.join(name)).expect("made");
            fs::write(upper.join(name).join(name), name.as_bytes()).expect("written");
            symlink(name, upper.join(name).join("link")).expect("made");
        }
        copy_is_the_same(&overlay);
        assert_eq!(merged(&overlay, "copy"), merged(&overlay, "upper"));
    }
}

#[test]
fn what_is_in_the_way_is_not_overwritten() {
    let overlay = with_copy(Overlay::new(fill));
    let outside = overlay.dir.path().join("outside");
    fs::write(&outside, "kept").expect("written");
    fs::write(overlay.upper().join("name"), "new").expect("written");
    symlink(&outside, overlay.dir.path().join("copy/name")).expect("made");
    let error = copied(&overlay).expect_err("refused");
    assert!(
        matches!(&error, CopyError::Entry { path, .. } if path == Path::new("name")),
        "{error}"
    );
    assert_eq!(fs::read_to_string(outside).expect("read"), "kept");
}
