//! An image layout beside a cache, and what must be so whatever is in the layout.

use crate::scratch;
use cofferdam_image::{Cache, Limits, Options};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub const ARCHITECTURE: &str = match cfg!(target_arch = "aarch64") {
    true => "arm64",
    false => "amd64",
};

/// What lies beside the layout.
const CANARY: &str = "not the image's";

pub struct Layout {
    base: PathBuf,
}

impl Layout {
    /// A new layout without an index, and something beside it.
    pub fn new() -> Self {
        let base = scratch::empty("image");
        fs::create_dir_all(base.join("layout/blobs/sha256")).expect("made");
        fs::create_dir(base.join("outside")).expect("made");
        fs::write(base.join("outside/canary"), CANARY).expect("written");
        let layout = Self { base };
        layout.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    pub fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.base.join("layout").join(name), bytes).expect("written");
    }

    /// Stores a blob; its digest.
    pub fn blob(&self, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        self.file(&format!("blobs/{}", digest.replace(':', "/")), bytes);
        digest
    }

    /// Unpacks it from its directory.
    pub fn check(&self) {
        self.check_as(&self.base.join("layout"));
    }

    /// Unpacks a file in the place of the directory.
    pub fn check_archive(&self, bytes: &[u8]) {
        let archive = self.base.join("layout/archive.tar");
        fs::write(&archive, bytes).expect("written");
        self.check_as(&archive);
    }

    /// Nothing outside of the cache is changed, a refused image leaves nothing, and one that is taken
    /// has nothing that images must not have. It is removed as a whole.
    fn check_as(&self, source: &Path) {
        let cache = Cache::open(&self.base.join("cache")).expect("a cache");
        let options = Options {
            limits: Limits {
                total_bytes: 1 << 20,
                entries: 1000,
                file_bytes: 1 << 18,
                metadata_bytes: 1 << 16,
                ..Limits::default()
            },
            ..Options::default()
        };
        let outcome = cache.unpack(source, &options, &mut |_| {});
        match outcome {
            Ok(image) => {
                let digest = image.digest.clone();
                allowed(&image.root);
                assert_eq!(
                    cache.get(&digest).expect("it is there").config,
                    image.config
                );
                drop(image);
                cache.remove(&digest).expect("nobody uses it");
            }
            // What it says goes to a terminal.
            Err(error) => assert!(
                !error.to_string().chars().any(char::is_control),
                "{error:?}"
            ),
        }
        assert_eq!(names(&self.base.join("cache")), [""; 0]);
        assert_eq!(names(&self.base), ["cache", "layout", "outside"]);
        assert_eq!(names(&self.base.join("outside")), ["canary"]);
        let canary = self.base.join("outside/canary");
        assert_eq!(fs::read_to_string(&canary).expect("it is there"), CANARY);
        let stat = fs::metadata(&canary).expect("it is there");
        assert_eq!((stat.nlink(), stat.mode() & 0o7000), (1, 0));
    }
}

fn names(directory: &Path) -> Vec<String> {
    let all = fs::read_dir(directory).expect("listed");
    let mut all: Vec<String> = all
        .map(|entry| {
            entry
                .expect("listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    all.sort();
    all
}

/// Checks what is in a tree.
fn allowed(directory: &Path) {
    for entry in fs::read_dir(directory).expect("listed") {
        let path = entry.expect("listed").path();
        let stat = fs::symlink_metadata(&path).expect("it is there");
        let kind = stat.file_type();
        assert!(
            kind.is_dir() || kind.is_file() || kind.is_symlink(),
            "{path:?}"
        );
        assert_eq!(stat.uid(), geteuid().as_raw(), "{path:?}");
        assert!(kind.is_symlink() || stat.mode() & 0o6000 == 0, "{path:?}");
        assert!(
            kind.is_dir() || stat.mode() & 0o1000 == 0 || kind.is_symlink(),
            "{path:?}"
        );
        let name = path.file_name().expect("a name").as_encoded_bytes();
        assert!(!name.starts_with(b".wh."), "{path:?}");
        if kind.is_dir() {
            allowed(&path);
        }
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes);
    let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
