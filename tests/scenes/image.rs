//! Image layouts (OCI image specification), made with the programs that every system has.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes a layout with one image of one layer that holds `tree`. `config` is what the image says about
/// running it, as JSON.
pub fn make(layout: &Path, tree: &Path, config: &str) {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("a directory");
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .expect("a file");
    let tar = layout.join("layer");
    let status = Command::new("tar")
        .args([
            "--create",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--file",
        ])
        .arg(&tar)
        .arg("--directory")
        .args([tree, Path::new(".")])
        .status();
    assert!(status.expect("tar").success());
    let (layer, size) = blob(&blobs, &tar);
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let (config, config_size) = text(
        layout,
        &format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{config},
                "rootfs":{{"type":"layers","diff_ids":["sha256:{layer}"]}}}}"#
        ),
    );
    let kind = "application/vnd.oci.image";
    let (manifest, manifest_size) = text(
        layout,
        &format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json",
                "config":{{"mediaType":"{kind}.config.v1+json","digest":"sha256:{config}","size":{config_size}}},
                "layers":[{{"mediaType":"{kind}.layer.v1.tar","digest":"sha256:{layer}","size":{size}}}]}}"#
        ),
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{kind}.manifest.v1+json",
            "digest":"sha256:{manifest}","size":{manifest_size}}}]}}"#
    );
    fs::write(layout.join("index.json"), index).expect("a file");
}

fn text(layout: &Path, text: &str) -> (String, u64) {
    let path = layout.join("text");
    fs::write(&path, text).expect("a file");
    blob(&layout.join("blobs/sha256"), &path)
}

/// Moves a file to where its digest says; the digest and the size.
fn blob(blobs: &Path, file: &Path) -> (String, u64) {
    let output = Command::new("sha256sum")
        .arg(file)
        .output()
        .expect("sha256sum");
    let digest = String::from_utf8(output.stdout).expect("text");
    let digest = digest.split(' ').next().expect("a digest").to_owned();
    let size = fs::metadata(file).expect("a file").len();
    fs::rename(file, blobs.join(&digest)).expect("moved");
    (digest, size)
}
