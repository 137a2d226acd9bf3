//! Overlays that cannot be meant, or that this host or its root alone can have.

mod common;

use cofferdam_namespaces::{
    Bind, Credentials, IdMap, IdMappedOwner, Lower, MappingNamespace, MountError, Overlay,
    StepError, Upper, View, ViewError, probe,
};
use common::{Child, Stage, base, is_root, scratch};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

fn refused(view: View) -> ViewError {
    match view.prepare() {
        Ok(mounts) => panic!("accepted:\n{mounts}"),
        Err(error) => error,
    }
}

fn at(overlay: Overlay) -> ViewError {
    refused(
        View::new()
            .upper_memory(1 << 20, None)
            .overlay("/work", overlay),
    )
}

fn over(lowers: &[&Path], upper: Upper) -> Overlay {
    let lowers = lowers.iter().map(Lower::new).collect();
    Overlay {
        lowers,
        upper,
        exec: true,
    }
}

#[test]
fn overlays_that_cannot_be_meant() {
    let (_keep, dir) = scratch();
    for name in ["one/deep", "two", "disk/upper"] {
        fs::create_dir_all(dir.join(name)).expect("made");
    }
    fs::write(dir.join("file"), "x").expect("written");
    let (one, two, disk, file) = (
        dir.join("one"),
        dir.join("two"),
        dir.join("disk"),
        dir.join("file"),
    );
    let deep = one.join("deep");
    let none = dir.join("none");
    let missing = at(over(&[&none], Upper::Memory));
    assert!(matches!(missing, ViewError::Layer { .. }), "{missing}");
    assert!(missing.to_string().contains("none"), "{missing}");
    assert!(matches!(
        at(over(&[&one], Upper::Directory(none))),
        ViewError::Layer { .. }
    ));
    assert!(matches!(
        at(over(&[&file], Upper::Memory)),
        ViewError::LayerNotDirectory { .. }
    ));
    assert!(matches!(
        at(over(&[&one], Upper::Directory(file))),
        ViewError::LayerNotDirectory { .. }
    ));
    assert!(matches!(
        at(over(&[Path::new("one")], Upper::Memory)),
        ViewError::NotAbsolute { .. }
    ));
    assert!(matches!(
        at(over(&[Path::new("/proc/self")], Upper::Memory)),
        ViewError::SourceInProc { .. }
    ));
    assert!(matches!(
        at(over(&[], Upper::None)),
        ViewError::NoLayer { .. }
    ));
    for lowers in [[&one, &one], [&one, &deep], [&deep, &one]] {
        let error = at(over(&lowers.map(|path| path.as_path()), Upper::Memory));
        assert!(matches!(error, ViewError::LayersOverlap { .. }), "{error}");
    }
    for upper in [&one, &deep, &dir] {
        let error = at(over(&[&two, &one], Upper::Directory(upper.clone())));
        assert!(matches!(error, ViewError::LayersOverlap { .. }), "{error}");
    }
    // An upper directory belongs to one overlay, and is no layer of another.
    let upper = || Upper::Directory(disk.clone());
    let view = View::new().overlay("/a", over(&[&one], upper()));
    for other in [
        over(&[&two], upper()),
        over(&[&disk.join("upper")], Upper::None),
    ] {
        let error = refused(view.clone().overlay("/b", other));
        assert!(matches!(error, ViewError::LayersOverlap { .. }), "{error}");
    }
    for bind in [&disk, &dir, &disk.join("upper")] {
        let bound = view.clone().bind(bind, "/b", Bind::WRITABLE);
        let error = refused(bound);
        assert!(matches!(error, ViewError::UpperInBind { .. }), "{error}");
        let read_only = view.clone().bind(bind, "/b", Bind::READ_ONLY);
        read_only.prepare().expect("a view");
    }
    let root = View::new()
        .root(over(&[&one], upper()))
        .overlay("/b", over(&[&two], upper()));
    assert!(matches!(refused(root), ViewError::LayersOverlap { .. }));
    let many: Vec<&Path> = (0..65).map(|_| one.as_path()).collect();
    let error = at(over(&many, Upper::Memory));
    assert!(
        matches!(
            error,
            ViewError::TooManyLayers {
                count: 65,
                limit: 64,
                ..
            }
        ),
        "{error}"
    );
    for view in [
        View::new(),
        View::new().upper_memory(0, None),
        View::new().upper_memory(1, Some(0)),
    ] {
        let error = refused(view.overlay("/work", over(&[&one], Upper::Memory)));
        assert!(matches!(error, ViewError::NoUpperMemory { .. }), "{error}");
    }
    let twice = View::new()
        .overlay("/a", over(&[&one], upper()))
        .overlay("/a", over(&[&two], Upper::None));
    let error = refused(twice);
    assert!(matches!(error, ViewError::Conflict { .. }), "{error}");
    let roots = View::new()
        .root(over(&[&one], Upper::None))
        .root(over(&[&two], Upper::None));
    assert!(matches!(refused(roots), ViewError::Conflict { .. }));
    let twice = View::new()
        .root(over(&[&one], Upper::None))
        .root(over(&[&one], Upper::None));
    twice.prepare().expect("the same");
}

#[test]
fn links_in_an_upper_directory_lead_nowhere() {
    let (_keep, dir) = scratch();
    for name in ["lower", "other", "disk/upper"] {
        fs::create_dir_all(dir.join(name)).expect("made");
    }
    let (lower, disk) = (dir.join("lower"), dir.join("disk"));
    let link = disk.join("upper/link");
    std::os::unix::fs::symlink(dir.join("other"), &link).expect("made");
    let layers = |upper| over(&[&lower], upper);
    let next = |view: View| view.bind(&link, "/shown", Bind::READ_ONLY);
    for view in [
        View::new().root(layers(Upper::Directory(disk.clone()))),
        View::new().overlay("/work", layers(Upper::Directory(disk.clone()))),
    ] {
        let error = refused(next(view.clone()));
        assert!(
            matches!(error, ViewError::SymlinkInWritable { .. }),
            "{error}"
        );
    }
    // The control: where no sandbox writes to it, it is followed.
    next(View::new().root(layers(Upper::None)))
        .prepare()
        .expect("a view");
}

#[test]
fn as_many_layers_as_are_promised() {
    let (_keep, dir) = scratch();
    let paths: Vec<_> = (0..64).map(|n| dir.join(n.to_string())).collect();
    for (n, path) in paths.iter().enumerate() {
        fs::create_dir(path).expect("made");
        fs::write(path.join(format!("f{n}")), "x").expect("written");
    }
    let lowers: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
    let view = || base().upper_memory(1 << 20, None);
    let done =
        Child::new(view().overlay("/work", over(&lowers, Upper::Memory))).run("ls /work | wc -l");
    assert_eq!(done.expect_output(), "64\n");
    let done = Child::new(view().root(over(&lowers, Upper::None))).run("ls -d /f* | wc -l");
    assert_eq!(done.expect_output(), "64\n");
}

#[test]
fn a_layer_with_a_mount_in_it_is_refused() {
    if !common::in_outer_namespace("a_layer_with_a_mount_in_it_is_refused") {
        return;
    }
    let (_keep, dir) = scratch();
    let point = dir.join("lower/a b");
    fs::create_dir_all(&point).expect("made");
    let c_point = {
        use std::os::unix::ffi::OsStrExt as _;
        std::ffi::CString::new(point.as_os_str().as_bytes()).expect("no NUL")
    };
    let view = base().upper_memory(1 << 20, None);
    let view = view.overlay("/work", over(&[&dir.join("lower")], Upper::Memory));
    let child = Child::new(view.clone());
    // The control.
    assert_eq!(child.run("ls /work").expect_output(), "a b\n");
    cofferdam_sys::mount::mount(c"none", &c_point, c"tmpfs", 0, c"").expect("mounted");
    fs::write(point.join("secret"), "KEY").expect("written");
    let error = refused(view);
    let done = child.run("ls /work");
    cofferdam_sys::mount::umount2(&c_point, 0).expect("unmounted");
    assert!(
        matches!(&error, ViewError::LayerHasMounts { below, .. } if *below == point),
        "{error}"
    );
    let Some((Stage::Mount(index), errno)) = done.failure else {
        panic!("{}", done.output);
    };
    let error = child.mounts.explain(StepError { index, errno });
    assert!(
        matches!(error, MountError::LayerHasMounts { .. }),
        "{error}"
    );
}

#[test]
fn an_upper_directory_must_be_the_childs() {
    let (_keep, dir) = scratch();
    let (lower, disk) = (dir.join("lower"), dir.join("disk"));
    fs::create_dir(&lower).expect("made");
    fs::create_dir_all(disk.join("work")).expect("made");
    let mut child =
        Child::new(base().overlay("/work", over(&[&lower], Upper::Directory(disk.clone()))));
    if is_root() {
        // Ids that own nothing here.
        (child.map, child.credentials) = foreign();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&dir, open).expect("set");
    } else {
        fs::set_permissions(&disk, fs::Permissions::from_mode(0o000)).expect("set");
        fs::set_permissions(&disk, fs::Permissions::from_mode(0o755)).expect("set");
        fs::remove_dir(disk.join("work")).expect("removed");
        fs::write(disk.join("work"), "a file").expect("written");
    }
    let Some((Stage::Mount(index), errno)) = child.run("true").failure else {
        panic!("it was mounted");
    };
    let error = child.mounts.explain(StepError { index, errno });
    assert!(
        matches!(error, MountError::UpperDirectory { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("disk"), "{error}");
}

const OUTSIDE: u32 = 0x7000_1234;

fn foreign() -> (
    cofferdam_namespaces::PreparedIdMap,
    cofferdam_namespaces::PreparedCredentials,
) {
    let map = IdMap::single(1000, OUTSIDE, 1000, OUTSIDE)
        .prepare()
        .expect("a map");
    let credentials = Credentials {
        uid: Some(1000),
        gid: Some(1000),
        clear_groups: true,
    };
    (map, credentials.prepare().expect("credentials"))
}

#[test]
fn id_mapped_layers_are_roots_to_give() {
    const OWNER: IdMappedOwner = IdMappedOwner { uid: 0, gid: 0 };
    let (_keep, dir) = scratch();
    let (lower, disk) = (dir.join("lower"), dir.join("disk"));
    for path in [&lower, &disk] {
        fs::create_dir(path).expect("made");
    }
    fs::create_dir(lower.join("etc")).expect("made");
    fs::write(lower.join("etc/old"), "old\n").expect("written");
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&lower, closed.clone()).expect("set");
    let layers = |upper| Overlay {
        lowers: vec![Lower {
            source: lower.clone(),
            id_mapped: Some(OWNER),
        }],
        upper,
        exec: true,
    };
    let view = |root: bool, upper: Upper| {
        let view = base().upper_memory(1 << 20, None);
        match root {
            true => view.root(layers(upper)),
            false => view.overlay("/work", layers(upper)),
        }
    };
    let mut child = Child::new(view(false, Upper::Memory));
    assert!(child.mounts.needs_detach());
    let Some((Stage::Mount(index), errno)) = child.run("true").failure else {
        panic!("it was mounted");
    };
    let error = child.mounts.explain(StepError { index, errno });
    assert!(matches!(error, MountError::NotDetached { .. }), "{error}");
    if !is_root() {
        assert!(child.mounts.detach(&[]).is_err());
        return;
    }
    let mapping = MappingNamespace::new(OWNER, OUTSIDE, OUTSIDE).expect("a namespace");
    (child.map, child.credentials) = foreign();
    // Only the host can enter the directory that all this is in; the upper one is the child's.
    fs::set_permissions(&dir, closed).expect("set");
    std::os::unix::fs::chown(&disk, Some(OUTSIDE), Some(OUTSIDE)).expect("owned");
    let uppers = [Upper::None, Upper::Memory, Upper::Directory(disk.clone())];
    for (root, upper) in [false, true]
        .iter()
        .flat_map(|root| uppers.iter().map(|it| (*root, it.clone())))
    {
        let writable = upper != Upper::None;
        child.mounts = view(root, upper).prepare().expect("a view");
        child.detached = child
            .mounts
            .detach(std::slice::from_ref(&mapping))
            .expect("copies");
        let base = if root { "" } else { "/work" };
        let done = child.run(&format!(
            "stat -c '%u:%g' {base}/ {base}/etc {base}/etc/old; cat {base}/etc/old; \
             (echo new > {base}/etc/old && echo new > {base}/etc/new) 2>/dev/null && stat -c %u {base}/etc/new; \
             cat {base}/etc/old"
        ));
        let (owner, now) = if writable {
            ("1000\n", "new\n")
        } else {
            ("", "old\n")
        };
        let ids = "1000:1000\n".repeat(3);
        let expected = format!("{ids}old\n{owner}{now}");
        assert_eq!(done.expect_output(), expected, "{}", child.mounts);
        assert_eq!(
            fs::read_to_string(lower.join("etc/old")).expect("read"),
            "old\n"
        );
        assert!(!lower.join("etc/new").exists());
        if disk.join("upper").exists() {
            let new = disk.join("upper/etc/new").metadata().expect("made");
            assert_eq!((new.uid(), new.gid()), (OUTSIDE, OUTSIDE));
            fs::remove_dir_all(disk.join("upper")).expect("removed");
        }
    }
}

#[test]
fn the_probe_agrees() {
    let support = probe();
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("gone")).expect("made");
    let view = base()
        .upper_memory(1 << 20, None)
        .overlay("/work", over(&[&dir], Upper::Memory));
    let done = Child::new(view).run("rmdir /work/gone && mkdir /work/gone && echo again");
    assert_eq!(
        done.failure.is_none(),
        support.overlay.is_ok(),
        "{:?}",
        support.overlay
    );
    let again = done.output == "again\n";
    assert_eq!(
        again,
        support.overlay_in_memory.is_ok(),
        "{:?}",
        support.overlay_in_memory
    );
    if std::env::var("COFFERDAM_EXPECT").as_deref() == Ok("full") {
        assert!(support.overlay.is_ok() && support.overlay_in_memory.is_ok());
    }
}
