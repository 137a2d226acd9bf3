//! `doctor` says what the host offers.

use crate::common::call;

const LAYERS: [&str; 6] = [
    "namespaces",
    "filesystem",
    "seccomp",
    "landlock",
    "cgroup",
    "network",
];

#[test]
fn text_json_and_exit_code_agree() {
    let json = call(&["doctor", "--json"]);
    let text = call(&["doctor"]);
    let host: serde_json::Value = serde_json::from_str(&json.stdout).expect("json");
    let full = host["full"].as_bool().expect("a verdict");
    assert_eq!(json.code, Some(i32::from(!full)), "{json:?}");
    assert_eq!(text.code, json.code, "{text:?}");
    assert_eq!(host["version"], 1);
    assert!(
        text.stdout
            .contains(host["kernel"].as_str().expect("a release"))
    );
    let layers = host["layers"].as_array().expect("a list");
    let names: Vec<_> = layers
        .iter()
        .filter_map(|one| one["layer"].as_str())
        .collect();
    assert_eq!(names, LAYERS);
    for layer in layers {
        let name = layer["layer"].as_str().expect("a name");
        let available = layer["available"].as_bool().expect("a verdict");
        let line = text
            .stdout
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a line");
        let verdict = line[name.len()..].trim_start();
        assert_eq!(verdict.starts_with("no "), !available, "{line}");
        assert!(layer["facts"].is_array());
        for missing in layer["missing"].as_array().expect("a list") {
            for key in ["what", "reason", "remedy"] {
                assert!(missing[key].is_string(), "{missing}");
            }
        }
        assert!(
            available
                || layer["missing"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty())
        );
    }
}
