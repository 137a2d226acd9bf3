//! Overlays: what is written goes to the upper layer, the lower ones stay as they are.

mod common;

use cofferdam_namespaces::{
    Bind, Lower, MountError, MountedUpper, Overlay, StepError, Upper, View,
};
use common::{Child, Finished, Stage, base, listing, scratch};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

fn memory(view: View) -> View {
    view.upper_memory(4 * MIB, None)
}

/// A directory with something of each kind.
fn repository(dir: &Path) -> PathBuf {
    let lower = dir.join("lower");
    fs::create_dir_all(lower.join("src/deep")).expect("made");
    fs::create_dir(lower.join("gone")).expect("made");
    fs::write(lower.join("src/deep/file"), "deep\n").expect("written");
    fs::write(lower.join("gone/old"), "old\n").expect("written");
    fs::write(lower.join("README"), "read\n").expect("written");
    fs::write(lower.join("program"), "#!/bin/sh\necho ran\n").expect("written");
    fs::set_permissions(lower.join("program"), fs::Permissions::from_mode(0o755)).expect("set");
    symlink("README", lower.join("link")).expect("made");
    lower
}

/// Every path below a directory with what it holds and its permission bits.
fn state(dir: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let one = |(path, _): (PathBuf, u64)| {
        let meta = path.symlink_metadata().expect("metadata");
        let bytes = if meta.is_file() {
            fs::read(&path).expect("read")
        } else {
            Vec::new()
        };
        (path, meta.mode(), bytes)
    };
    listing(dir).into_iter().map(one).collect()
}

fn failed(child: &Child, done: &Finished) -> MountError {
    let Some((Stage::Mount(index), errno)) = done.failure else {
        panic!("{:?} {}", done.failure, done.output);
    };
    child.mounts.explain(StepError { index, errno })
}

const WORK: &str = "cd /work && echo new > new && echo changed > README && rm program && \
    rm -r gone && mkdir gone && echo fresh > gone/fresh && mv src/deep/file src/moved && \
    chmod 600 link && mkdir made && mv made named && ls gone && cat src/moved README link && \
    ln README hard && mv link soft && mkfifo pipe && rm hard pipe && mv soft link && ls";

const WORKED: &str = "fresh\ndeep\nchanged\nchanged\nREADME\ngone\nlink\nnamed\nnew\nsrc\n";

#[test]
fn writes_go_to_the_upper_layer() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let before = state(&lower);
    let disk = dir.join("disk");
    fs::create_dir(&disk).expect("made");
    for upper in [Upper::Memory, Upper::Directory(disk.clone())] {
        let full = upper != Upper::Memory || common::memory_is_full();
        let child = Child::new(memory(base().overlay("/work", Overlay::new(&lower, upper))));
        let script = match full {
            true => WORK.into(),
            false => WORK.replace("rm -r gone && mkdir gone", "rm gone/old"),
        };
        assert_eq!(child.run(&script).expect_output(), WORKED);
        assert_eq!(state(&lower), before);
    }
    // Renaming a directory of a lower layer is for mv(1) to copy.
    if common::memory_is_full() {
        let overlay = Overlay::new(&lower, Upper::Memory);
        let done = Child::new(memory(base().overlay("/work", overlay)))
            .run("mv /work/src /work/other && cat /work/other/deep/file; ls /work | grep -c src");
        assert_eq!(done.output, "deep\n0\n");
    }
    assert_eq!(state(&lower), before);
    // What the upper layer on disk holds is the host's to read.
    let upper = disk.join("upper");
    assert_eq!(
        fs::read_to_string(upper.join("new")).expect("read"),
        "new\n"
    );
    let whiteout = upper
        .join("program")
        .symlink_metadata()
        .expect("a whiteout");
    assert_eq!(
        (whiteout.mode() & libc::S_IFMT, whiteout.rdev()),
        (libc::S_IFCHR, 0)
    );
    let mode = |path: &Path| path.metadata().expect("there").mode();
    assert_eq!(mode(&upper), mode(&lower));
    assert_eq!(mode(&disk.join("work/work")) & 0o7777, 0);
    // It is found again, also by rules, and is the next sandbox's to change.
    let overlay = Overlay::new(&lower, Upper::Directory(disk.clone()));
    let child = Child::new(base().overlay("/work", overlay.clone()).hide("/work/named"));
    let done = child.run("cat /work/new; ls /work/gone; ls /work/named; mv /work/named /work/x");
    assert!(done.output.starts_with("new\nfresh\n"), "{}", done.output);
    assert_eq!(done.output.matches("denied").count(), 1, "{}", done.output);
    assert!(done.output.contains("busy"), "{}", done.output);
    for gone in ["/work/program", "/work/gone/old"] {
        let error = base()
            .overlay("/work", overlay.clone())
            .hide(gone)
            .prepare();
        assert!(error.is_err(), "{gone}");
    }
    // The control: a bind writes through.
    let done = Child::new(base().bind(&lower, "/work", Bind::WRITABLE)).run("echo x > /work/new");
    done.expect_output();
    assert_ne!(state(&lower), before);
}

#[test]
fn flags_hold_and_nothing_of_the_host_is_named() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let noexec = Overlay {
        exec: false,
        ..Overlay::new(&lower, Upper::Memory)
    };
    let two = Overlay {
        lowers: vec![
            Lower::new(dir.join("lower/src")),
            Lower::new(dir.join("other")),
        ],
        ..Overlay::new(&lower, Upper::None)
    };
    fs::create_dir(dir.join("other")).expect("made");
    fs::write(dir.join("other/file"), "other\n").expect("written");
    let view = memory(base().proc())
        .overlay("/exec", Overlay::new(&lower, Upper::Memory))
        .overlay("/noexec", noexec)
        .overlay("/one", Overlay::new(&lower, Upper::None))
        .overlay("/two", two)
        .overlay(
            "/empty",
            Overlay {
                lowers: Vec::new(),
                ..Overlay::new("/", Upper::Memory)
            },
        );
    let child = Child::new(view);
    let shown = child.mounts.to_string();
    assert_eq!(shown.lines().count(), child.mounts.ops().len());
    assert!(
        shown.contains("overlay for /exec: 1 lower layer, changes in memory/1/upper, nosuid"),
        "{shown}"
    );
    let uppers: Vec<_> = child
        .mounts
        .overlays()
        .iter()
        .map(|it| it.upper.clone())
        .collect();
    let number = |number| MountedUpper::Memory { number };
    assert_eq!(
        uppers,
        [
            number(0),
            number(1),
            number(2),
            MountedUpper::None,
            MountedUpper::None
        ]
    );
    let done = child.run(
        "/exec/program; /noexec/program 2>/dev/null || echo refused; cat /one/README /two/file; ls /empty; \
         for d in one two; do (echo x > /$d/new) 2>/dev/null && echo WROTE; done; \
         echo x > /empty/x; ls /empty / ; grep -c ' - overlay ' /proc/self/mountinfo; \
         grep ' - overlay ' /proc/self/mountinfo; cat /proc/self/mountinfo | wc -l",
    );
    let text = done.expect_output();
    assert!(
        text.starts_with("ran\nrefused\nread\nother\n/:\n"),
        "{text}"
    );
    assert!(text.contains("\n/empty:\nx\n4\n"), "{text}");
    assert!(
        !text.contains("WROTE") && !text.contains("cofferdam"),
        "{text}"
    );
    let overlays = text.lines().filter(|line| line.contains(" - overlay "));
    for line in overlays {
        assert!(!line.contains(&*dir.to_string_lossy()), "{line}");
        assert!(
            line.contains("nosuid,nodev") && line.contains("userxattr"),
            "{line}"
        );
        assert!(
            !line.contains("index=on") && !line.contains("metacopy=on"),
            "{line}"
        );
    }
    assert!(text.contains("/noexec rw,nosuid,nodev,noexec"), "{text}");
    assert!(text.contains("/two ro,nosuid,nodev"), "{text}");
}

#[test]
fn nothing_of_the_old_root_is_left() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let view = memory(base().proc())
        .overlay("/work", Overlay::new(&lower, Upper::Memory))
        .hide("/work/README");
    // With a user namespace and, for root, without.
    for user in [true, false] {
        let mut child = Child::new(view.clone());
        child.namespaces.user = user;
        if !user && !common::is_root() {
            continue;
        }
        let done = child.run(&format!(
            "ls -a / | tr '\\n' ' '; cd /..; pwd; ls ../../../..{0} /..{0}; ls /proc/self/cwd/../..{0}; \
             ls /work/..{0}; cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -d; cat /work/src/deep/file",
            dir.display()
        ));
        let text = done.expect_output();
        assert!(
            text.starts_with(". .. bin dev lib lib64 proc usr work /\n"),
            "{text}"
        );
        assert_eq!(text.matches("No such file").count(), 4, "{text}");
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(text.ends_with("deep\n"), "{text}");
    }
}

#[test]
fn links_of_the_host_lead_to_where_the_overlay_is() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let link = dir.join("repo");
    symlink("lower", &link).expect("made");
    let view = memory(base().overlay(&link, Overlay::new(&link, Upper::Memory)));
    let done = Child::new(view.hide(link.join("src"))).run(&format!(
        "readlink {0}/repo; echo new > {0}/repo/new; ls {0} {0}/lower; ls {0}/lower/src 2>/dev/null || echo hidden",
        dir.display()
    ));
    let text = done.expect_output();
    assert!(
        text.starts_with("lower\n") && text.contains("new\nprogram\nsrc\nhidden\n"),
        "{text}"
    );
    assert!(!lower.join("new").exists());
}

#[test]
fn memory_is_limited_and_shared() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let view = base()
        .overlay("/a", Overlay::new(&lower, Upper::Memory))
        .overlay("/b", Overlay::new(&lower, Upper::Memory))
        .tmpfs("/tmp", MIB, 0o1777, false);
    let child = Child::new(view.clone().upper_memory(2 * MIB, None));
    let done = child.run(
        "(head -c 4000000 /dev/zero > /a/big) 2>&1 | grep -c 'No space'; \
         (echo x > /b/new) 2>/dev/null || echo full; echo t > /tmp/t; cat /tmp/t /b/README; \
         rm /a/big; echo changed > /b/README && cat /b/README; cat /a/README",
    );
    assert_eq!(done.expect_output(), "1\nfull\nt\nread\nchanged\nread\n");
    let done = Child::new(view.upper_memory(2 * MIB, Some(5))).run(
        "cd /a; for n in 1 2 3 4 5 6 7 8 9; do (echo > $n) || break; done 2>/dev/null; ls /a | grep -c '^[0-9]'",
    );
    // Attributes that overlayfs sets count as well (mm/shmem.c, `free_ispace`).
    let made: u32 = done.expect_output().trim().parse().expect("a number");
    assert!((1..=5).contains(&made), "{made}");
}

#[test]
fn layers_are_in_the_order_given() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let frozen = ["one", "two"].map(|name| dir.join(name));
    let over = |lowers: Vec<&Path>, upper| Overlay {
        lowers: lowers.into_iter().map(Lower::new).collect(),
        ..Overlay::new("/", upper)
    };
    // Each run's changes become a layer of the next.
    let mut lowers = vec![lower.clone()];
    let scripts = [
        "echo one > README; rm -r gone; mkdir gone; echo 1 > gone/1; rm program; echo 1 > 1",
        "cat README 1; ls gone; echo two > README; rm 1; echo back > program",
    ];
    for (dir, script) in frozen.iter().zip(scripts) {
        fs::create_dir(dir).expect("made");
        let layers = over(
            lowers.iter().map(PathBuf::as_path).collect(),
            Upper::Directory(dir.clone()),
        );
        let child = Child::new(base().overlay("/work", layers));
        let done = child.run(&format!("cd /work && {script}"));
        done.expect_output();
        lowers.insert(0, dir.join("upper"));
    }
    let before = state(&dir);
    let layers = over(lowers.iter().map(PathBuf::as_path).collect(), Upper::Memory);
    let view = memory(base().overlay("/work", layers));
    // Rules see what the layers make up together.
    for missing in ["/work/1", "/work/gone/old"] {
        assert!(view.clone().hide(missing).prepare().is_err(), "{missing}");
    }
    let child = Child::new(view.hide("/work/gone/1").bind(
        lower.join("src"),
        "/work/src/deep",
        Bind::READ_ONLY,
    ));
    let done = child.run(
        "cd /work; cat README program; ls; ls gone; cat gone/1 2>/dev/null || echo hidden; ls src/deep; \
         (echo x > src/deep/new) 2>/dev/null || echo read-only; echo three > README; cat README",
    );
    assert_eq!(
        done.expect_output(),
        "two\nback\nREADME\ngone\nlink\nprogram\nsrc\n1\nhidden\ndeep\nread-only\nthree\n"
    );
    assert_eq!(state(&dir), before);
}

#[test]
fn rules_below_an_overlay_work_as_below_a_bind() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    fs::write(lower.join("src/.env"), "KEY").expect("written");
    let before = state(&lower);
    let view = |upper| {
        memory(base().overlay("/work", Overlay::new(&lower, upper)))
            .hide("/work/src/.env")
            .bind(lower.join("gone"), "/work/gone", Bind::READ_ONLY)
            .tmpfs("/work/src/deep", MIB, 0o700, false)
            .file("/work/src/deep/note", "note\n", 0o644)
            .overlay("/work/gone/old", Overlay::new(&lower, Upper::Memory))
    };
    assert!(
        view(Upper::Memory).prepare().is_err(),
        "a directory on a file"
    );
    let view = |upper| {
        memory(base().overlay("/work", Overlay::new(&lower, upper)))
            .hide("/work/src/.env")
            .bind(lower.join("gone"), "/work/gone", Bind::READ_ONLY)
            .tmpfs("/work/src/deep", MIB, 0o700, false)
            .file("/work/src/deep/note", "note\n", 0o644)
    };
    let done = Child::new(view(Upper::Memory)).run(
        "cd /work; cat src/.env; (echo x > gone/new) 2>/dev/null || echo read-only; cat src/deep/note; \
         mv src other 2>/dev/null; rm -rf src 2>/dev/null; cat other/.env src/.env; rm gone/old 2>/dev/null; \
         cat gone/old; echo x > src/fine && cat src/fine",
    );
    assert_eq!(done.failure, None);
    assert!(!done.output.contains("KEY"), "{}", done.output);
    assert!(done.output.contains("read-only\nnote\n"), "{}", done.output);
    assert!(done.output.ends_with("old\nx\n"), "{}", done.output);
    assert_eq!(state(&lower), before);
    // Nothing is made: a target must be in a layer.
    for bad in [
        view(Upper::Memory).tmpfs("/work/none", MIB, 0o700, false),
        view(Upper::Memory).file("/work/none", "x", 0o644),
        view(Upper::Memory).hide("/work/link"),
    ] {
        let error = bad.prepare().expect_err("nothing there");
        assert!(error.to_string().contains("/lower/"), "{error}");
    }
}

#[test]
fn a_directory_of_the_upper_layer_cannot_be_moved_from_above_a_target() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let disk = dir.join("disk");
    fs::create_dir(&disk).expect("made");
    let view = base().overlay("/work", Overlay::new(&lower, Upper::Directory(disk)));
    let made = Child::new(view.clone()).run("mkdir -p /work/a/b; echo KEY > /work/a/b/.env");
    made.expect_output();
    // The control: it can be moved.
    let moved = "mv /work/a /work/x 2>/dev/null; cat /work/x/b/.env; mv /work/x /work/a";
    assert_eq!(Child::new(view.clone()).run(moved).expect_output(), "KEY\n");
    let child = Child::new(view.hide("/work/a/b/.env"));
    let shown = child.mounts.to_string();
    assert!(shown.contains("bind /work/a onto itself"), "{shown}");
    let done =
        child.run("mv /work/a /work/x; mv /work/a/b /work/a/x; cat /work/a/b/.env /work/x/b/.env");
    assert_eq!(done.output.matches("busy").count(), 2, "{}", done.output);
    assert!(!done.output.contains("KEY"), "{}", done.output);
}

#[test]
fn a_layer_that_was_exchanged_is_refused() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let disk = dir.join("disk");
    fs::create_dir(&disk).expect("made");
    let overlay = Overlay::new(&lower, Upper::Directory(disk.clone()));
    let child = Child::new(base().overlay("/work", overlay));
    for path in [&lower, &disk] {
        assert_eq!(child.run("true").failure, None);
        fs::rename(path, dir.join("before")).expect("moved");
        fs::create_dir(path).expect("made");
        let error = failed(&child, &child.run("true"));
        assert!(matches!(error, MountError::SourceChanged { .. }), "{error}");
        fs::remove_dir(path).expect("removed");
        symlink("before", path).expect("made");
        let error = failed(&child, &child.run("true"));
        assert!(matches!(error, MountError::SourceChanged { .. }), "{error}");
        fs::remove_file(path).expect("removed");
        fs::rename(dir.join("before"), path).expect("moved");
    }
    // What the host put at the names of the upper layer is refused as well.
    fs::remove_dir_all(disk.join("upper")).expect("removed");
    symlink("/tmp", disk.join("upper")).expect("made");
    let error = failed(&child, &child.run("true"));
    assert!(
        matches!(error, MountError::UpperDirectory { .. }),
        "{error}"
    );
}

#[test]
fn a_fault_anywhere_leaves_nothing() {
    let (_keep, dir) = scratch();
    let lower = repository(&dir);
    let disk = dir.join("disk");
    fs::create_dir(&disk).expect("made");
    let view = memory(base().proc())
        .root(Overlay::new(&lower, Upper::Memory))
        .overlay(
            "/work",
            Overlay::new(&lower, Upper::Directory(disk.clone())),
        )
        .overlay("/two", Overlay::new(&lower, Upper::Memory))
        .hide("/work/README");
    let mut child = Child::new(view);
    let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("read");
    let (before, tree) = (mounts(), state(&lower));
    let count = child.mounts.ops().len();
    for index in 0..count {
        child.stop_after = Some(index);
        let stopped = (
            Stage::Mount(index as u16),
            cofferdam_sys::Errno(libc::ECANCELED),
        );
        assert_eq!(child.run("true").failure, Some(stopped));
        let left = listing(&disk);
        let known = ["upper", "work", "work/work"].map(|name| disk.join(name));
        assert!(
            left.iter().all(|(path, _)| known.contains(path)),
            "{index}: {left:?}"
        );
    }
    assert_eq!((mounts(), state(&lower)), (before, tree));
    child.stop_after = Some(usize::MAX);
    assert_eq!(child.run("ls /work/src").expect_output(), "deep\n");
}
