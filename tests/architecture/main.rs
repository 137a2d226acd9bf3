//! The shape of the repository: who depends on whom, where `unsafe` is, what every crate says about
//! itself. Read from the files, so that it needs no cargo and runs as any user.

mod dependencies;
mod manifests;
mod sources;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a parent");
    root.to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(path: &str) -> toml::Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The folders of the workspace's members and their manifests.
fn members() -> Vec<(String, toml::Table)> {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"]
        .as_array()
        .expect("members");
    let names = members
        .iter()
        .map(|member| member.as_str().expect("a folder").to_owned());
    names
        .map(|name| (name.clone(), manifest(&format!("{name}/Cargo.toml"))))
        .collect()
}

/// Every file of the repository that people wrote, with its path from the root.
fn files() -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        let entries = std::fs::read_dir(directory).expect("a directory").flatten();
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() && name != "target" && name != ".git" {
                walk(&path, found);
            } else if kind.is_file() && name != "Cargo.lock" {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, &mut found);
    let relative = found
        .iter()
        .map(|path| path.strip_prefix(&root).expect("below the root").to_owned());
    relative.collect()
}
