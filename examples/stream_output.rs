//! Talking to a running program: its input is written and its output read while it runs.
//!
//! `cargo run --example stream_output`

use cofferdam::{Sandbox, Stdio};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};

/// Answers each line with its length.
const PROGRAM: &str = r#"while read -r line; do echo "${#line}"; done"#;

fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().build()?;
    let mut child = sandbox
        .command("sh")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no pipe to the program")?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no pipe from the program")?);

    for word in ["wall", "watertight", "cofferdam"] {
        writeln!(input, "{word}")?;
        let mut answer = String::new();
        output.read_line(&mut answer)?;
        println!("{word} -> {}", answer.trim_end().escape_debug());
        if answer.trim_end() != word.len().to_string() {
            return Err(format!("{word} has not {answer:?} letters").into());
        }
    }
    // The end of its input is the end of this program.
    drop(input);
    let status = child.wait()?;
    println!("{status}");
    match status.success() {
        true => Ok(()),
        false => Err("the program failed".into()),
    }
}
