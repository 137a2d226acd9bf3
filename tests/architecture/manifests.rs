//! What every crate says about itself, and the licences.

use crate::{manifest, members, read, root};

/// Whether the package is meant for others.
fn is_published(manifest: &toml::Table) -> bool {
    manifest["package"]
        .get("publish")
        .and_then(toml::Value::as_bool)
        != Some(false)
}

#[test]
fn every_published_crate_introduces_itself() {
    let workspace = manifest("Cargo.toml");
    let shared = workspace["workspace"]["package"]
        .as_table()
        .expect("shared fields");
    for (folder, manifest) in members()
        .iter()
        .filter(|(_, manifest)| is_published(manifest))
    {
        let package = manifest["package"].as_table().expect("a package");
        let field = |name: &str| {
            let own = package
                .get(name)
                .unwrap_or_else(|| panic!("{folder} has no {name}"));
            match own.get("workspace").and_then(toml::Value::as_bool) {
                Some(true) => shared
                    .get(name)
                    .unwrap_or_else(|| panic!("the workspace has no {name}")),
                _ => own,
            }
        };
        let text = |name: &str| {
            field(name)
                .as_str()
                .unwrap_or_else(|| panic!("{folder}: {name}"))
                .to_owned()
        };
        assert!(
            text("description").len() > 20,
            "{folder}: {}",
            text("description")
        );
        assert_eq!(text("license"), "MIT OR Apache-2.0", "{folder}");
        let (major, minor) = text("rust-version")
            .split_once('.')
            .map_or((0, 0), |(major, minor)| {
                (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
            });
        assert!(
            (major, minor) >= (1, 85),
            "{folder}: edition 2024 needs Rust 1.85"
        );
        let keywords = field("keywords").as_array().expect("keywords");
        // crates.io takes five, of at most 20 letters.
        assert!((1..=5).contains(&keywords.len()), "{folder}: {keywords:?}");
        assert!(
            keywords
                .iter()
                .all(|word| word.as_str().is_some_and(|word| word.len() <= 20)),
            "{folder}"
        );
        assert!(
            !field("categories")
                .as_array()
                .expect("categories")
                .is_empty(),
            "{folder}"
        );
        let readme = read(format!("{folder}/{}", text("readme")));
        assert!(readme.len() > 20, "{folder}: an empty readme");
    }
}

#[test]
fn every_crate_is_under_the_workspaces_lints() {
    for (folder, manifest) in members() {
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(toml::Value::as_bool), Some(true), "{folder}");
    }
    let workspace = manifest("Cargo.toml");
    let lints = &workspace["workspace"]["lints"];
    for (tool, lint) in [
        ("rust", "missing_docs"),
        ("rust", "unsafe_op_in_unsafe_fn"),
        ("clippy", "undocumented_unsafe_blocks"),
    ] {
        assert!(lints[tool].get(lint).is_some(), "{tool}::{lint} is not on");
    }
}

#[test]
fn both_licences_are_there() {
    let apache = read("LICENSE-APACHE");
    assert!(apache.contains("Apache License") && apache.contains("END OF TERMS AND CONDITIONS"));
    let mit = read("LICENSE-MIT");
    assert!(mit.contains("Permission is hereby granted, free of charge"));
    assert!(
        root().join("deny.toml").exists(),
        "the licences of dependencies are not checked"
    );
}
