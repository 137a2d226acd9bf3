//! Builds image layouts.

use cofferdam_image::{Cache, Image, ImageError, Options};
use serde_json::{Value, json};
use sha2::Digest;
use std::path::{Path, PathBuf};
use tar::EntryType;

pub const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The tar stream of a layer. Names go into it as they are.
pub struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    /// Any entry; a name or link above 100 bytes gets a PAX record, so does what `pax` has.
    pub fn raw(
        mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        mode: u32,
        pax: &[(&str, &[u8])],
        data: &[u8],
    ) -> Self {
        let mut records: Vec<(&str, &[u8])> = pax.to_vec();
        let mut header = tar::Header::new_ustar();
        for (field, value, key) in [(0, name, "path"), (157, link, "linkpath")] {
            if value.len() <= 100 && !value.contains(&0) {
                header.as_mut_bytes()[field..field + value.len()].copy_from_slice(value);
            } else {
                records.push((key, value));
            }
        }
        if !records.is_empty() {
            self.0.append_pax_extensions(records).unwrap();
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub fn file(self, name: &str, contents: &str) -> Self {
        self.raw(
            EntryType::Regular,
            name.as_bytes(),
            b"",
            0o644,
            &[],
            contents.as_bytes(),
        )
    }

    pub fn dir(self, name: &str) -> Self {
        self.raw(EntryType::Directory, name.as_bytes(), b"", 0o755, &[], b"")
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.raw(
            EntryType::Symlink,
            name.as_bytes(),
            target.as_bytes(),
            0o777,
            &[],
            b"",
        )
    }

    pub fn hard(self, name: &str, target: &str) -> Self {
        self.raw(
            EntryType::Link,
            name.as_bytes(),
            target.as_bytes(),
            0o644,
            &[],
            b"",
        )
    }

    pub fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

pub fn sha256(bytes: &[u8]) -> String {
    hex("sha256", &sha2::Sha256::digest(bytes))
}

pub fn sha512(bytes: &[u8]) -> String {
    hex("sha512", &sha2::Sha512::digest(bytes))
}

fn hex(name: &str, bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{name}:{digits}")
}

/// What this machine is called in an image.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A layout in a directory, and a cache beside it.
pub struct Scene {
    pub base: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let scene = Self { base };
        std::fs::create_dir_all(scene.layout().join("blobs/sha256")).unwrap();
        std::fs::create_dir_all(scene.layout().join("blobs/sha512")).unwrap();
        std::fs::write(
            scene.layout().join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        scene
    }

    /// A layout with one image of these layers, compressed with gzip.
    pub fn of(layers: Vec<Layer>) -> Self {
        let scene = Self::new();
        let layers: Vec<_> = layers.into_iter().map(Layer::tar).collect();
        scene.write_index(vec![scene.image(&layers, json!({}))]);
        scene
    }

    pub fn layout(&self) -> PathBuf {
        self.base.path().join("layout")
    }

    pub fn cache_path(&self) -> PathBuf {
        self.base.path().join("cache")
    }

    pub fn cache(&self) -> Cache {
        Cache::open(&self.cache_path()).unwrap()
    }

    pub fn blob_path(&self, digest: &str) -> PathBuf {
        self.layout().join("blobs").join(digest.replace(':', "/"))
    }

    /// Stores a blob and gives its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        self.blob_as(media_type, bytes, sha256(bytes))
    }

    pub fn blob_as(&self, media_type: &str, bytes: &[u8], digest: String) -> Value {
        std::fs::write(self.blob_path(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Stores an image of layers compressed with gzip.
    pub fn image(&self, tars: &[Vec<u8>], run: Value) -> Value {
        let layers = tars
            .iter()
            .map(|tar| (self.blob(GZIP, &gzip(tar)), sha256(tar)))
            .collect();
        self.image_of(layers, run)
    }

    /// Stores an image of layers with their diff_ids.
    pub fn image_of(&self, layers: Vec<(Value, String)>, run: Value) -> Value {
        let config = self.config(layers.iter().map(|(_, id)| id.clone()).collect(), run);
        self.manifest(config, layers.into_iter().map(|(layer, _)| layer).collect())
    }

    pub fn config(&self, diff_ids: Vec<String>, run: Value) -> Value {
        let config = json!({
            "architecture": architecture(), "os": "linux", "config": run,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        self.blob(CONFIG, config.to_string().as_bytes())
    }

    pub fn manifest(&self, config: Value, layers: Vec<Value>) -> Value {
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    pub fn write_index(&self, manifests: Vec<Value>) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        std::fs::write(self.layout().join("index.json"), index.to_string()).unwrap();
    }

    pub fn unpack(&self) -> Result<Image, ImageError> {
        self.unpack_with(&Options::default())
    }

    pub fn unpack_with(&self, options: &Options) -> Result<Image, ImageError> {
        self.cache().unpack(&self.layout(), options, &mut |_| {})
    }

    /// Fails to unpack, and leaves nothing.
    pub fn refused(&self) -> ImageError {
        self.refused_with(&Options::default())
    }

    pub fn refused_with(&self, options: &Options) -> ImageError {
        let error = self
            .unpack_with(options)
            .expect_err("the image is to be refused");
        let left: Vec<_> = std::fs::read_dir(self.cache_path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "left behind after {error}: {left:?}");
        error
    }

    /// The layout as one tar file.
    pub fn archive(&self) -> PathBuf {
        let path = self.base.path().join("layout.tar");
        let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
        builder.append_dir_all(".", self.layout()).unwrap();
        builder.finish().unwrap();
        path
    }
}

/// The tree as text: each path with what it is.
pub fn tree(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                all.push(format!("{name}/"));
                left.push(path);
            } else if kind.is_symlink() {
                all.push(format!(
                    "{name} -> {}",
                    std::fs::read_link(&path).unwrap().display()
                ));
            } else {
                all.push(format!(
                    "{name}: {}",
                    std::fs::read_to_string(&path).unwrap()
                ));
            }
        }
    }
    all.sort();
    all
}
