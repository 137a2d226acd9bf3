//! A session: a server goes on while commands come, ask it and go.
//!
//! `cargo run --example session`

use cofferdam::{Sandbox, Session};
use std::error::Error;
use std::time::Duration;

/// Answers each line in capitals. It speaks through two pipes in `/tmp`, which is the session's own.
const SERVER: &str = r#"
mkfifo /tmp/question /tmp/answer
while read -r line < /tmp/question; do echo "$line" | tr a-z A-Z > /tmp/answer; done
"#;

const CLIENT: &str = r#"
until [ -p /tmp/answer ]; do sleep 0.01; done
echo "$1" > /tmp/question; cat /tmp/answer
"#;

fn ask(session: &Session, word: &str, limit: Duration) -> Result<Option<String>, Box<dyn Error>> {
    let output = session
        .command("sh")
        .args(["-c", CLIENT, "client", word])
        .timeout(limit)
        .output()?;
    let answer = String::from_utf8(output.stdout)?.trim_end().to_owned();
    Ok((!output.status.timed_out()).then_some(answer))
}

fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().build()?;
    let session = sandbox.start()?;
    let mut server = session.command("sh").args(["-c", SERVER]).spawn()?;

    // Each of them is a command of its own, which ends; the server does not.
    for word in ["wall", "watertight"] {
        let answer = ask(&session, word, Duration::from_secs(30))?;
        println!("{word}: {answer:?}");
        if answer != Some(word.to_uppercase()) {
            return Err("the server did not answer".into());
        }
    }

    // Killing one command leaves the session, and all else that runs in it.
    server.kill()?;
    println!("the server: {}", server.wait()?);
    let answer = ask(&session, "wall", Duration::from_millis(300))?;
    println!(
        "without it: {answer:?}; session alive: {}",
        session.is_alive()
    );
    let as_expected = answer.is_none() && session.is_alive();

    // Ends everything, as dropping it would.
    println!("all of it took {:?}", session.end().usage.wall);
    match as_expected {
        true => Ok(()),
        false => Err("not as it should be".into()),
    }
}
