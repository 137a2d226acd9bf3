//! Limits hold the sandbox as a whole.

use crate::common::{call, run, walls};

/// Twelve processes beside the shell, which says so of each and ends when it cannot fork.
const MANY: &str = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & echo up; done";

#[test]
fn processes() {
    if walls() {
        let free = run(&["--processes", "64"], &["sh", "-c", MANY]).expect(0);
        assert_eq!(
            free.stdout.matches("up").count(),
            12,
            "the control: {free:?}"
        );
        let held = run(&["--processes", "6"], &["sh", "-c", MANY]);
        let count = held.stdout.matches("up").count();
        assert!(
            (1..6).contains(&count),
            "{count} beside the shell: {held:?}"
        );
    }
}

/// tail keeps what it may have to print in memory.
const HOG: &str = "head -c 200000000 /dev/zero | tail -c 190000000 | wc -c";

#[test]
fn memory() {
    if !walls() {
        return;
    }
    let doctor: serde_json::Value =
        serde_json::from_str(&call(&["doctor", "--json"]).stdout).expect("json");
    let cgroup = doctor["layers"]
        .as_array()
        .and_then(|layers| layers.iter().find(|one| one["layer"] == "cgroup"))
        .expect("the cgroup layer");
    let facts = cgroup["facts"].to_string();
    if facts.contains("memory") {
        let held = run(&["--memory", "64MiB"], &["sh", "-c", HOG]);
        assert!(!held.stdout.contains("190000000"), "{held:?}");
        assert!(held.stderr.contains("the memory limit killed"), "{held:?}");
        let free = run(&["--memory", "600MiB"], &["sh", "-c", HOG]).expect(0);
        assert_eq!(free.stdout.trim(), "190000000", "the control: {free:?}");
    } else {
        let refused = run(&["--memory", "64MiB"], &["echo", "ran"]).expect(125);
        assert_eq!(refused.stdout, "");
        assert!(
            refused.stderr.contains("the cgroup layer cannot be put up"),
            "{refused:?}"
        );
        assert!(refused.stderr.contains("--prefer cgroup"), "{refused:?}");
        let options = ["--memory", "64MiB", "--prefer", "cgroup", "--enforcement"];
        let weaker = run(&options, &["echo", "ran"]).expect(0);
        assert_eq!(weaker.stdout, "ran\n");
        assert!(weaker.stderr.contains("cgroup      partial"), "{weaker:?}");
        // What is left of the limit holds each process.
        let held = run(&options[..4], &["sh", "-c", HOG]);
        assert!(!held.stdout.contains("190000000"), "{held:?}");
    }
}

#[test]
fn what_was_used_is_told_where_asked_for() {
    if walls() {
        let quiet = run(&[], &["true"]).expect(0);
        assert_eq!((&*quiet.stdout, &*quiet.stderr), ("", ""));
        let told = run(&["--usage", "--enforcement"], &["true"]).expect(0);
        assert_eq!(told.stdout, "");
        for word in [
            "wall clock",
            "user",
            "exit code 0",
            "namespaces",
            "seccomp",
            "landlock",
        ] {
            assert!(told.stderr.contains(word), "{word}: {told:?}");
        }
    }
}
