//! Images that ask for too much. The control is the same image with a limit that is just enough.

use crate::layout::{GZIP, Layer, Scene, ZSTD, gzip, sha256, zstd};
use cofferdam_image::{ImageError, Limit, Limits, Options};
use serde_json::json;
use tar::EntryType;

type Set = fn(&mut Limits, u64);

fn options(set: Set, value: u64) -> Options {
    let mut options = Options::default();
    set(&mut options.limits, value);
    options
}

/// `enough` lets it through, one less does not.
fn bounded(scene: &Scene, limit: Limit, enough: u64, set: Set) {
    let error = scene.refused_with(&options(set, enough - 1));
    let ImageError::Limit {
        limit: found,
        allowed,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((found, allowed), (limit, enough - 1));
    scene.unpack_with(&options(set, enough)).expect("control");
}

#[test]
fn sizes_and_numbers() {
    let kib = "x".repeat(1024);
    let scene = || {
        Scene::of(vec![
            Layer::new().file("a", &kib),
            Layer::new().file("b", "").dir("c"),
        ])
    };
    bounded(&scene(), Limit::FileBytes, 1024, |l, v| l.file_bytes = v);
    bounded(&scene(), Limit::Entries, 3, |l, v| l.entries = v);
    bounded(&scene(), Limit::Layers, 2, |l, v| l.layers = v as usize);
    // Two tar streams: header, contents and two blocks of zeros; two headers and two blocks.
    bounded(&scene(), Limit::TotalBytes, 2560 + 2048, |l, v| {
        l.total_bytes = v
    });
    bounded(&scene(), Limit::DirectoryNames, 25, |l, v| {
        l.directory_names = v
    });
}

#[test]
fn depth_of_names_and_through_links() {
    let deep = Scene::of(vec![Layer::new().file("a/b/c/d", "")]);
    bounded(&deep, Limit::Depth, 4, |l, v| l.depth = v as usize);
    // Directories made on the way count as entries.
    let made = Scene::of(vec![Layer::new().file("a/b/c/d", "")]);
    bounded(&made, Limit::Entries, 4, |l, v| l.entries = v);
    let linked = Layer::new()
        .file("a/b/c/d", "")
        .link("l", "a/b/c")
        .file("l/e", "");
    bounded(&Scene::of(vec![linked]), Limit::Depth, 4, |l, v| {
        l.depth = v as usize
    });
}

#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    // 80 MiB of zeros become some 100 KiB.
    let zeros = "\0".repeat(80 << 20);
    let tar = Layer::new().file("zeros", &zeros).tar();
    for (media_type, blob) in [(GZIP, gzip(&tar)), (ZSTD, zstd(&tar))] {
        let scene = Scene::new();
        let layer = (scene.blob(media_type, &blob), sha256(&tar));
        scene.write_index(vec![scene.image_of(vec![layer], json!({}))]);
        let error = scene.refused_with(&options(|l, v| l.ratio = v, 100));
        let text = error.to_string();
        let ImageError::Limit { limit, .. } = error else {
            panic!("{text}")
        };
        assert_eq!(limit, Limit::Ratio, "{media_type}");
        assert!(text.contains("layer 1, entry `zeros`"), "{text}");
        let image = scene
            .unpack_with(&options(|l, v| l.ratio = v, 1_000_000))
            .expect("control");
        let metadata = std::fs::metadata(image.root.join("zeros")).unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!(metadata.len(), 80 << 20);
        assert!(metadata.blocks() * 512 < 1 << 20, "zeros become holes");
    }
}

#[test]
fn a_bomb_behind_the_archives_end_is_stopped() {
    let mut tar = Layer::new().file("a", "").tar();
    tar.resize(2 << 20, 0);
    let scene = Scene::new();
    let layer = (scene.blob(GZIP, &gzip(&tar)), sha256(&tar));
    scene.write_index(vec![scene.image_of(vec![layer], json!({}))]);
    bounded(&scene, Limit::TotalBytes, 2 << 20, |l, v| l.total_bytes = v);
}

#[test]
fn a_sparse_file_counts_with_its_holes() {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..6].copy_from_slice(b"sparse");
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].offset.copy_from_slice(b"00004000000\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    gnu.realsize.copy_from_slice(b"00004000000\0");
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let tar = builder.into_inner().unwrap();
    let scene = Scene::new();
    scene.write_index(vec![scene.image(&[tar], json!({}))]);
    bounded(&scene, Limit::TotalBytes, 1 << 20, |l, v| l.total_bytes = v);
}

#[test]
fn headers_are_not_collected_without_end() {
    let value = vec![b'x'; 100_000];
    let pax: [(&str, &[u8]); 1] = [("comment", &value)];
    let layer = || Layer::new().raw(EntryType::Regular, b"f", b"", 0o644, &pax, b"");
    let set: Set = |l, v| l.metadata_bytes = v;
    let scene = Scene::of(vec![layer()]);
    let error = scene.refused_with(&options(set, 50_000));
    assert!(
        matches!(
            error,
            ImageError::Limit {
                limit: Limit::MetadataBytes,
                ..
            }
        ),
        "{error}"
    );
    scene.unpack_with(&options(set, 110_000)).expect("control");

    // The same for a long name of the GNU kind, and in the archive that the layout itself is.
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, "n/".repeat(50_000), &b""[..])
        .unwrap();
    let tar = builder.into_inner().unwrap();
    let scene = Scene::new();
    scene.write_index(vec![scene.image(std::slice::from_ref(&tar), json!({}))]);
    let error = scene.refused_with(&options(set, 50_000));
    assert!(
        matches!(
            error,
            ImageError::Limit {
                limit: Limit::MetadataBytes,
                ..
            }
        ),
        "{error}"
    );
    let outer = scene.base.path().join("outer.tar");
    std::fs::write(&outer, tar).unwrap();
    let error = scene
        .cache()
        .unpack(&outer, &options(set, 50_000), &mut |_| {})
        .unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Limit {
                limit: Limit::MetadataBytes,
                ..
            }
        ),
        "{error}"
    );
    let error = scene
        .cache()
        .unpack(&outer, &Options::default(), &mut |_| {})
        .unwrap_err();
    assert!(
        matches!(error, ImageError::NotALayout { .. }),
        "control: {error}"
    );
}

#[test]
fn documents_are_bounded() {
    let scene = Scene::of(vec![Layer::new()]);
    let longest = std::fs::metadata(scene.layout().join("index.json"))
        .unwrap()
        .len();
    let all = std::fs::read_dir(scene.layout().join("blobs/sha256")).unwrap();
    let longest = all
        .map(|e| e.unwrap().metadata().unwrap().len())
        .chain([longest])
        .max()
        .unwrap();
    bounded(&scene, Limit::MetadataBytes, longest, |l, v| {
        l.metadata_bytes = v
    });
}
