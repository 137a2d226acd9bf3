//! A terminal: an interactive shell with job control, driven from here.
//!
//! `cargo run --example pty`

use cofferdam::{Pty, PtySize, Sandbox};
use std::error::Error;
use std::io::{Read, Write};
use std::time::Duration;

/// Reads until the terminal has shown `text`.
fn expect(mut pty: &Pty, text: &str) -> Result<(), Box<dyn Error>> {
    let (mut shown, mut buffer) = (String::new(), [0; 4096]);
    while !shown.contains(text) {
        match pty.read(&mut buffer)? {
            0 => return Err(format!("no {text:?} in {shown:?}").into()),
            n => shown.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
    }
    // What a program prints may steer the terminal that shows it; escaped it is plain text.
    println!("{}", shown.trim_end().escape_debug());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().build()?;
    let size = |rows, columns| PtySize { rows, columns };
    let mut child = sandbox
        .command("bash")
        .args(["--norc", "--noprofile", "-i"])
        .env("PS1", "ready> ")
        .env("TERM", "dumb")
        .timeout(Duration::from_secs(30))
        .pty(size(24, 80))
        .spawn()?;
    let pty = child.pty.take().ok_or("no terminal")?;
    expect(&pty, "ready> ")?;

    (&pty).write_all(b"echo $((6 * 7)); tty\n")?;
    expect(&pty, "/dev/pts/")?;

    pty.resize(size(50, 132))?;
    (&pty).write_all(b"stty size\n")?;
    expect(&pty, "50 132")?;

    // What is typed goes through the terminal's line discipline: ^C is a signal to the program in front.
    (&pty).write_all(b"sh -c 'echo sleeping; exec sleep 60'; echo slept\n")?;
    expect(&pty, "\nsleeping")?;
    (&pty).write_all(b"\x03")?;
    expect(&pty, "ready> ")?;
    (&pty).write_all(b"echo code $?; exit 7\n")?;
    expect(&pty, "code 130")?;

    let status = child.wait()?;
    println!("{status}");
    match status.code() {
        Some(7) => Ok(()),
        _ => Err("the shell did not end as it was told".into()),
    }
}
