//! Dangerous names of a workspace that is written to directly.

use crate::common::{directory, run, text, walls};
use std::fs;

const MAKE: [&str; 3] = [
    "sh",
    "-c",
    "mkdir -p .vscode; echo x > .vscode/tasks.json; true",
];

#[test]
fn what_was_made_is_taken_away_and_said() {
    if walls() {
        let here = directory();
        let options = ["-w", text(here.path())];
        let ended = run(&options, &MAKE).expect(0);
        assert!(!here.path().join(".vscode").exists());
        for part in [".vscode", "was removed", "--unprotect .vscode"] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
        // The hint works, and so does the one for all.
        let ended = run(&[&options[..], &["--unprotect", ".vscode"]].concat(), &MAKE).expect(0);
        assert_eq!(ended.stderr, "");
        assert!(here.path().join(".vscode/tasks.json").exists());
        fs::remove_dir_all(here.path().join(".vscode")).expect("remove");
        run(&[&options[..], &["--no-protect"]].concat(), &MAKE).expect(0);
        assert!(here.path().join(".vscode/tasks.json").exists());
    }
}

#[test]
fn a_name_can_be_added() {
    if walls() {
        let here = directory();
        fs::write(here.path().join("LICENSE"), "mine\n").expect("write");
        let options = ["-w", text(here.path())];
        let script = ["sh", "-c", "echo theirs > LICENSE"];
        let named = [&options[..], &["--protect", "LICENSE"]].concat();
        assert_ne!(run(&named, &script).code, Some(0));
        let license = || fs::read_to_string(here.path().join("LICENSE")).expect("read");
        assert_eq!(license(), "mine\n");
        run(&options, &script).expect(0);
        assert_eq!(license(), "theirs\n", "the control");
    }
}

#[test]
fn a_hook_is_named_as_it_is_typed() {
    if walls() {
        let here = directory();
        // As `git init` leaves it, without samples.
        fs::create_dir_all(here.path().join(".git/objects")).expect("mkdir");
        fs::create_dir_all(here.path().join(".git/refs")).expect("mkdir");
        fs::write(here.path().join(".git/HEAD"), "ref: refs/heads/main\n").expect("write");
        let options = ["-w", text(here.path())];
        let script = [
            "sh",
            "-c",
            "mkdir .git/hooks; echo x > .git/hooks/pre-commit; true",
        ];
        let ended = run(&options, &script).expect(0);
        assert!(
            !here.path().join(".git/hooks/pre-commit").exists(),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains("--unprotect .git/hooks "),
            "{ended:?}"
        );
    }
}
