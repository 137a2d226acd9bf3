//! Which of several images is unpacked.

use crate::layout::{INDEX, Layer, Scene, architecture, tree};
use cofferdam_image::{ImageError, Options};
use serde_json::{Value, json};

/// An image with one file of this name.
fn image(scene: &Scene, name: &str) -> Value {
    scene.image(&[Layer::new().file(name, "").tar()], json!({}))
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    descriptor
}

fn platform(mut descriptor: Value, os: &str, architecture: &str, variant: Option<&str>) -> Value {
    descriptor["platform"] = json!({ "os": os, "architecture": architecture });
    if let Some(variant) = variant {
        descriptor["platform"]["variant"] = json!(variant);
    }
    descriptor
}

fn index(scene: &Scene, manifests: Vec<Value>) -> Value {
    scene.blob(
        INDEX,
        json!({ "schemaVersion": 2, "manifests": manifests })
            .to_string()
            .as_bytes(),
    )
}

fn picked(scene: &Scene, reference: Option<&str>) -> Result<String, ImageError> {
    let options = Options {
        reference: reference.map(Into::into),
        ..Options::default()
    };
    scene
        .unpack_with(&options)
        .map(|image| tree(&image.root).join(" "))
}

#[test]
fn by_name() {
    let scene = Scene::new();
    let (a, b) = (image(&scene, "a"), image(&scene, "b"));
    let digest = b["digest"].as_str().unwrap().to_owned();
    let mut full = named(b, "13");
    full["annotations"]["io.containerd.image.name"] = json!("docker.io/library/debian:13");
    scene.write_index(vec![named(a, "docker.io/library/alpine:latest"), full]);
    for (reference, expected) in [
        ("docker.io/library/alpine:latest", "a: "),
        ("alpine:latest", "a: "),
        ("library/alpine", "a: "),
        ("alpine", "a: "),
        ("latest", "a: "),
        ("13", "b: "),
        ("debian:13", "b: "),
        (&digest, "b: "),
    ] {
        assert_eq!(
            picked(&scene, Some(reference)).unwrap(),
            expected,
            "{reference}"
        );
    }
    for unknown in ["pine", "debian", "3", "ebian:13", "", "de\u{1b}"] {
        let error = picked(&scene, Some(unknown)).unwrap_err();
        let ImageError::UnknownReference { known, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(known.len(), 2);
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let error = picked(&scene, None).unwrap_err();
    assert!(matches!(error, ImageError::Ambiguous { .. }), "{error}");
    assert!(
        error.to_string().contains("docker.io/library/debian:13"),
        "{error}"
    );
}

#[test]
fn one_image_with_two_names_is_one() {
    let scene = Scene::new();
    let a = image(&scene, "a");
    scene.write_index(vec![named(a.clone(), "x"), named(a, "y")]);
    assert_eq!(picked(&scene, None).unwrap(), "a: ");
}

#[test]
fn by_platform_from_a_nested_index() {
    let scene = Scene::new();
    let other = if architecture() == "s390x" {
        "amd64"
    } else {
        "s390x"
    };
    let mut attestation = platform(image(&scene, "attestation"), "unknown", "unknown", None);
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    let all = vec![
        attestation,
        platform(image(&scene, "foreign"), "linux", other, None),
        platform(image(&scene, "newer"), "linux", architecture(), Some("v9")),
        platform(image(&scene, "windows"), "windows", architecture(), None),
        platform(image(&scene, "mine"), "linux", architecture(), None),
    ];
    scene.write_index(vec![named(index(&scene, all.clone()), "x")]);
    assert_eq!(picked(&scene, Some("x")).unwrap(), "mine: ");
    let twice = index(&scene, vec![index(&scene, all[..3].to_vec())]);
    scene.write_index(vec![twice]);
    assert_eq!(picked(&scene, None).unwrap(), "newer: ");
    scene.write_index(vec![index(&scene, all[..2].to_vec())]);
    let error = picked(&scene, None).unwrap_err();
    let ImageError::Platform { wanted, found } = &error else {
        panic!("{error}")
    };
    assert_eq!(*wanted, format!("linux/{}", architecture()));
    assert_eq!(*found, [format!("linux/{other}")]);
}

#[test]
fn an_image_whose_config_is_for_another_machine() {
    let scene = Scene::new();
    let config = json!({
        "architecture": "s390x-of-another-kind", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = scene.blob(crate::layout::CONFIG, config.to_string().as_bytes());
    scene.write_index(vec![scene.manifest(config, vec![])]);
    assert!(matches!(scene.refused(), ImageError::Platform { .. }));
    scene.write_index(vec![scene.image(&[], json!({}))]);
    scene.unpack().expect("control");
}

#[test]
fn indexes_within_indexes_have_an_end() {
    let scene = Scene::new();
    let nest = |depth: usize| {
        let mut at = image(&scene, "a");
        for _ in 0..depth {
            at = index(&scene, vec![at]);
        }
        scene.write_index(vec![at]);
    };
    nest(5);
    assert!(matches!(scene.refused(), ImageError::Malformed { .. }));
    nest(4);
    scene.unpack().expect("control");
    let many = |n| scene.write_index(vec![index(&scene, vec![image(&scene, "b")]); n]);
    many(65);
    assert!(matches!(
        picked(&scene, None),
        Err(ImageError::Malformed { .. })
    ));
    many(64);
    assert_eq!(picked(&scene, None).unwrap(), "b: ");
}
