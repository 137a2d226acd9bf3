//! A tokio host: many commands at once, and one that is cancelled.
//!
//! `cargo run --example async_host`

use cofferdam::{Sandbox, tokio::Command};
use std::error::Error;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().build()?;

    // Each waits for its program on the one thread there is.
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let sandbox = sandbox.clone();
        tasks.spawn(async move {
            let mut command = sandbox.command("sh");
            command.args(["-c", &format!("sleep 0.2; echo {number}")]);
            Command::from(command).output().await
        });
    }
    let mut answers = Vec::new();
    while let Some(output) = tasks.join_next().await {
        let text = String::from_utf8(output??.stdout)?;
        answers.push(text.trim_end().parse::<u32>()?);
    }
    answers.sort_unstable();
    println!("eight answers {answers:?} after {:?}", started.elapsed());

    // Dropping the future kills the program and all that it started.
    let mut sleeper = sandbox.command("sleep");
    sleeper.arg("60");
    let mut sleeper = Command::from(sleeper);
    let started = Instant::now();
    let cancelled = tokio::time::timeout(Duration::from_millis(100), sleeper.status()).await;
    println!(
        "cancelled after {:?}: {}",
        started.elapsed(),
        cancelled.is_err()
    );

    match answers == [0, 1, 2, 3, 4, 5, 6, 7] && cancelled.is_err() {
        true => Ok(()),
        false => Err("not as it should be".into()),
    }
}
