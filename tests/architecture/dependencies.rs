//! Who depends on whom.

use crate::{members, read};
use std::collections::{BTreeMap, BTreeSet};

/// The crates of the workspace that each may use. What is not in the table may use none.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cofferdam-sys", &[]),
    ("cofferdam-policy", &[]),
    ("cofferdam-namespaces", &["cofferdam-sys"]),
    ("cofferdam-seccomp", &["cofferdam-sys"]),
    ("cofferdam-landlock", &["cofferdam-sys"]),
    ("cofferdam-cgroups", &["cofferdam-sys"]),
    ("cofferdam-changes", &["cofferdam-sys", "cofferdam-policy"]),
    ("cofferdam-image", &["cofferdam-sys"]),
    (
        "cofferdam-egress",
        // What is a value in other encodings is known in one place.
        &["cofferdam-policy", "cofferdam-audit"],
    ),
    ("cofferdam-audit", &[]),
    (
        "cofferdam-spawn",
        &[
            "cofferdam-sys",
            "cofferdam-namespaces",
            "cofferdam-seccomp",
            "cofferdam-landlock",
            "cofferdam-cgroups",
        ],
    ),
    (
        "cofferdam",
        &[
            "cofferdam-sys",
            "cofferdam-policy",
            "cofferdam-namespaces",
            "cofferdam-seccomp",
            "cofferdam-landlock",
            "cofferdam-cgroups",
            "cofferdam-changes",
            "cofferdam-image",
            "cofferdam-egress",
            "cofferdam-audit",
            "cofferdam-spawn",
        ],
    ),
    ("cofferdam-cli", &["cofferdam"]),
    ("cofferdam-examples", &["cofferdam"]),
    ("cofferdam-tests", &["cofferdam"]),
    // Gate, log, filter and the bare calls are also measured without a sandbox around them.
    (
        "bench",
        &[
            "cofferdam",
            "cofferdam-sys",
            "cofferdam-seccomp",
            "cofferdam-egress",
            "cofferdam-audit",
        ],
    ),
];

/// The most packages that the facade may bring with it when no feature is switched on.
const MOST: usize = 40;

fn name(manifest: &toml::Table) -> &str {
    manifest["package"]["name"].as_str().expect("a name")
}

#[test]
fn crates_use_only_those_below_them() {
    let members = members();
    let own: BTreeSet<&str> = members.iter().map(|(_, manifest)| name(manifest)).collect();
    for (folder, manifest) in &members {
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name(manifest));
        let (_, allowed) =
            allowed.unwrap_or_else(|| panic!("{folder} is not in the table of this test"));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used = manifest.get(section).and_then(toml::Value::as_table);
            for used in used
                .into_iter()
                .flat_map(|table| table.keys())
                .filter(|used| own.contains(used.as_str()))
            {
                // A crate's own tests may use it with other features.
                let itself = section == "dev-dependencies" && used == name(manifest);
                assert!(
                    itself || allowed.contains(&used.as_str()),
                    "{folder}: {used} in [{section}]"
                );
            }
        }
        assert!(
            !manifest.contains_key("target"),
            "{folder}: dependencies by target are not looked at here"
        );
    }
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, own);
}

#[test]
fn every_dependency_has_its_version_in_one_place() {
    for (folder, manifest) in members() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let table = manifest.get(section).and_then(toml::Value::as_table);
            for (used, how) in table.into_iter().flatten() {
                if used == name(&manifest) {
                    // A crate's own tests may use it with other features, by its path.
                    continue;
                }
                let workspace = how.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(workspace, Some(true), "{folder}: {used} in [{section}]");
            }
        }
    }
}

/// The names that a package of the lock file leads to; `dependencies` may hold "name version".
fn lock() -> BTreeMap<String, BTreeSet<String>> {
    let lock: toml::Table = read("Cargo.lock").parse().expect("Cargo.lock");
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name").to_owned();
        let used = package.get("dependencies").and_then(toml::Value::as_array);
        let used = used
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str()?.split(' ').next());
        all.entry(name).or_default().extend(used.map(str::to_owned));
    }
    all
}

#[test]
fn the_facade_without_features_is_small() {
    let (lock, members) = (lock(), members());
    let manifests: BTreeMap<&str, &toml::Table> = members
        .iter()
        .map(|(_, manifest)| (name(manifest), manifest))
        .collect();
    // The lock file knows neither features nor targets: what is optional in our own manifests and
    // what is plainly for other systems is left out. What is optional in those of others is counted, but
    // for what `cargo tree -p cofferdam` shows to be switched off.
    let foreign = ["js-sys", "r-efi", "wasi", "wasm", "web-", "windows", "wit-"];
    let switched_off = ["errno", "rand_core"];
    let mut found = BTreeSet::new();
    let mut open = vec!["cofferdam".to_owned()];
    while let Some(next) = open.pop() {
        let left_out = switched_off.contains(&next.as_str())
            || foreign.iter().any(|start| next.starts_with(start));
        if left_out || !found.insert(next.clone()) {
            continue;
        }
        match manifests.get(next.as_str()) {
            Some(manifest) => {
                for section in ["dependencies", "build-dependencies"] {
                    let table = manifest.get(section).and_then(toml::Value::as_table);
                    let needed = table.into_iter().flatten().filter(|(_, how)| {
                        how.get("optional").and_then(toml::Value::as_bool) != Some(true)
                    });
                    open.extend(needed.map(|(used, _)| used.clone()));
                }
            }
            None => open.extend(lock.get(&next).into_iter().flatten().cloned()),
        }
    }
    println!("{} packages: {found:?}", found.len());
    assert!(found.contains("libc"), "the walk led nowhere: {found:?}");
    assert!(found.len() < MOST, "{} packages: {found:?}", found.len());
}
