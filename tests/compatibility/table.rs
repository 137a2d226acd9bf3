//! `docs/COMPATIBILITY.md`: its rows are what the tests run with and what they are held to.

use cofferdam::policy::Policy;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the document says of one test.
#[derive(Debug)]
pub struct Row {
    /// Whether the program works for root.
    pub root: bool,
    /// Whether it works for an ordinary user.
    pub user: bool,
    /// What has to be added to the policy for that, as TOML; empty for nothing.
    pub policy: String,
}

impl Row {
    /// The row of a test of this target, such as `shell::job_control`.
    pub fn of(test: &str) -> Self {
        let mut rows = rows();
        let row = rows.remove(test);
        row.unwrap_or_else(|| panic!("docs/COMPATIBILITY.md has no row for {test}"))
    }
}

fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the workspace").to_owned()
}

fn document() -> String {
    fs::read_to_string(repository().join("docs/COMPATIBILITY.md")).expect("docs/COMPATIBILITY.md")
}

/// The rows of the tables that have the columns of a verdict, by their tests. A row looks like
/// `| program | what it does | works | no | policy | test |`.
fn rows() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in document().lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[_, _, root, user, policy, test] = cells.as_slice() else {
            continue;
        };
        let [test] = quoted(test)[..] else {
            continue;
        };
        let row = Row {
            root: verdict(root),
            user: verdict(user),
            policy: quoted(policy).join("\n"),
        };
        let before = rows.insert(test.to_owned(), row);
        assert!(before.is_none(), "two rows for {test}");
    }
    rows
}

fn verdict(cell: &str) -> bool {
    match cell {
        "works" => true,
        "no" => false,
        other => panic!("a verdict is `works` or `no`, not {other:?}"),
    }
}

/// What stands between single backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The tests of a source, each with its text.
fn tests_in(source: &str) -> Vec<(String, String)> {
    // At the beginning of a line: scripts hold tests of their own.
    let parts = source.split("\n#[test]\n").skip(1);
    let named = parts.filter_map(|text| {
        let (_, rest) = text.split_once("fn ")?;
        let (name, _) = rest.split_once('(')?;
        Some((name.to_owned(), text.to_owned()))
    });
    named.collect()
}

#[test]
fn every_test_has_a_row() {
    let rows = rows();
    let mut own = 0;
    for entry in fs::read_dir(repository().join("tests/compatibility")).expect("the tests") {
        let path = entry.expect("an entry").path();
        let file = path.file_stem().expect("a name").to_string_lossy();
        if file == "table" {
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        for (name, text) in tests_in(&source) {
            let test = format!("{file}::{name}");
            assert!(
                rows.contains_key(&test),
                "docs/COMPATIBILITY.md has no row for {test}"
            );
            // A test that asked for another's row would leave its own untried.
            assert!(
                text.contains(&format!("\"{test}\"")),
                "{test} does not ask for its row"
            );
            own += 1;
        }
    }
    assert!(own > 30, "only {own} tests were found");
}

#[test]
fn every_test_that_is_named_exists() {
    let document = document();
    let mut checked = 0;
    for name in document.lines().flat_map(quoted) {
        // `file::test` is one of these tests, `path/to/file.rs::test` any other.
        let Some((place, test)) = name.split_once("::") else {
            continue;
        };
        // A name of the library's, such as `Output::denials`.
        if place.starts_with(char::is_uppercase) {
            continue;
        }
        let path = match place.ends_with(".rs") {
            true => place.to_owned(),
            false => format!("tests/compatibility/{place}.rs"),
        };
        let source = fs::read_to_string(repository().join(&path));
        let source = source.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            tests_in(&source).iter().any(|(found, _)| found == test),
            "{path} has no test {test}"
        );
        checked += 1;
    }
    assert!(checked > 40, "only {checked} tests are named");
}

#[test]
fn every_policy_is_one() {
    for (test, row) in rows() {
        if let Err(error) = Policy::from_toml(&row.policy) {
            panic!("{test}: {error}");
        }
    }
}
