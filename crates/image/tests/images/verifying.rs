//! Blobs that are not what their descriptors say. The control is the layout before it was changed.

use crate::layout::{
    CONFIG, GZIP, INDEX, Layer, MANIFEST, PLAIN, Scene, ZSTD, gzip, sha256, sha512, zstd,
};
use cofferdam_image::{ImageError, LayerProblem};
use serde_json::{Value, json};

/// A layout with one layer, and the descriptors of layer and manifest.
fn one() -> (Scene, Value, Value) {
    let scene = Scene::new();
    let tar = Layer::new().file("a", &"1".repeat(3000)).tar();
    let layer = scene.blob(GZIP, &gzip(&tar));
    let manifest = scene.image_of(vec![(layer.clone(), sha256(&tar))], json!({}));
    scene.write_index(vec![manifest.clone()]);
    (scene, layer, manifest)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().into()
}

/// Changes the last byte of a blob.
fn corrupt(scene: &Scene, digest: &str) {
    let path = scene.blob_path(digest);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_changed_blob_is_refused_wherever_it_is() {
    one().0.unpack().expect("control");
    let (scene, layer, _) = one();
    corrupt(&scene, &text(&layer, "digest"));
    let error = scene.refused();
    assert!(
        matches!(&error, ImageError::DigestMismatch { digest, .. } if *digest == text(&layer, "digest")),
        "{error}"
    );

    // In the middle of the compressed stream, and in its first bytes.
    for at in [0, 40] {
        let (scene, layer, _) = one();
        let path = scene.blob_path(&text(&layer, "digest"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 0xff;
        std::fs::write(path, bytes).unwrap();
        let error = scene.refused();
        assert!(
            matches!(error, ImageError::DigestMismatch { .. }),
            "{error}"
        );
    }

    let (scene, _, manifest) = one();
    corrupt(&scene, &text(&manifest, "digest"));
    assert!(matches!(scene.refused(), ImageError::DigestMismatch { .. }));
}

#[test]
fn sizes_and_presence() {
    let (scene, layer, _) = one();
    let path = scene.blob_path(&text(&layer, "digest"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(scene.refused(), ImageError::SizeMismatch { .. }));
    std::fs::remove_file(path).unwrap();
    assert!(matches!(scene.refused(), ImageError::BlobMissing { .. }));

    let (scene, _, mut manifest) = one();
    manifest["size"] = json!(manifest["size"].as_u64().unwrap() - 1);
    scene.write_index(vec![manifest]);
    assert!(matches!(scene.refused(), ImageError::SizeMismatch { .. }));
}

#[test]
fn a_layer_that_is_not_what_the_config_says() {
    let scene = Scene::new();
    let tar = Layer::new().file("a", "1").tar();
    let layer = scene.blob(GZIP, &gzip(&tar));
    scene.write_index(vec![
        scene.image_of(vec![(layer.clone(), sha256(b"other"))], json!({})),
    ]);
    let error = scene.refused();
    assert!(
        matches!(
            error,
            ImageError::Layer {
                layer: 1,
                problem: LayerProblem::DiffId { .. }
            }
        ),
        "{error}"
    );
    // Layers and diff_ids are matched by number.
    let config = scene.config(vec![sha256(&tar), sha256(&tar)], json!({}));
    scene.write_index(vec![scene.manifest(config, vec![layer.clone()])]);
    assert!(matches!(
        scene.refused(),
        ImageError::Malformed {
            what: "manifest",
            ..
        }
    ));
    scene.write_index(vec![scene.image_of(vec![(layer, sha256(&tar))], json!({}))]);
    scene.unpack().expect("control");
}

#[test]
fn sha512_is_verified_too() {
    let scene = Scene::new();
    let tar = Layer::new().file("a", "1").tar();
    let layer = scene.blob_as(PLAIN, &tar, sha512(&tar));
    let config = json!({
        "architecture": crate::layout::architecture(), "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [sha512(&tar)] },
    })
    .to_string();
    let config = scene.blob_as(CONFIG, config.as_bytes(), sha512(config.as_bytes()));
    scene.write_index(vec![scene.manifest(config, vec![layer.clone()])]);
    let image = scene.unpack().unwrap();
    assert!(image.digest.starts_with("sha512:") && image.root.join("a").exists());
    drop(image);
    let cache = scene.cache();
    cache.remove(&cache.list().unwrap()[0].digest).unwrap();
    corrupt(&scene, &text(&layer, "digest"));
    assert!(matches!(scene.refused(), ImageError::DigestMismatch { .. }));
}

#[test]
fn digests_of_other_kinds_are_refused() {
    let (scene, layer, _) = one();
    for digest in [
        "sha384:".to_owned() + &"0".repeat(96),
        "blake3:".to_owned() + &"0".repeat(64),
    ] {
        let mut other = layer.clone();
        other["digest"] = json!(digest);
        scene.write_index(vec![scene.image_of(vec![(other, sha256(b""))], json!({}))]);
        let error = scene.refused();
        assert!(
            matches!(error, ImageError::UnsupportedDigest { .. }),
            "{error}"
        );
    }
    let mut other = layer;
    other["digest"] = json!("sha256:../../../../etc/passwd");
    scene.write_index(vec![scene.image_of(vec![(other, sha256(b""))], json!({}))]);
    assert!(matches!(scene.refused(), ImageError::Malformed { .. }));
}

#[test]
fn media_types_and_compressions() {
    let tar = Layer::new().file("a", "1").tar();
    let with = |media_type: &str, blob: &[u8]| {
        let scene = Scene::new();
        let layer = (scene.blob(media_type, blob), sha256(&tar));
        scene.write_index(vec![scene.image_of(vec![layer], json!({}))]);
        scene
    };
    with(GZIP, &gzip(&tar)).unpack().expect("control");
    for (media_type, blob) in [
        (GZIP, tar.clone()),
        (PLAIN, gzip(&tar)),
        (GZIP, zstd(&tar)),
        (ZSTD, gzip(&tar)),
    ] {
        let error = with(media_type, &blob).refused();
        assert!(
            matches!(
                error,
                ImageError::Layer {
                    problem: LayerProblem::Compression { .. },
                    ..
                }
            ),
            "{error}"
        );
    }
    let error = with(
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        &gzip(&tar),
    )
    .refused();
    assert!(
        matches!(
            error,
            ImageError::Layer {
                layer: 1,
                problem: LayerProblem::Encrypted
            }
        ),
        "{error}"
    );
    for unknown in [
        "application/vnd.oci.image.layer.v1.tar+xz",
        "application/wasm",
        CONFIG,
    ] {
        let error = with(unknown, &tar).refused();
        assert!(
            matches!(error, ImageError::MediaType { what: "layer", .. }),
            "{error}"
        );
    }
    // Cut off, but with the digest of what is left.
    let cut = gzip(&tar);
    let error = with(GZIP, &cut[..cut.len() - 9]).refused();
    assert!(
        matches!(
            error,
            ImageError::Layer {
                problem: LayerProblem::Malformed(_),
                ..
            }
        ),
        "{error}"
    );
    let garbage = [gzip(&tar), b"garbage".to_vec()].concat();
    let error = with(GZIP, &garbage).refused();
    assert!(
        matches!(
            error,
            ImageError::Layer {
                problem: LayerProblem::Malformed(_),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn documents_that_are_none() {
    let (scene, _, manifest) = one();
    let mut wrong = manifest.clone();
    wrong["mediaType"] = json!("application/vnd.cncf.helm.chart");
    scene.write_index(vec![wrong]);
    assert!(matches!(
        scene.refused(),
        ImageError::MediaType {
            what: "manifest",
            ..
        }
    ));
    // An index is not taken for a manifest, whatever it is called, nor something that is both.
    let index = json!({ "schemaVersion": 2, "manifests": [] }).to_string();
    scene.write_index(vec![scene.blob(MANIFEST, index.as_bytes())]);
    assert!(matches!(
        scene.refused(),
        ImageError::Malformed {
            what: "manifest",
            ..
        }
    ));
    let both = json!({ "schemaVersion": 2, "manifests": [manifest], "layers": [] }).to_string();
    scene.write_index(vec![scene.blob(INDEX, both.as_bytes())]);
    let error = scene.refused().to_string();
    assert!(error.contains("at once"), "{error}");
    for nonsense in ["", "{}", "[1]", "\u{1b}[31m", &"[".repeat(100_000)] {
        scene.write_index(vec![scene.blob(MANIFEST, nonsense.as_bytes())]);
        let error = scene.refused();
        assert!(
            matches!(
                error,
                ImageError::Malformed {
                    what: "manifest",
                    ..
                }
            ),
            "{error}"
        );
        assert!(!error.to_string().contains('\u{1b}'));
    }
    // A config that is not one, as artifacts have it.
    let config = scene.blob("application/vnd.oci.empty.v1+json", b"{}");
    scene.write_index(vec![scene.manifest(config, vec![])]);
    assert!(matches!(
        scene.refused(),
        ImageError::MediaType { what: "config", .. }
    ));
}

#[test]
fn layouts_that_are_none() {
    let (scene, layer, _) = one();
    // A link to the blob is not followed, even if what it leads to would be right.
    let path = scene.blob_path(&text(&layer, "digest"));
    let elsewhere = scene.base.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let error = scene.refused();
    assert!(matches!(error, ImageError::NotALayout { .. }), "{error}");
    // Nor is a FIFO waited for.
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(matches!(scene.refused(), ImageError::Source { .. }));
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(&elsewhere, &path).unwrap();
    scene.unpack().expect("control");

    let (scene, ..) = one();
    std::fs::write(
        scene.layout().join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    assert!(matches!(scene.refused(), ImageError::Malformed { .. }));
    std::fs::remove_file(scene.layout().join("oci-layout")).unwrap();
    assert!(matches!(scene.refused(), ImageError::NotALayout { .. }));
    let cache = scene.cache();
    for (name, contents) in [
        ("x.tar.gz", gzip(&Layer::new().tar())),
        ("empty", vec![]),
        ("text", vec![b'x'; 600]),
    ] {
        let path = scene.base.path().join(name);
        std::fs::write(&path, contents).unwrap();
        let error = cache
            .unpack(&path, &Default::default(), &mut |_| {})
            .unwrap_err();
        assert!(matches!(error, ImageError::NotALayout { .. }), "{error}");
    }
    let none = cache
        .unpack("/nowhere/at/all".as_ref(), &Default::default(), &mut |_| {})
        .unwrap_err();
    assert!(matches!(none, ImageError::Source { .. }));
    let device = cache
        .unpack("/dev/zero".as_ref(), &Default::default(), &mut |_| {})
        .unwrap_err();
    assert!(matches!(device, ImageError::NotALayout { .. }));
}

#[test]
fn an_archive_that_is_cut_is_refused() {
    let (scene, ..) = one();
    let path = scene.archive();
    let cache = scene.cache();
    let full = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(full / 2)
        .unwrap();
    assert!(
        cache
            .unpack(&path, &Default::default(), &mut |_| {})
            .is_err()
    );
    cache
        .unpack(&scene.archive(), &Default::default(), &mut |_| {})
        .expect("control");
}
