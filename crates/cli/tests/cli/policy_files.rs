//! Policies in files.

use crate::common::{call, cofferdam, directory, end, run, text, walls};
use std::fs;

#[test]
fn relative_paths_are_taken_from_the_files_folder() {
    if walls() {
        let here = directory();
        fs::create_dir(here.path().join("work")).expect("mkdir");
        let file = here.path().join("policy.toml");
        let body = "[filesystem]\nworkspace = \"work\"\n[environment.set]\nFROM = \"file\"\n";
        fs::write(&file, body).expect("write");
        let script = ["sh", "-c", "touch made; echo $FROM"];
        let ended = run(&["--policy", text(&file)], &script).expect(0);
        assert_eq!(ended.stdout, "file\n");
        assert!(here.path().join("work/made").exists());

        let json = here.path().join("policy.json");
        fs::write(&json, r#"{"filesystem": {"workspace": "work"}}"#).expect("write");
        let ended = run(&["--policy", text(&json)], &["pwd"]).expect(0);
        assert!(ended.stdout.trim().ends_with("/work"), "{ended:?}");
    }
}

#[test]
fn a_file_may_be_named_by_way_of_the_folder_above() {
    let here = directory();
    let work = here.path().join("work");
    fs::create_dir(&work).expect("mkdir");
    let body = "[filesystem]\nworkspace = \"work\"\n";
    fs::write(here.path().join("policy.toml"), body).expect("write");
    let print = ["policy", "print", "--json", "--policy", "../policy.toml"];
    let printed = end(cofferdam().current_dir(&work).args(print)).expect(0);
    let policy: serde_json::Value = serde_json::from_str(&printed.stdout).expect("json");
    let real = work.canonicalize().expect("a path");
    assert_eq!(policy["filesystem"]["workspace"], text(&real));
}

#[test]
fn options_are_added_on_top_and_win() {
    if walls() {
        let here = directory();
        let file = here.path().join("policy.toml");
        let body = "[filesystem]\nread = [\".\"]\n[environment.set]\nA = \"file\"\nB = \"file\"\n[limits]\nwall_clock = \"1ms\"\n";
        fs::write(&file, body).expect("write");
        let made = here.path().join("made");
        let script = format!("touch {}; echo $A $B", text(&made));
        let options = [
            "-p",
            text(&file),
            "--write",
            text(here.path()),
            "--env",
            "A=typed",
            "--timeout",
            "50s",
        ];
        let ended = run(&options, &["sh", "-c", &script]).expect(0);
        assert_eq!(ended.stdout, "typed file\n");
        assert!(made.exists());
    }
}

#[test]
fn a_restricting_file_tightens_and_never_widens() {
    if walls() {
        let (here, other) = (directory(), directory());
        let file = here.path().join("project.toml");
        let body = format!(
            "[filesystem]\nworkspace = \".\"\nwrite = [\"{}\"]\n[network]\nmode = \"host\"\n",
            text(other.path())
        );
        fs::write(&file, body).expect("write");
        let script = format!(
            "touch made; touch {}/made; cat /proc/net/dev | wc -l",
            text(other.path())
        );
        let options = [
            "--workspace",
            text(here.path()),
            "--env",
            "A=1",
            "--restrict",
            text(&file),
        ];
        let ended = run(&options, &["sh", "-c", &format!("{script}; echo \"[$A]\"")]).expect(0);
        assert!(
            here.path().join("made").exists(),
            "the workspace that both allow"
        );
        assert!(!other.path().join("made").exists(), "widened");
        // Two lines of heading and the loopback interface: the file asked for the host's network.
        assert_eq!(ended.stdout, "3\n[]\n", "{ended:?}");

        let printed = call(&[&["policy", "print", "--json"], &options[..]].concat()).expect(0);
        let policy: serde_json::Value = serde_json::from_str(&printed.stdout).expect("json");
        assert_eq!(policy["network"]["mode"], "none");
    }
}

#[test]
fn a_printed_policy_is_a_policy() {
    let here = directory();
    let options = [
        "policy",
        "print",
        "--read",
        "/usr",
        "--memory",
        "1G",
        "--timeout",
        "1m",
    ];
    for (name, json) in [("policy.toml", None), ("policy.json", Some("--json"))] {
        let printed = call(&options.iter().copied().chain(json).collect::<Vec<_>>()).expect(0);
        assert!(printed.stdout.contains("1GiB"), "{printed:?}");
        let file = here.path().join(name);
        fs::write(&file, &printed.stdout).expect("write");
        call(&["policy", "check", text(&file)]).expect(0);
        let mut again = vec!["policy", "print", "--policy", text(&file)];
        again.extend(json);
        assert_eq!(call(&again).expect(0).stdout, printed.stdout);
    }
}

#[test]
fn check_finds_defects() {
    let here = directory();
    let file = here.path().join("policy.toml");
    for (body, words) in [
        (
            "[limits]\nmemroy = \"1G\"\n",
            &["line 2", "memroy", "did you mean `memory`?"][..],
        ),
        (
            "[network]\nmode = \"hots\"\n",
            &["line 2", "did you mean `host`?"],
        ),
        ("[limits]\nprocesses = 0\n", &["limits.processes is zero"]),
        ("[filesystem]\nread = [\"/a/../b\"]\n", &["`..`"]),
        ("[filesystem\n", &["line 1"]),
    ] {
        fs::write(&file, body).expect("write");
        let ended = call(&["policy", "check", text(&file)]).expect(1);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {ended:?}");
        }
        call(&["run", "--policy", text(&file), "--", "true"]).expect(125);
    }
    call(&["policy", "check", "/nonexistent.toml"]).expect(1);
}

#[test]
fn the_schema_is_the_librarys() {
    let printed = call(&["policy", "schema"]).expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&printed).expect("json");
    assert!(schema["properties"]["filesystem"].is_object(), "{schema}");
}
