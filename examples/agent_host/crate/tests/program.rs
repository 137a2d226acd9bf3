//! The program as its users run it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn csvtable(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_csvtable"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments reads nothing, so writing may fail.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn sorts_and_aligns() {
    let output = csvtable(&["--sort", "year"], "name,year\nRust,2015\nC,1972\n");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "name  year\nC     1972\nRust  2015\n");
}

#[test]
fn says_what_is_wrong() {
    let output = csvtable(&[], "a,b\n1\n");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "csvtable: line 2: 1 fields, but the header has 2\n");
    let output = csvtable(&["--sort", "c"], "a,b\n");
    assert_eq!(output.status.code(), Some(1));
}
