//! Index, manifest and config of an image, as hostile JSON with digests that are right.

use crate::layout::{ARCHITECTURE, Layout, sha256};

/// The blobs that texts name: `$CONFIG` is the digest, `$CONFIG_SIZE` the length.
const LAYER: &[u8] = &[0; 1024];

/// One input: config, manifest and index, each on a line of its own; an archive, if it is no text.
pub fn check(bytes: &[u8]) {
    let layout = Layout::new();
    let Ok(text) = str::from_utf8(bytes) else {
        return layout.check_archive(bytes);
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = |default: &str| {
        let line = lines.next().filter(|line| !line.is_empty()).unwrap_or(default);
        line.replace("$ARCHITECTURE", ARCHITECTURE)
    };
    let named = |text: String, name: &str, bytes: &[u8]| {
        text.replace(&format!("${name}_SIZE"), &bytes.len().to_string())
            .replace(&format!("${name}"), &layout.blob(bytes))
    };
    let config = line(CONFIG).replace("$DIFF", &sha256(LAYER));
    let manifest = named(line(MANIFEST), "CONFIG", config.as_bytes());
    let manifest = named(manifest, "LAYER", LAYER);
    let index = named(line(INDEX), "MANIFEST", manifest.as_bytes());
    layout.file("index.json", index.as_bytes());
    layout.check();
}

const CONFIG: &str = r#"{"architecture":"$ARCHITECTURE","os":"linux","rootfs":{"type":"layers","diff_ids":["$DIFF"]}}"#;
const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$CONFIG","size":$CONFIG_SIZE},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"$LAYER","size":$LAYER_SIZE}]}"#;
const INDEX: &str = r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"$MANIFEST","size":$MANIFEST_SIZE}]}"#;
