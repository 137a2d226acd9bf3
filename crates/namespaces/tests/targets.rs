//! Views that contradict themselves or the host are refused before anything runs, and nothing is
//! made on the host.

mod common;

use cofferdam_namespaces::{Bind, Overlay, Upper, View, ViewError};
use common::{base, listing, scratch};
use std::fs;
use std::os::unix::fs::symlink;

fn refused(view: View) -> ViewError {
    match view.prepare() {
        Ok(mounts) => panic!("accepted:\n{mounts}"),
        Err(error) => error,
    }
}

#[test]
fn paths_that_cannot_be_meant() {
    let bind =
        |source: &str, target: &str| refused(View::new().bind(source, target, Bind::WRITABLE));
    assert!(matches!(bind("/usr", "usr"), ViewError::NotAbsolute { .. }));
    assert!(matches!(bind("usr", "/usr"), ViewError::NotAbsolute { .. }));
    assert!(matches!(
        bind("/usr", "/a/../b"),
        ViewError::ParentComponent { .. }
    ));
    assert!(matches!(
        bind("/usr/../etc", "/b"),
        ViewError::ParentComponent { .. }
    ));
    assert!(matches!(bind("/usr", "/a\0b"), ViewError::Nul { .. }));
    assert!(matches!(bind("/usr", ""), ViewError::Nul { .. }));
    assert!(matches!(bind("/usr", "/"), ViewError::RootTarget));
    assert!(matches!(bind("/usr", "/./"), ViewError::RootTarget));
    assert!(matches!(
        bind("/proc/self/root", "/x"),
        ViewError::SourceInProc { .. }
    ));
    let error = bind("/no/such/thing", "/x");
    assert!(matches!(error, ViewError::Source { .. }));
    assert!(error.to_string().contains("/no/such/thing"), "{error}");
    let optional = View::new().bind("/no/such", "/x", Bind::WRITABLE.optional());
    let mounts = optional.prepare().expect("left out");
    assert_eq!(mounts.skipped().count(), 1);
    assert!(matches!(
        refused(View::new().tmpfs("/tmp", 0, 0o700, false)),
        ViewError::ZeroSize { .. }
    ));
    assert!(matches!(
        refused(View::new().symlink("/a", "")),
        ViewError::Nul { .. }
    ));
    assert!(matches!(
        refused(
            View::new()
                .symlink("/a", "/b")
                .symlink("/b", "/a")
                .dir("/a/c", 0o755)
        ),
        ViewError::SymlinkLoop { .. }
    ));
}

#[test]
fn rules_that_contradict_each_other() {
    let (_keep, dir) = scratch();
    fs::write(dir.join("file"), "x").expect("written");
    fs::create_dir(dir.join("dir")).expect("made");
    let file = dir.join("file");
    let at = |view: View| refused(view.tmpfs("/x", 4096, 0o700, false));
    let bind = View::new().bind(&dir, "/x", Bind::READ_ONLY);
    let error = at(bind.clone());
    assert!(matches!(error, ViewError::Conflict { .. }));
    assert!(error.to_string().contains("a read-only bind of"), "{error}");
    assert!(matches!(
        refused(bind.clone().bind(&dir, "/x", Bind::WRITABLE)),
        ViewError::Conflict { .. }
    ));
    // The same twice is no contradiction, nor is a directory for a mount.
    let twice = bind
        .clone()
        .bind(&dir, "/x", Bind::READ_ONLY)
        .dir("/x", 0o700);
    let twice = twice.prepare().expect("a view");
    let once = bind.clone().prepare().expect("a view");
    assert_eq!(twice.to_string(), once.to_string());
    assert!(matches!(
        refused(
            View::new()
                .bind(&file, "/f", Bind::READ_ONLY)
                .dir("/f/below", 0o755)
        ),
        ViewError::UnderFile { .. }
    ));
    assert!(matches!(
        refused(
            View::new()
                .file("/f", "x", 0o644)
                .bind(&dir, "/f/below", Bind::READ_ONLY)
        ),
        ViewError::UnderFile { .. }
    ));
    assert!(matches!(
        refused(View::new().proc().tmpfs("/proc/x", 4096, 0o700, false)),
        ViewError::Closed { what: "proc", .. }
    ));
    assert!(matches!(
        refused(
            bind.clone()
                .hide("/x/dir")
                .tmpfs("/x/dir/y", 4096, 0o700, false)
        ),
        ViewError::Closed { what: "hidden", .. }
    ));
    assert!(matches!(
        refused(bind.clone().bind(&dir, "/x/file", Bind::READ_ONLY)),
        ViewError::TargetType { .. }
    ));
    assert!(matches!(
        refused(bind.clone().bind(&dir, "/x/file/deeper", Bind::READ_ONLY)),
        ViewError::UnderFile { .. }
    ));
    assert!(matches!(
        refused(bind.hide("/x/none")),
        ViewError::NothingToHide { .. }
    ));
    assert!(matches!(
        refused(View::new().hide("/etc/passwd")),
        ViewError::NothingToHide { .. }
    ));
}

#[test]
fn nothing_is_made_on_the_host() {
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("work")).expect("made");
    let work = dir.join("work");
    for bind in [Bind::READ_ONLY, Bind::WRITABLE] {
        let view = base().bind(&work, "/work", bind);
        for refusal in [
            refused(view.clone().tmpfs("/work/new", 4096, 0o700, false)),
            refused(view.clone().tmpfs("/work/new/deeper", 4096, 0o700, false)),
            refused(view.clone().bind("/usr", "/work/usr", Bind::READ_ONLY)),
            refused(view.clone().file("/work/file", "x", 0o644)),
            refused(view.clone().dir("/work/dir", 0o755)),
            refused(view.clone().symlink("/work/link", "x")),
        ] {
            assert!(
                matches!(refusal, ViewError::MissingTarget { .. }),
                "{refusal}"
            );
            assert!(refusal.to_string().contains("/work/"), "{refusal}");
        }
    }
    assert_eq!(listing(&dir).len(), 1);
    // The control: where the directory exists the mount works, and leaves nothing either.
    fs::create_dir(work.join("new")).expect("made");
    let before = listing(&dir);
    let view = base()
        .bind(&work, "/work", Bind::WRITABLE)
        .tmpfs("/work/new", 1 << 20, 0o700, false)
        .dir("/work/new/inner", 0o755)
        .file("/work/new/inner/file", "here\n", 0o644)
        .bind("/usr", "/work/new/usr", Bind::READ_ONLY);
    let done = common::Child::new(view).run("cat /work/new/inner/file; ls -d /work/new/usr/bin");
    assert_eq!(done.expect_output(), "here\n/work/new/usr/bin\n");
    assert_eq!(listing(&dir), before);
}

#[test]
fn links_that_the_sandbox_can_change_lead_nowhere() {
    let (_keep, dir) = scratch();
    fs::create_dir_all(dir.join("work/real")).expect("made");
    fs::write(dir.join("work/real/key"), "KEY\n").expect("written");
    symlink("real", dir.join("work/link")).expect("made");
    symlink("/etc", dir.join("work/etc")).expect("made");
    let view = |bind| base().bind(dir.join("work"), "/work", bind);
    for path in [
        "/work/link",
        "/work/link/key",
        "/work/etc/passwd",
        "/work/etc",
    ] {
        let error = refused(view(Bind::WRITABLE).hide(path));
        assert!(
            matches!(error, ViewError::SymlinkInWritable { .. }),
            "{path}: {error}"
        );
    }
    // In a read-only bind they are the host's own, and lead within the view.
    let child = common::Child::new(view(Bind::READ_ONLY).hide("/work/link/key"));
    let done = child.run("cat /work/link/key /work/real/key; ls /work/real");
    assert_eq!(done.failure, None);
    assert!(!done.output.contains("KEY"));
    assert!(done.output.ends_with("key\n"));
    let error = refused(view(Bind::READ_ONLY).hide("/work/etc/passwd"));
    assert!(matches!(error, ViewError::NothingToHide { .. }), "{error}");
}

#[test]
fn links_that_the_sandbox_can_change_expose_nothing() {
    let (_keep, dir) = scratch();
    fs::create_dir_all(dir.join("work/.git")).expect("made");
    fs::create_dir(dir.join("private")).expect("made");
    symlink(dir.join("private"), dir.join("work/.git/hooks")).expect("made");
    let (work, hooks) = (dir.join("work"), dir.join("work/.git/hooks"));
    for target in [hooks.as_path(), std::path::Path::new("/elsewhere")] {
        let protect = |bind| {
            base()
                .bind(&work, &work, bind)
                .bind(&hooks, target, Bind::READ_ONLY)
        };
        let error = refused(protect(Bind::WRITABLE));
        assert!(
            matches!(error, ViewError::SymlinkInWritable { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("hooks"), "{error}");
        // The control: where nobody in the sandbox can have made it, a link is followed.
        let mounts = protect(Bind::READ_ONLY)
            .prepare()
            .expect("a view")
            .to_string();
        assert!(
            mounts.contains(&format!("bind {}/private", dir.display())),
            "{mounts}"
        );
    }
}

#[test]
fn targets_go_through_the_views_own_links() {
    let (_keep, dir) = scratch();
    fs::write(dir.join("file"), "x\n").expect("written");
    let view = base()
        .symlink("/short", "/very/deep")
        .symlink("/very/up", "..")
        .bind(&dir, "/very/deep/dir", Bind::READ_ONLY)
        .tmpfs("/short/tmp", 1 << 20, 0o700, false)
        .dir("/short/tmp/made", 0o755)
        .bind(&dir, "/very/up/beside", Bind::READ_ONLY);
    let done = common::Child::new(view)
        .run("cat /short/dir/file /beside/file; ls -d /very/deep/tmp/made; ls /short");
    assert_eq!(
        done.expect_output(),
        "x\nx\n/very/deep/tmp/made\ndir\ntmp\n"
    );
}

#[test]
fn there_is_a_limit() {
    let many = (0..20_001).fold(View::new(), |view, n| view.dir(format!("/{n}"), 0o755));
    assert!(matches!(
        refused(many),
        ViewError::TooMany {
            what: "rules",
            count: 20_001,
            ..
        }
    ));
    let deep = (0..15_000).fold(View::new(), |view, n| {
        view.dir(format!("/{n}/b/c/d/e"), 0o755)
    });
    assert!(matches!(
        refused(deep),
        ViewError::TooMany {
            what: "operations",
            ..
        }
    ));
}

#[test]
fn sockets_listen_in_the_views_own_memory_alone() {
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("inside")).expect("made");
    let lower = |target: &str| {
        let layers = Overlay::new(&dir, Upper::Memory);
        let view = View::new().upper_memory(1 << 20, None);
        match target {
            "/" => view.root(layers),
            _ => view.overlay(target, layers),
        }
    };
    let bound = |view: View| view.bind(&dir, "/work", Bind::WRITABLE);
    for view in [
        bound(View::new()).socket("/work/agent", 0o600),
        bound(View::new()).socket("/work/inside/agent", 0o600),
        lower("/over").socket("/over/agent", 0o600),
    ] {
        assert!(matches!(refused(view), ViewError::MissingTarget { .. }));
    }
    for path in ["/agent", "/run/agent"] {
        let error = refused(lower("/").socket(path, 0o600));
        assert!(
            matches!(error, ViewError::SocketInOverlay { .. }),
            "{error}"
        );
    }
    let long = format!("/{}", "a".repeat(107));
    let error = refused(View::new().socket(&long, 0o600));
    assert!(matches!(
        error,
        ViewError::SocketTooLong { length: 108, .. }
    ));
    let twice = View::new().socket("/agent", 0o600).socket("/agent", 0o666);
    assert!(matches!(refused(twice), ViewError::Conflict { .. }));
    let below = View::new().socket("/agent", 0o600).dir("/agent/x", 0o755);
    assert!(matches!(refused(below), ViewError::UnderFile { .. }));

    // The controls.
    let view = lower("/").tmpfs("/run", 1 << 16, 0o755, false);
    let view = bound(
        view.socket("/run/deep/agent", 0o600)
            .socket("/run/agent", 0o600),
    );
    let mounts = view.prepare().expect("a view");
    let sockets = ["/run/agent", "/run/deep/agent"].map(std::path::PathBuf::from);
    assert_eq!(mounts.sockets(), sockets);
    let made = mounts.ops().iter().filter(|op| op.makes_socket());
    assert_eq!(made.count(), 2);
    assert!(View::new().socket(&long[..107], 0o600).prepare().is_ok());
    assert_eq!(listing(&dir), [(dir.join("inside"), 0)]);
}
