//! From the spawn of `/bin/echo` to the first byte it writes. What is left of each command is cleared away
//! before the next begins.

use crate::contender::Contender;
use cofferdam::{Sandbox, Stdio};
use std::io::Read;
use std::num::NonZero;
use std::process::Command;
use std::time::{Duration, Instant};

/// Environments that stand ready.
const READY: NonZero<usize> = NonZero::new(2).expect("not 0");

pub fn contenders() -> Vec<Contender> {
    let sandbox = Sandbox::builder()
        .build()
        .expect("the default sandbox can be built here");
    let session = sandbox.start().expect("a session can be started");
    let pool = sandbox.pool(READY).expect("a pool can be made");
    vec![
        Contender::timing("std::process::Command", plain),
        Contender::timing("cofferdam, warm pool", move || {
            // Full, and for a moment nothing is being put up beside the command.
            if !pool.wait_ready(Duration::from_secs(10)) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
            confined(pool.command("/bin/echo"))
        }),
        Contender::timing("cofferdam, in a session", move || {
            confined(session.command("/bin/echo"))
        }),
        Contender::timing("cofferdam, one sandbox", move || {
            confined(sandbox.command("/bin/echo"))
        }),
    ]
}

fn plain() -> Option<Duration> {
    let start = Instant::now();
    let mut child = Command::new("/bin/echo")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let time = first(child.stdout.take()?, start)?;
    child.wait().ok()?;
    Some(time)
}

fn confined(mut command: cofferdam::Command) -> Option<Duration> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let time = first(child.stdout.take()?, start)?;
    child.wait().ok()?;
    Some(time)
}

fn first(mut output: impl Read, start: Instant) -> Option<Duration> {
    let mut byte = [0];
    output.read_exact(&mut byte).ok()?;
    Some(start.elapsed())
}
