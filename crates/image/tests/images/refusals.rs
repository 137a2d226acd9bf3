//! Entries that are refused, each with a control that is not.

use crate::layout::{Layer, Scene};
use cofferdam_image::{ImageError, Refusal};
use tar::EntryType;

/// The refusal of the last layer, checked to name this layer and entry; and that nothing came to be
/// beside the cache.
fn refusal(layers: Vec<Layer>, name: &str) -> Refusal {
    let count = layers.len();
    let scene = Scene::of(layers);
    let witness = scene.base.path().join("witness");
    std::fs::write(&witness, "untouched").unwrap();
    let error = scene.refused();
    assert_eq!(std::fs::read_to_string(witness).unwrap(), "untouched");
    let text = error.to_string();
    let ImageError::Entry {
        layer,
        entry,
        refusal,
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!((layer, entry.as_str()), (count, name), "{text}");
    assert!(
        text.contains(&format!("layer {count}")) && text.contains(name),
        "{text}"
    );
    refusal
}

fn accepted(layers: Vec<Layer>) {
    Scene::of(layers).unpack().expect("control");
}

fn special(kind: EntryType) -> Layer {
    Layer::new().raw(kind, b"special", b"", 0o644, &[], b"")
}

#[test]
fn names_that_lead_out() {
    accepted(vec![Layer::new().file("a..b/...", "")]);
    assert_eq!(
        refusal(vec![Layer::new().file("../witness", "")], "../witness"),
        Refusal::ParentComponent
    );
    assert_eq!(
        refusal(vec![Layer::new().file("a/../../b", "")], "a/../../b"),
        Refusal::ParentComponent
    );
    assert_eq!(
        refusal(vec![Layer::new().file("/etc/x", "")], "/etc/x"),
        Refusal::Absolute
    );
    assert_eq!(
        refusal(vec![Layer::new().dir("..")], ".."),
        Refusal::ParentComponent
    );
}

#[test]
fn names_that_linux_does_not_take() {
    let long = |n| Layer::new().file(&"n".repeat(n), "");
    accepted(vec![long(255)]);
    assert_eq!(
        refusal(vec![long(256)], &"n".repeat(256)),
        Refusal::NameTooLong
    );
    let nul = Layer::new().raw(EntryType::Regular, b"a\0b", b"", 0o644, &[], b"");
    assert_eq!(refusal(vec![nul], "a\\u{0}b"), Refusal::Nul);
    let nul = Layer::new().raw(EntryType::Symlink, b"l", b"a\0b", 0o644, &[], b"");
    assert_eq!(refusal(vec![nul], "l"), Refusal::Nul);
    let empty = Layer::new().raw(EntryType::Symlink, b"l", b"", 0o644, &[], b"");
    assert_eq!(refusal(vec![empty], "l"), Refusal::BadLinkTarget);
    assert_eq!(
        refusal(vec![Layer::new().file(".", "x")], "."),
        Refusal::Nameless
    );
}

#[test]
fn names_are_shown_escaped() {
    let error = Scene::of(vec![Layer::new().file("a\u{1b}[2J/../\u{202e}b", "")])
        .refused()
        .to_string();
    assert!(error.contains("a\\u{1b}[2J/../\\u{202e}b"), "{error}");
}

#[test]
fn links_do_not_lead_out() {
    // The host's directory is named by the link, and stays as it was.
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().to_str().unwrap();
    let relative = format!("../../../../../../../../..{path}");
    for target in [path, &relative] {
        for layers in [
            vec![Layer::new().link("l", target).file("l/planted", "x")],
            vec![
                Layer::new().link("l", target),
                Layer::new().file("l/planted", "x"),
            ],
            vec![
                Layer::new().link("l", target),
                Layer::new().dir("l/planted"),
            ],
            vec![
                Layer::new().link("m", target).link("l", "m"),
                Layer::new().file("l/planted", "x"),
            ],
            vec![
                Layer::new().link("planted", target),
                Layer::new().file("planted", "x"),
            ],
        ] {
            let scene = Scene::of(layers);
            let image = scene.unpack().unwrap();
            // It was resolved within the tree.
            let within = image
                .root
                .join(path.strip_prefix('/').unwrap())
                .join("planted");
            assert!(within.exists() || image.root.join("planted").is_file());
            assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        }
    }
    // Control: the path would have been writable, and the link leads there for who follows it.
    std::os::unix::fs::symlink(path, outside.path().join("link")).unwrap();
    std::fs::write(outside.path().join("link/planted"), "x").unwrap();
}

#[test]
fn whiteouts_through_links_delete_nothing_outside() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("kept"), "x").unwrap();
    let path = outside.path().to_str().unwrap();
    for name in ["l/.wh.kept", "l/.wh..wh..opq", ".wh.l"] {
        let scene = Scene::of(vec![
            Layer::new().link("l", path),
            Layer::new().file(name, ""),
        ]);
        scene.unpack().unwrap();
        assert!(outside.path().join("kept").exists(), "{name}");
    }
    // Control: the same whiteout does delete within the tree.
    let scene = Scene::of(vec![
        Layer::new().link("l", "d").file("d/kept", ""),
        Layer::new().file("l/.wh.kept", ""),
    ]);
    assert!(!scene.unpack().unwrap().root.join("d/kept").exists());
}

#[test]
fn loops_of_links_and_parents_that_are_files() {
    let looped = Layer::new().link("a", "b").link("b", "a");
    assert_eq!(
        refusal(vec![looped, Layer::new().file("a/x", "")], "a/x"),
        Refusal::LinkLoop
    );
    // Each link doubles what is to be resolved.
    let mut bomb = Layer::new().dir("a0");
    for i in 1..40 {
        let one = format!("a{}/../", i - 1);
        bomb = bomb.link(&format!("a{i}"), &format!("{one}{one}a{}", i - 1));
    }
    assert_eq!(
        refusal(vec![bomb, Layer::new().file("a39/x", "")], "a39/x"),
        Refusal::LinkLoop
    );
    let mut chain = Layer::new().dir("a0");
    for i in 1..40 {
        chain = chain.link(&format!("a{i}"), &format!("a{}", i - 1));
    }
    accepted(vec![chain, Layer::new().file("a39/x", "")]);
    let under_file = vec![Layer::new().file("f", ""), Layer::new().file("f/x", "")];
    assert_eq!(
        refusal(under_file, "f/x"),
        Refusal::ParentNotDirectory("f".into())
    );
}

#[test]
fn hard_links_to_what_is_no_file_of_the_image() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "x").unwrap();
    let secret = secret.to_str().unwrap();
    accepted(vec![Layer::new().file("f", "").hard("h", "f")]);
    let hard = |layer: Layer, target: &str| refusal(vec![layer.hard("h", target)], "h");
    assert_eq!(
        hard(Layer::new(), secret),
        Refusal::HardLinkOutside(secret.into())
    );
    assert_eq!(
        hard(Layer::new(), "../../x"),
        Refusal::HardLinkOutside("../../x".into())
    );
    assert_eq!(
        hard(Layer::new(), "."),
        Refusal::HardLinkOutside(".".into())
    );
    assert_eq!(
        hard(Layer::new(), "none"),
        Refusal::HardLinkMissing("none".into())
    );
    assert_eq!(
        hard(Layer::new().link("l", secret), "l"),
        Refusal::HardLinkNotFile("l".into())
    );
    assert_eq!(
        hard(Layer::new().dir("d"), "d"),
        Refusal::HardLinkNotFile("d".into())
    );
    let through = Layer::new().link("l", outside.path().to_str().unwrap());
    assert_eq!(
        hard(through, "l/secret"),
        Refusal::HardLinkMissing("l/secret".into())
    );
    let swallowed = Layer::new().file("h/f", "");
    assert_eq!(
        hard(swallowed, "h/f"),
        Refusal::HardLinkMissing("h/f".into())
    );
}

#[test]
fn kinds_that_are_no_files() {
    accepted(vec![special(EntryType::Regular)]);
    assert_eq!(
        refusal(vec![special(EntryType::Char)], "special"),
        Refusal::Device
    );
    assert_eq!(
        refusal(vec![special(EntryType::Block)], "special"),
        Refusal::Device
    );
    assert_eq!(
        refusal(vec![special(EntryType::Fifo)], "special"),
        Refusal::Fifo
    );
    for unknown in [b'7', b'M', b'V', b'Z'] {
        assert_eq!(
            refusal(vec![special(EntryType::new(unknown))], "special"),
            Refusal::UnknownType(unknown)
        );
    }
    accepted(vec![special(EntryType::XGlobalHeader)]);
    let pax: [(&str, &[u8]); 1] = [("GNU.sparse.major", b"1")];
    let sparse = Layer::new().raw(EntryType::Regular, b"f", b"", 0o644, &pax, b"");
    assert_eq!(refusal(vec![sparse], "f"), Refusal::PaxSparse);
}

#[test]
fn whiteouts_that_are_none() {
    accepted(vec![Layer::new().file("d/.wh.x", "")]);
    for name in [
        ".wh.",
        ".wh..",
        ".wh...",
        "d/.wh...",
        ".wh.a/b",
        "d/.wh..wh..opq/x",
    ] {
        assert_eq!(
            refusal(vec![Layer::new().file(name, "")], name),
            Refusal::BadWhiteout,
            "{name}"
        );
    }
    assert_eq!(
        refusal(vec![Layer::new().dir(".wh.d")], ".wh.d"),
        Refusal::BadWhiteout
    );
}

#[test]
fn archives_that_are_cut_or_no_archives() {
    use crate::layout::{PLAIN, sha256};
    let full = Layer::new().file("a", &"x".repeat(5000)).tar();
    for (tar, expected) in [
        (&full[..3000], "ends within"),
        (&[b'x'; 2000], "cannot be read"),
    ] {
        let scene = Scene::new();
        let layer = (scene.blob(PLAIN, tar), sha256(tar));
        scene.write_index(vec![scene.image_of(vec![layer], serde_json::json!({}))]);
        let error = scene.refused().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
