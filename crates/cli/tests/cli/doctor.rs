//! `doctor` says what the host offers.

use crate::common::{call, directory, lacking, run, text};

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
                let value = missing[key].as_str();
                assert!(value.is_some_and(|text| !text.is_empty()), "{missing}");
            }
            let of = |key: &str| missing[key].as_str().expect("a string");
            assert!(!of("reason").contains(of("remedy")), "{missing}");
        }
        assert!(
            available
                || layer["missing"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty())
        );
        // Each is named in the text, and a remedy that several share is there once.
        let of_layer = |line: &&str| line.starts_with(name) || line.starts_with(' ');
        let from = text.stdout.find(line).expect("the line");
        let block: Vec<&str> = text.stdout[from..].lines().collect();
        let length = 1 + block[1..].iter().take_while(|line| of_layer(line)).count();
        let words: Vec<&str> = block[..length]
            .iter()
            .flat_map(|line| line.split_whitespace())
            .collect();
        let said = words.join(" ");
        for missing in layer["missing"].as_array().expect("a list") {
            let what = missing["what"].as_str().expect("a name");
            let named = said.contains(&format!("{what}: ")) || said.contains(&format!("{what}, "));
            assert!(named, "{what} in {said}");
            let remedy = missing["remedy"].as_str().expect("a remedy");
            let remedy: Vec<&str> = remedy.split_whitespace().collect();
            assert_eq!(said.matches(&remedy.join(" ")).count(), 1, "{said}");
        }
    }
}

#[test]
fn overlays_are_spoken_of() {
    let json = call(&["doctor", "--json"]);
    let host: serde_json::Value = serde_json::from_str(&json.stdout).expect("json");
    let layers = host["layers"].as_array().expect("a list");
    let of = |name: &str| {
        let found = layers.iter().find(|one| one["layer"] == name);
        found.expect("a layer").clone()
    };
    let filesystem = of("filesystem");
    if filesystem["available"] == false {
        return lacking("a view of the file system");
    }
    let facts = filesystem["facts"].as_array().expect("a list");
    let missing = filesystem["missing"].as_array().expect("a list");
    let there = facts.iter().any(|fact| fact == "overlays");
    let lacking = missing.iter().any(|one| one["what"] == "overlays");
    assert_ne!(there, lacking, "{filesystem}");
    // What it says is what happens.
    let here = directory();
    let options = ["--overlay", "-w", text(here.path())];
    let ended = run(&options, &["touch", "made"]);
    if there {
        // The change was made and is named, and the file is not on the host.
        let ended = ended.expect(0);
        assert!(ended.stderr.contains("made"), "{ended:?}");
    } else {
        // 125: the wall could not be put up, and the reason is the one that was told.
        let ended = ended.expect(125);
        assert!(ended.stderr.contains("overlay"), "{ended:?}");
    }
    assert!(!here.path().join("made").exists());
    // The control: without the overlay the same command makes it.
    run(&options[1..], &["touch", "made"]).expect(0);
    assert!(here.path().join("made").exists());
}
