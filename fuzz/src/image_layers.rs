//! The layers of an image: whatever their entries ask for, nothing outside of the cache is touched.

use crate::input::Input;
use crate::layout::{ARCHITECTURE, Layout, sha256};
use serde_json::json;

const NAMES: [&[u8]; 20] = [
    b"a", b"b", b"a/b", b"a/a/b", b"./a/", b"./", b"../outside/canary", b"/outside", b"a/../b", b"l",
    b"l/canary", b"l/new", b"a/.wh.b", b".wh.a", b".wh.l", b"a/.wh..wh..opq", b".wh..wh..opq", b".wh..",
    b"l/.wh.canary", b"\x1b[2J\xff",
];
const LINKS: [&[u8]; 9] = [
    b"a", b"../../../outside", b"../../../../outside/canary", b"/", b"..", b"l", b"a/b", b"l/canary", b"",
];
/// Kinds of tar entries: files, links, devices, directories, FIFOs, and what has records for the next.
const KINDS: [u8; 12] = *b"00552112346g";
const MEDIA: [&str; 3] = ["tar", "tar+gzip", "tar+zstd"];

/// One input: what the first byte says of layers made of entries, or the bytes of one as they are.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let layout = Layout::new();
    let kind = input.byte();
    let layers: Vec<(Vec<u8>, &str)> = match kind % 4 {
        0 => (0..input.count(1..=3)).map(|_| (layer(&mut input), MEDIA[0])).collect(),
        plain => vec![(input.rest().to_vec(), MEDIA[usize::from(plain - 1)])],
    };
    let config = json!({
        "architecture": ARCHITECTURE, "os": "linux",
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().map(|(tar, _)| sha256(tar)).collect::<Vec<_>>(),
        },
    });
    let describe = |bytes: &[u8], kind: &str| {
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": kind, "digest": layout.blob(bytes), "size": bytes.len() })
    };
    let blobs = layers.iter().map(|(bytes, media)| describe(bytes, &format!("layer.v1.{media}")));
    let manifest = json!({
        "schemaVersion": 2,
        "config": describe(config.to_string().as_bytes(), "config.v1+json"),
        "layers": blobs.collect::<Vec<_>>(),
    });
    let index = json!({
        "schemaVersion": 2,
        "manifests": [describe(manifest.to_string().as_bytes(), "manifest.v1+json")],
    });
    layout.file("index.json", index.to_string().as_bytes());
    layout.check();
}

/// A tar file of a few entries (POSIX.1-2024 ustar).
fn layer(input: &mut Input<'_>) -> Vec<u8> {
    let mut tar = Vec::new();
    for _ in 0..input.count(0..=7) {
        let mut header = [0_u8; 512];
        let name = match input.byte() % 8 {
            0 => input.bytes(24),
            _ => input.pick(&NAMES),
        };
        let link = match input.byte() % 8 {
            0 => input.bytes(24),
            _ => input.pick(&LINKS),
        };
        let kind = input.pick(&KINDS);
        let mode = input.u32() & 0o7777;
        let data: &[u8] = match kind {
            b'0' | b'g' => input.bytes(24),
            _ => b"",
        };
        header[..name.len()].copy_from_slice(name);
        header[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(header);
        tar.extend(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}
