//! A pool: environments that stand ready, so that a command starts as soon as a process of the host.
//!
//! `cargo run --release --example pool`

use cofferdam::{Sandbox, Stdio};
use std::error::Error;
use std::io::Read;
use std::num::NonZero;
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;

/// From the call to the first byte that the program writes.
fn first_byte(start: Instant, mut output: impl Read) -> Result<Duration, Box<dyn Error>> {
    output.read_exact(&mut [0])?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().build()?;
    let pool = sandbox.pool(NonZero::new(2).ok_or("none")?)?;
    let (mut warm, mut alone, mut host) = (Vec::new(), Vec::new(), Vec::new());

    for _ in 0..ROUNDS {
        if !pool.wait_ready(Duration::from_secs(10)) {
            return Err("the pool was not filled".into());
        }
        for (mut command, times) in [
            (pool.command("/bin/echo"), &mut warm),
            (sandbox.command("/bin/echo"), &mut alone),
        ] {
            let start = Instant::now();
            let mut child = command.arg("ready").stdout(Stdio::piped()).spawn()?;
            times.push(first_byte(start, child.stdout.take().ok_or("no pipe")?)?);
            child.wait()?;
        }
        let start = Instant::now();
        let mut command = std::process::Command::new("/bin/echo");
        let mut child = command
            .arg("ready")
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        host.push(first_byte(start, child.stdout.take().ok_or("no pipe")?)?);
        child.wait()?;
    }

    // Times are the machine's; the ratios say something about the walls.
    let host = median(host);
    let ratio = |times| median(times).as_secs_f64() / host.as_secs_f64();
    println!("first byte of /bin/echo, medians of {ROUNDS} rounds in turn:");
    println!("a process of the host: {host:?}");
    println!("a sandbox of the pool: {:.2} of that", ratio(warm));
    println!("a sandbox of its own:  {:.2} of that", ratio(alone));
    Ok(())
}
