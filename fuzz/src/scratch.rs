//! Directories for the targets that need files, in one of this process's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Below `TMPDIR`, which is best in memory.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let name = format!("cofferdam-fuzz-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).expect("a directory for temporary files");
        root.canonicalize().expect("it is there")
    })
}

/// An empty directory of this name.
pub fn empty(name: &str) -> PathBuf {
    let path = root().join(name);
    clear(&path);
    fs::create_dir(&path).expect("a directory");
    path
}

/// Removes all there is. A fuzzer that ends does not.
pub fn remove() {
    clear(root());
}

fn clear(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
}
