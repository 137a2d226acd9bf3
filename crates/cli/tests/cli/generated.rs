//! The kept man page and completions are those that the command prints.

use crate::common::call;

#[track_caller]
fn same(arguments: &[&str], kept: &str, path: &str) {
    let printed = call(arguments).expect(0).stdout;
    assert!(
        printed == kept,
        "crates/cli/{path} is not up to date: write it with `cofferdam {} > crates/cli/{path}`",
        arguments.join(" ")
    );
}

#[test]
fn man_page() {
    same(
        &["man"],
        include_str!("../../man/cofferdam.1"),
        "man/cofferdam.1",
    );
}

#[test]
fn completions() {
    let kept = [
        (
            "bash",
            include_str!("../../completions/cofferdam.bash"),
            "completions/cofferdam.bash",
        ),
        (
            "zsh",
            include_str!("../../completions/_cofferdam"),
            "completions/_cofferdam",
        ),
        (
            "fish",
            include_str!("../../completions/cofferdam.fish"),
            "completions/cofferdam.fish",
        ),
    ];
    for (shell, text, path) in kept {
        same(&["completions", shell], text, path);
    }
}

#[test]
fn every_option_of_run_is_in_the_man_page() {
    let help = call(&["run", "--help"]).expect(0).stdout;
    let page = call(&["man"]).expect(0).stdout.replace('\\', "");
    let options: Vec<&str> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        let name = option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        assert!(page.contains(name), "{name}");
    }
}
