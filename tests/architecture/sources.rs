//! What the sources must and must not hold.

use crate::{files, members, read, root};
use std::path::{Path, PathBuf};

/// Folders of the crates that may hold `unsafe`.
const UNSAFE: &[&str] = &["crates/sys", "crates/spawn"];

/// The longest file, in lines.
const LONGEST: usize = 600;

fn sources() -> Vec<PathBuf> {
    let mut all = files();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(
        all.len() > 50,
        "only {} sources: is this the whole repository?",
        all.len()
    );
    all
}

/// Fails with every place found.
fn none(what: &str, places: Vec<String>) {
    assert!(places.is_empty(), "{what}:\n{}", places.join("\n"));
}

/// Whether a line is code: not a comment, and not in a string as far as a line can tell.
fn code(line: &str) -> &str {
    let line = line.trim_start();
    let code = if line.starts_with("//") { "" } else { line };
    code.split(" // ").next().unwrap_or("")
}

#[test]
fn crates_without_unsafe_forbid_it() {
    for (folder, _) in members() {
        if UNSAFE.contains(&folder.as_str()) || !folder.starts_with("crates/") {
            continue;
        }
        let source = root().join(&folder).join("src");
        let roots = ["lib.rs", "main.rs"].map(|name| source.join(name));
        for file in roots.iter().filter(|file| file.exists()) {
            let text = std::fs::read_to_string(file).expect("a source");
            assert!(
                text.contains("#![forbid(unsafe_code)]"),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let opens = |line: &str| {
        let line = code(line);
        let start = line.find("unsafe {").or_else(|| line.find("unsafe impl"));
        // In a string it is no block.
        start.is_some_and(|at| line[..at].matches('"').count().is_multiple_of(2))
    };
    let mut missing = Vec::new();
    let mut blocks = 0;
    for path in sources() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| opens(line)) {
            blocks += 1;
            // The comment stands above the statement, which may have begun some lines before.
            let above = &lines[number.saturating_sub(8)..=number];
            if !above.iter().any(|line| line.contains("SAFETY:")) {
                missing.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    println!("{blocks} blocks");
    assert!(blocks > 50, "only {blocks} blocks were found");
    none("unsafe without a SAFETY comment", missing);
}

#[test]
fn no_file_is_too_long() {
    let long = sources().into_iter().filter_map(|path| {
        let lines = read(&path).lines().count();
        (lines > LONGEST).then(|| format!("{}: {lines} lines", path.display()))
    });
    none(&format!("more than {LONGEST} lines"), long.collect());
}

#[test]
fn every_file_says_what_it_is() {
    // Fragments that are included into another file begin as they must.
    let silent = sources().into_iter().filter(|path| {
        let text = read(path);
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
        !first.is_some_and(|line| line.starts_with("//!"))
    });
    none(
        "no comment at the top",
        silent.map(|path| path.display().to_string()).collect(),
    );
}

#[test]
fn nothing_is_left_undone_or_skipped() {
    // In pieces, so that this file does not hold them.
    let words = [
        "TO-DO",
        "FIX-ME",
        "unimple-mented!",
        "to-do!(",
        "#[ign-ore",
        "dbg-!(",
    ]
    .map(|word| word.replace('-', ""));
    let mut places = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if words
                .iter()
                .any(|word| line.split('_').any(|part| part.contains(word)))
            {
                places.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    none("left undone", places);
}

#[test]
fn no_path_of_a_machine_is_named() {
    let root = root();
    let own = root.to_string_lossy().into_owned();
    let mut places = Vec::new();
    // A checkout at the root, or at a path as short as a common one, would be found everywhere.
    let named = own.len() > 4;
    for path in files() {
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let cargo = ["/root/.ca", "rgo"].concat();
            let temporary = ["/tmp/", "h/"].concat();
            if (named && holds_path(line, &own))
                || line.contains(&cargo)
                || line.contains(&temporary)
            {
                places.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    none("a path of this machine", places);
}

/// Whether the line holds the path itself, and not one that only begins with the same letters.
fn holds_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let after = line[at + path.len()..].chars().next();
        !after.is_some_and(|next| next.is_alphanumeric() || next == '-' || next == '_')
    })
}

#[test]
fn standard_documents_are_there() {
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "crates/policy/schema/policy.schema.json",
    ] {
        assert!(Path::new(&root()).join(path).exists(), "{path}");
    }
}

#[test]
fn public_items_of_foreign_crates_stay_out_of_signatures() {
    // What a layer is built with is its own affair: landlock, seccompiler and nix must be free to
    // change without changing ours.
    let mut places = Vec::new();
    for path in sources().into_iter().filter(|path| {
        path.starts_with("crates") && path.components().any(|part| part.as_os_str() == "src")
    }) {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            let line = code(line);
            let public = line.starts_with("pub fn")
                || line.starts_with("pub use")
                || line.starts_with("pub type");
            let foreign = ["seccompiler::", "nix::", " landlock::"]
                .iter()
                .any(|name| line.contains(name));
            if public && foreign {
                places.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    none("a type of another crate in public", places);
}
