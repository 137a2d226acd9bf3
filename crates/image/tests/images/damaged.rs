//! Layers with changed bytes, whose digests fit: they are unpacked or refused, and nothing else happens.

use crate::layout::{GZIP, Layer, PLAIN, Scene, ZSTD, gzip, sha256, zstd};
use cofferdam_image::{Limits, Options};
use serde_json::json;

/// Numbers that are the same in each run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn sample() -> Vec<u8> {
    Layer::new()
        .dir("d")
        .file("d/f", &"some text ".repeat(30))
        .link("l", "d")
        .hard("h", "d/f")
        .file(&format!("d/{}", "n".repeat(150)), "x")
        .file("l/.wh.f", "")
        .tar()
}

/// Makes the checksums of all headers right, so that what else was changed is looked at.
fn fix_checksums(tar: &mut [u8]) {
    for block in tar
        .chunks_exact_mut(512)
        .filter(|b| &b[257..262] == b"ustar")
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
}

fn damage(media_type: &str, encode: fn(&[u8]) -> Vec<u8>, rounds: usize) -> (usize, usize) {
    let mut numbers = Numbers(rounds as u64);
    let options = Options {
        limits: Limits {
            total_bytes: 64 << 20,
            ..Limits::default()
        },
        ..Options::default()
    };
    let (mut good, mut bad) = (0, 0);
    let scene = Scene::new();
    let witness = scene.base.path().join("witness");
    std::fs::write(&witness, "untouched").unwrap();
    let cache = scene.cache();
    for _ in 0..rounds {
        let mut tar = sample();
        let mut blob = if media_type == PLAIN {
            Vec::new()
        } else {
            encode(&tar)
        };
        let changed = if media_type == PLAIN {
            &mut tar
        } else {
            &mut blob
        };
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(changed.len());
            changed[at] = numbers.below(256) as u8;
        }
        fix_checksums(&mut tar);
        let blob = if media_type == PLAIN {
            encode(&tar)
        } else {
            blob
        };
        let layer = (scene.blob(media_type, &blob), sha256(&tar));
        scene.write_index(vec![scene.image_of(vec![layer], json!({}))]);
        match cache.unpack(&scene.layout(), &options, &mut |_| {}) {
            Ok(image) => {
                good += 1;
                let digest = image.digest.clone();
                drop(image);
                cache.remove(&digest).unwrap();
            }
            Err(error) => {
                bad += 1;
                assert!(!error.to_string().is_empty());
            }
        }
        assert_eq!(std::fs::read_dir(scene.cache_path()).unwrap().count(), 0);
        std::fs::remove_dir_all(scene.layout().join("blobs/sha256")).unwrap();
        std::fs::create_dir(scene.layout().join("blobs/sha256")).unwrap();
    }
    assert_eq!(std::fs::read_to_string(witness).unwrap(), "untouched");
    let mut left: Vec<_> = std::fs::read_dir(scene.base.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["cache", "layout", "witness"]);
    (good, bad)
}

const ROUNDS: usize = 150;

#[test]
fn archives() {
    let (good, bad) = damage(PLAIN, <[u8]>::to_vec, ROUNDS);
    assert!(good > 0 && bad > 0, "{good} {bad}");
}

#[test]
fn compressed_streams() {
    // Where the changed byte is not looked at (a time, a name of the stream) the layer is good.
    let (_, bad) = damage(GZIP, gzip, ROUNDS);
    assert!(bad > ROUNDS / 2);
    let (_, bad) = damage(ZSTD, zstd, ROUNDS);
    assert!(bad > ROUNDS / 2);
}
