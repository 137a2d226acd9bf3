//! `plan` says what a run would do, and does nothing.

use crate::common::{call, directory, text, walls};

#[test]
fn it_runs_nothing_and_tells_all() {
    if walls() {
        let here = directory();
        let workspace = text(here.path());
        let options = [
            "plan",
            "--workspace",
            workspace,
            "--env",
            "TOKEN=hidden-value",
        ];
        let ended = call(&[&options[..], &["--usage", "--", "touch", "made"]].concat()).expect(0);
        assert!(!here.path().join("made").exists(), "it ran");
        for part in [
            "# Policy",
            "# Variables",
            "# Layers",
            "# Operations",
            "TOKEN",
            "seccomp",
            workspace,
            "\"touch\"",
        ] {
            assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
        }
    }
}

#[test]
fn it_is_json_where_asked_for() {
    if walls() {
        let ended = call(&["plan", "--json", "--network", "host", "--", "true"]).expect(0);
        let plan: serde_json::Value = serde_json::from_str(&ended.stdout).expect("json");
        assert_eq!(plan["version"], 1);
        assert_eq!(plan["command"][0], "true");
        assert_eq!(plan["policy"]["network"]["mode"], "host");
        assert_eq!(plan["layers"].as_array().map(Vec::len), Some(6));
        let names = plan["variables"].as_array().expect("a list");
        assert!(names.iter().any(|name| name == "PATH"));
        assert!(
            plan["operations"]
                .as_array()
                .is_some_and(|all| all.len() > 10)
        );
    }
}

#[test]
fn what_run_refuses_it_refuses() {
    call(&["plan", "--read", "/nonexistent/path"]).expect(125);
    call(&["plan", "--prefer", "cgroup", "--off", "cgroup"]).expect(125);
}
