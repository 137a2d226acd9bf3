//! Layers applied in order, with whiteouts.

use crate::layout::{GZIP, Layer, PLAIN, Scene, ZSTD, gzip, sha256, tree, zstd};
use cofferdam_image::{Options, Stage};
use serde_json::json;
use tar::EntryType;

/// Unpacks and lists the tree.
fn applied(layers: Vec<Layer>) -> Vec<String> {
    tree(&Scene::of(layers).unpack().unwrap().root)
}

#[test]
fn later_layers_replace_and_add() {
    let first = Layer::new()
        .dir("./")
        .dir("etc/")
        .file("etc/a", "1")
        .file("etc/b", "1")
        .dir("d")
        .file("d/x", "1");
    let second = Layer::new()
        .file("etc/b", "2")
        .file("etc/c", "2")
        .file("d", "a file now")
        .dir("etc/a");
    assert_eq!(
        applied(vec![first, second]),
        ["d: a file now", "etc/", "etc/a/", "etc/b: 2", "etc/c: 2"]
    );
}

#[test]
fn whiteouts_take_away_what_lower_layers_have() {
    let first = || {
        Layer::new()
            .dir("a")
            .file("a/x", "1")
            .file("a/y", "1")
            .dir("a/deep")
            .file("a/deep/z", "1")
    };
    assert_eq!(
        applied(vec![first()]),
        ["a/", "a/deep/", "a/deep/z: 1", "a/x: 1", "a/y: 1"],
        "control"
    );
    let second = Layer::new()
        .file("a/.wh.x", "")
        .file("a/.wh.deep", "")
        .file("a/.wh.none", "")
        .file("no/.wh.x", "");
    assert_eq!(applied(vec![first(), second]), ["a/", "a/y: 1"]);
}

#[test]
fn whiteouts_spare_what_their_own_layer_has_in_any_order() {
    let first = || {
        Layer::new()
            .file("a/x", "1")
            .file("a/d/old", "1")
            .file("a/gone", "1")
    };
    let new = ["a/", "a/d/", "a/d/new: 2", "a/x: 2"];
    let opaque_first = Layer::new()
        .dir("a")
        .file("a/.wh..wh..opq", "")
        .file("a/x", "2")
        .file("a/d/new", "2");
    assert_eq!(applied(vec![first(), opaque_first]), new);
    let opaque_last = Layer::new()
        .dir("a")
        .file("a/x", "2")
        .file("a/d/new", "2")
        .file("a/.wh..wh..opq", "");
    assert_eq!(applied(vec![first(), opaque_last]), new);
    let named = Layer::new()
        .file("a/d/new", "2")
        .file("a/.wh.d", "")
        .file("a/x", "2")
        .file("a/.wh.x", "");
    assert_eq!(
        applied(vec![first(), named]),
        ["a/", "a/d/", "a/d/new: 2", "a/gone: 1", "a/x: 2"]
    );
}

#[test]
fn a_name_that_is_only_looked_at_is_not_spared() {
    // The target of a hard link and the place of another whiteout are no names that the layer has.
    let first = || Layer::new().file("a/x", "1").file("b/y", "1");
    let second = Layer::new()
        .hard("h", "a/x")
        .file(".wh.a", "")
        .file("b/.wh.none", "")
        .file(".wh.b", "");
    assert_eq!(applied(vec![first(), second]), ["h: 1"]);
}

#[test]
fn an_opaque_root_empties_everything() {
    let second = Layer::new().file(".wh..wh..opq", "").file("b", "2");
    assert_eq!(
        applied(vec![Layer::new().file("a/x", "1"), second]),
        ["b: 2"]
    );
}

#[test]
fn what_aufs_left_behind_is_no_part_of_the_image() {
    let layer = Layer::new()
        .dir(".wh..wh.plnk")
        .file(".wh..wh.plnk/1.2", "")
        .file(".wh..wh.aufs", "")
        .file("a", "1");
    assert_eq!(applied(vec![layer]), ["a: 1"]);
}

#[test]
fn links_lead_to_where_the_root_of_the_image_is() {
    let first = Layer::new()
        .dir("usr/lib")
        .link("lib", "usr/lib")
        .link("abs", "/usr/lib")
        .link("up", "../../../../usr/lib")
        .link("dangling", "opt/made");
    let second = Layer::new()
        .file("lib/a", "2")
        .file("abs/b", "2")
        .file("up/c", "2")
        .file("dangling/d", "2");
    assert_eq!(
        applied(vec![first, second]),
        [
            "abs -> /usr/lib",
            "dangling -> opt/made",
            "lib -> usr/lib",
            "opt/",
            "opt/made/",
            "opt/made/d: 2",
            "up -> ../../../../usr/lib",
            "usr/",
            "usr/lib/",
            "usr/lib/a: 2",
            "usr/lib/b: 2",
            "usr/lib/c: 2",
        ]
    );
}

#[test]
fn hard_links_share_a_file_and_survive_being_replaced() {
    use std::os::unix::fs::MetadataExt;
    let first = Layer::new()
        .file("a", "1")
        .hard("b", "a")
        .hard("a", "./a")
        .link("l", "d")
        .file("d/e", "3");
    let scene = Scene::of(vec![
        first,
        Layer::new().file("b", "2").hard("c", "a").hard("f", "l/e"),
    ]);
    let root = scene.unpack().unwrap().root;
    assert_eq!(
        tree(&root),
        ["a: 1", "b: 2", "c: 1", "d/", "d/e: 3", "f: 3", "l -> d"]
    );
    let inode = |name| std::fs::metadata(root.join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("c"));
    assert_ne!(inode("a"), inode("b"));
}

#[test]
fn every_compression_gives_the_same_tree() {
    let tar = || Layer::new().file("a", &"text ".repeat(50_000)).tar();
    let mut frames = vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    frames.extend(zstd(&tar()[..1000]));
    frames.extend(zstd(&tar()[1000..]));
    let members = [gzip(&tar()[..700]), gzip(&tar()[700..])].concat();
    let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    for (media_type, blob) in [
        (PLAIN, tar()),
        (GZIP, gzip(&tar())),
        (GZIP, members),
        (docker, gzip(&tar())),
        (ZSTD, zstd(&tar())),
        (ZSTD, frames),
    ] {
        let scene = Scene::new();
        let layer = (scene.blob(media_type, &blob), sha256(&tar()));
        scene.write_index(vec![scene.image_of(vec![layer], json!({}))]);
        let image = scene.unpack().unwrap();
        assert_eq!(
            std::fs::read(image.root.join("a")).unwrap().len(),
            250_000,
            "{media_type}"
        );
    }
}

#[test]
fn a_stream_of_the_real_zstd_is_understood() {
    // `printf hello | zstd -19 --check` with a tar header would be long; the frame alone is enough: it
    // decompresses to no archive, which is told from a stream that cannot be decompressed.
    let blob = [
        0x28, 0xb5, 0x2f, 0xfd, 0x24, 5, 0x29, 0, 0, b'h', b'e', b'l', b'l', b'o', 0x42, 0x9e,
        0x73, 0x1c,
    ];
    let scene = Scene::new();
    let layer = (scene.blob(ZSTD, &blob), sha256(b"hello"));
    scene.write_index(vec![scene.image_of(vec![layer], json!({}))]);
    let error = scene.refused().to_string();
    assert!(error.contains("entire block"), "{error}");
}

#[test]
fn long_names_of_both_kinds_and_sparse_files() {
    let long = format!("{}/{}", "d".repeat(200), "n".repeat(255));
    let target = "t".repeat(300);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"ok"[..]).unwrap();
    let gnu = builder.into_inner().unwrap();
    let pax = Layer::new()
        .raw(
            EntryType::Symlink,
            b"pax",
            target.as_bytes(),
            0o777,
            &[],
            b"",
        )
        .tar();
    let scene = Scene::new();
    scene.write_index(vec![scene.image(&[gnu, pax, sparse()], json!({}))]);
    let root = scene.unpack().unwrap().root;
    assert_eq!(std::fs::read(root.join(long)).unwrap(), b"ok");
    assert_eq!(
        std::fs::read_link(root.join("pax")).unwrap().to_str(),
        Some(&*target)
    );
    let mut expected = vec![0; 1 << 20];
    expected.extend(b"end");
    assert_eq!(std::fs::read(root.join("sparse")).unwrap(), expected);
}

/// An old GNU sparse file: a hole of 1 MiB, then three bytes.
fn sparse() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..6].copy_from_slice(b"sparse");
    header.set_mode(0o644);
    header.set_mtime(1);
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(3);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].offset.copy_from_slice(b"00004000000\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000003\0");
    gnu.realsize.copy_from_slice(b"00004000003\0");
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b"end"[..]).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn an_archive_of_the_layout_gives_the_same() {
    let scene = Scene::of(vec![
        Layer::new().file("a", "1"),
        Layer::new().file("b", "2").file(".wh.a", ""),
    ]);
    let image = scene
        .cache()
        .unpack(&scene.archive(), &Options::default(), &mut |_| {})
        .unwrap();
    assert_eq!(tree(&image.root), ["b: 2"]);
    let again = scene.unpack().unwrap();
    assert_eq!((again.root, again.digest), (image.root, image.digest));
}

#[test]
fn progress_is_told() {
    let mut noise = 1_u32;
    let noise: String = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + (noise >> 25) as u8 % 90)
    })
    .take(2_000_000)
    .collect();
    let scene = Scene::of(vec![
        Layer::new().file("a", &noise),
        Layer::new().file("b", "2"),
    ]);
    let mut seen = Vec::new();
    scene
        .cache()
        .unpack(&scene.layout(), &Options::default(), &mut |p| seen.push(p))
        .unwrap();
    assert_eq!(seen.first().unwrap().stage, Stage::Metadata);
    assert_eq!(seen.last().unwrap().stage, Stage::Done);
    assert!(seen.iter().any(|p| p.stage == Stage::Sync));
    let first: Vec<u64> = seen
        .iter()
        .filter(|p| (p.stage, p.layer, p.layers) == (Stage::Layer, 1, 2))
        .map(|p| p.bytes)
        .collect();
    assert!(first.len() > 4 && first.is_sorted(), "{first:?}");
    assert!(
        seen.iter()
            .any(|p| p.layer == 2 && p.bytes == p.total && p.total > 0)
    );
}
