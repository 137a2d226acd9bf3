//! The threat model and the tests name each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the workspace").to_owned()
}

fn threat_model() -> String {
    fs::read_to_string(repository().join("docs/THREAT-MODEL.md")).expect("the document")
}

/// The names of a file's tests: functions after a `#[test]`.
fn tests_in(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ")
            && std::mem::take(&mut is_test)
        {
            names.extend(rest.split('(').next().map(str::to_owned));
        }
    }
    names
}

/// Every escape test, as `file::test`.
fn escape_tests() -> BTreeSet<String> {
    let folder = repository().join("tests/escape");
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the tests") {
        let path = entry.expect("an entry").path();
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let source = fs::read_to_string(&path).expect("a source");
        all.extend(
            tests_in(&source)
                .into_iter()
                .map(|name| format!("{stem}::{name}")),
        );
    }
    all
}

/// What stands between single backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_test_named_in_the_threat_model_exists() {
    let (document, tests) = (threat_model(), escape_tests());
    let mut checked = 0;
    for name in quoted(&document) {
        // `file::test` is an escape test, `path/to/file.rs::test` any other.
        let Some((place, test)) = name.split_once("::") else {
            continue;
        };
        checked += 1;
        if place.ends_with(".rs") {
            let source = fs::read_to_string(repository().join(place));
            let source = source.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(
                tests_in(&source).contains(test),
                "{place} has no test {test}"
            );
        } else {
            assert!(tests.contains(name), "there is no test {name}");
        }
    }
    assert!(checked > 40, "only {checked} tests are named");
}

#[test]
fn every_escape_test_is_named_in_the_threat_model() {
    let document = threat_model();
    let named: BTreeSet<&str> = quoted(&document).into_iter().collect();
    for test in escape_tests() {
        let own = test.starts_with("document::");
        assert!(
            own || named.contains(test.as_str()),
            "{test} is not in docs/THREAT-MODEL.md"
        );
    }
}

/// A reporter finds an answer, and for a "yes" the test that holds it.
#[test]
fn every_observation_has_an_answer() {
    let document = threat_model();
    let heading = "## Is this a vulnerability?";
    let (_, table) = document.split_once(heading).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut answered = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, answer, why] = cells[..] else {
            panic!("not three columns: {row}");
        };
        assert!(!why.is_empty(), "{row}");
        let tests = quoted(why).iter().any(|name| name.contains("::"));
        match answer.split(',').next() {
            Some("yes") => assert!(tests, "no test: {row}"),
            Some("no" | "a defect of that host") => (),
            other => panic!("{other:?} is no answer: {row}"),
        }
        answered += 1;
    }
    assert!(answered >= 40, "only {answered} rows");
}

#[test]
fn every_published_bypass_has_a_line() {
    let document = threat_model();
    for id in [
        "CVE-2019-5736",
        "CVE-2024-21626",
        "CVE-2016-9962",
        "CVE-2021-30465",
        "CVE-2025-31133",
        "CVE-2025-52565",
        "CVE-2025-52881",
        "CVE-2026-41579",
        "CVE-2019-19921",
        "CVE-2023-27561",
        "CVE-2023-28642",
        "CVE-2024-45310",
        "CVE-2024-42472",
        "CVE-2026-34078",
        "CVE-2026-34079",
        "CVE-2026-39861",
        "CVE-2015-2925",
        "CVE-2022-0492",
        "CVE-2025-59944",
        "CVE-2019-7303",
        "CVE-2017-5226",
        "CVE-2023-1523",
        "CVE-2021-41133",
        "CVE-2022-30594",
        "CVE-2022-0185",
        "CVE-2022-0847",
        "CVE-2023-32233",
        "CVE-2024-1086",
        "CVE-2020-14386",
        "CVE-2021-26708",
        "CVE-2017-16995",
        "CVE-2022-29582",
        "CVE-2023-2598",
        "CVE-2021-22555",
        "CVE-2016-0728",
        "CVE-2024-42318",
        "CVE-2025-66479",
        "CVE-2020-15257",
        "CVE-2026-25725",
        "CVE-2026-26268",
        "CVE-2026-22708",
        "CVE-2025-59532",
        "CVE-2026-46406",
        "CVE-2026-35603",
        "CVE-2025-53773",
        "CVE-2025-9074",
        "CVE-2025-64443",
        "CVE-2026-55887",
    ] {
        assert!(document.contains(id), "{id} is not in docs/THREAT-MODEL.md");
    }
}
