//! Modes, times, owners and attributes.

use crate::layout::{Layer, Scene};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tar::EntryType;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 100];
    let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

#[test]
fn modes_lose_what_is_dangerous_and_gain_what_is_needed() {
    let entry = |layer: Layer, kind, name: &str, mode| {
        layer.raw(kind, name.as_bytes(), b"", mode, &[], b"")
    };
    let mut layer = Layer::new();
    for (kind, name, mode) in [
        (EntryType::Directory, "./", 0o711),
        (EntryType::Regular, "setuid", 0o6755),
        (EntryType::Regular, "none", 0),
        (EntryType::Regular, "group", 0o664),
        (EntryType::Directory, "tmp", 0o1777),
        (EntryType::Directory, "closed", 0o2000),
        (EntryType::Regular, "closed/file", 0o1640),
    ] {
        layer = entry(layer, kind, name, mode);
    }
    let root = Scene::of(vec![layer]);
    let image = root.unpack().unwrap();
    let mode = |name: &str| std::fs::metadata(image.root.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode("setuid"), 0o755);
    assert_eq!(mode("none"), 0o400);
    assert_eq!(mode("closed"), 0o700);
    assert_eq!(mode("closed/file"), 0o640);
    assert_eq!(mode(""), 0o711);
    // Root's cache can be looked into by everyone.
    assert_eq!(mode("group"), if is_root() { 0o644 } else { 0o664 });
    assert_eq!(mode("tmp"), if is_root() { 0o1755 } else { 0o1777 });
    let chain = image.root.parent().unwrap();
    assert_eq!(
        std::fs::metadata(chain).unwrap().mode() & 0o7777,
        if is_root() { 0o755 } else { 0o700 }
    );
}

#[test]
fn the_umask_changes_nothing() {
    // The umask belongs to the process, so this runs in one of its own.
    if std::env::var_os("IMAGE_TEST_UMASK").is_none() {
        let output = std::process::Command::new("/bin/sh")
            .args([
                "-c",
                "umask 0777; exec \"$0\" --exact metadata::the_umask_changes_nothing",
            ])
            .arg(std::env::current_exe().unwrap())
            .env("IMAGE_TEST_UMASK", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let control = std::env::temp_dir().join(format!("image-umask-{}", std::process::id()));
    std::fs::write(&control, "").unwrap();
    let mode = std::fs::metadata(&control).unwrap().mode() & 0o7777;
    std::fs::remove_file(&control).unwrap();
    assert_eq!(mode, 0, "control");

    let base = std::env::temp_dir().join(format!("image-umask-dir-{}", std::process::id()));
    std::fs::create_dir(&base).unwrap();
    std::fs::set_permissions(&base, PermissionsExt::from_mode(0o700)).unwrap();
    let cache = cofferdam_image::Cache::open(&base.join("a/b")).unwrap();
    assert!(cache.list().unwrap().is_empty());
    for made in ["a", "a/b"] {
        let mode = std::fs::metadata(base.join(made)).unwrap().mode() & 0o7777;
        assert_eq!(mode, if is_root() { 0o755 } else { 0o700 });
    }
    std::fs::remove_dir_all(base).unwrap();
}

#[test]
fn times_are_the_images_also_of_directories() {
    let scene = Scene::of(vec![
        Layer::new().dir("d").file("d/f", "1").link("d/l", "f"),
    ]);
    let image = scene.unpack().unwrap();
    for name in ["d", "d/f", "d/l"] {
        let time = std::fs::symlink_metadata(image.root.join(name))
            .unwrap()
            .mtime();
        assert_eq!(time, 1_000_000_000, "{name}");
    }
}

#[test]
fn everything_belongs_to_the_caller() {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[0] = b'f';
    header.set_uid(12345);
    header.set_gid(12345);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(0);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let scene = Scene::new();
    scene.write_index(vec![
        scene.image(&[builder.into_inner().unwrap()], serde_json::json!({})),
    ]);
    let metadata = std::fs::metadata(scene.unpack().unwrap().root.join("f")).unwrap();
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
    assert_eq!(metadata.gid(), rustix::process::getegid().as_raw());
}

#[test]
fn only_user_attributes_are_kept() {
    // A valid version 2 capability, so that root could set it: cap_net_raw.
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let pax: [(&str, &[u8]); 5] = [
        ("SCHILY.xattr.user.comment", b"kept"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.security.capability", &capability),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.system.posix_acl_access", b"x"),
    ];
    let layer = Layer::new()
        .raw(EntryType::Regular, b"f", b"", 0o444, &pax, b"")
        .raw(EntryType::Directory, b"d", b"", 0o555, &pax, b"");
    let scene = Scene::of(vec![layer]);
    let root = scene.unpack().unwrap().root;
    for name in ["f", "d"] {
        let path = root.join(name);
        assert_eq!(
            attribute(&path, "user.comment").as_deref(),
            Some(&b"kept"[..])
        );
        for dropped in [
            "user.overlay.opaque",
            "security.capability",
            "trusted.overlay.opaque",
        ] {
            assert_eq!(attribute(&path, dropped), None, "{dropped}");
        }
    }
    // Control: the capability would have been accepted by the file system.
    if is_root() {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(root.join("f"), "security.capability", &capability, flags).unwrap();
        assert!(attribute(&root.join("f"), "security.capability").is_some());
    }
}

#[test]
fn a_line_feed_in_an_attribute_is_no_reason_to_refuse_the_image() {
    // cap_dac_override and cap_fowner together are 0x0a, and the reader takes that for the record's end.
    let capability = [
        1, 0, 0, 2, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let long = "n".repeat(150);
    let pax: [(&str, &[u8]); 2] = [
        ("SCHILY.xattr.security.capability", &capability),
        ("SCHILY.xattr.user.comment", b"kept"),
    ];
    let layer = Layer::new().raw(EntryType::Regular, long.as_bytes(), b"", 0o644, &pax, b"x");
    let root = Scene::of(vec![layer]);
    let image = root.unpack().unwrap();
    let path = image.root.join(long);
    assert_eq!(attribute(&path, "security.capability"), None);
    assert_eq!(
        attribute(&path, "user.comment").as_deref(),
        Some(&b"kept"[..])
    );
}

#[test]
fn nothing_is_made_that_the_image_does_not_have() {
    let scene = Scene::of(vec![Layer::new()]);
    let image = scene.unpack().unwrap();
    assert_eq!(std::fs::read_dir(&image.root).unwrap().count(), 0);
    let mut entry: Vec<_> = std::fs::read_dir(image.root.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    entry.sort();
    assert_eq!(entry, ["config", "root"]);
}
