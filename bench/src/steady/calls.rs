//! Loops of system calls: under the default filter alone, and inside the default sandbox.

use super::{Line, Steady, turns};
use cofferdam::Sandbox;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A call and how often it is made for one figure.
const LOOPS: [(&str, u32); 2] = [("getpid", 100_000), ("open+close", 20_000)];

/// What is opened: there on both sides.
const FILE: &str = "/dev/null";

pub fn measure(steady: &mut Steady, rounds: usize) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    for (index, (call, _)) in LOOPS.into_iter().enumerate() {
        let mut plain = Looper::on_host(&own, call, "plain")?;
        let mut filtered = Looper::on_host(&own, call, "filtered")?;
        let sandbox = Sandbox::builder().read(&own).build();
        let session = sandbox.map_err(|error| error.to_string())?.start();
        let session = session.map_err(|error| error.to_string())?;
        let mut inside = Looper::inside(&session, &own, call)?;
        let keys = [
            ["getpid", "open+close"],
            ["getpid inside", "open+close inside"],
        ];
        let whats = ["under the default filter alone", "in the default sandbox"];
        for (other, looper) in [&mut filtered, &mut inside].into_iter().enumerate() {
            let (outside, inside) = turns(rounds, &mut || plain.time(), &mut || looper.time())?;
            steady.lines.push(Line {
                key: keys[other][index],
                what: format!("{call}, {}", whats[other]),
                outside,
                inside,
            });
        }
    }
    Ok(())
}

/// Whether this process was started as one that calls; then it has done that.
pub fn helper(arguments: &[&str]) -> Result<bool, String> {
    let ["loop", call, how] = arguments[..] else {
        return Ok(false);
    };
    let (_, count) = LOOPS
        .into_iter()
        .find(|(name, _)| *name == call)
        .ok_or("no such loop")?;
    if how == "filtered" {
        let filter = crate::filter::default().map_err(|error| error.to_string())?;
        let put_on = || {
            cofferdam_sys::process::set_no_new_privs()?;
            filter.apply()
        };
        put_on().map_err(|errno| format!("the filter: {errno}"))?;
    }
    for line in std::io::stdin().lines() {
        line.map_err(|error| error.to_string())?;
        let start = Instant::now();
        for _ in 0..count {
            match call {
                // The call itself each time: nothing keeps the number.
                "getpid" => drop(std::hint::black_box(std::process::id())),
                _ => drop(std::fs::File::open(Path::new(FILE)).map_err(|error| error.to_string())?),
            }
        }
        println!("{}", (start.elapsed() / count).as_nanos());
    }
    Ok(true)
}

/// A process that calls when it is told to.
struct Looper {
    stdin: Box<dyn Write>,
    stdout: BufReader<Box<dyn Read>>,
    /// Ends at the end of its input.
    _inside: Option<cofferdam::Child>,
}

impl Looper {
    fn on_host(own: &Path, call: &str, how: &str) -> Result<Self, String> {
        let mut command = Command::new(own);
        command
            .args(["loop", call, how])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        std::thread::spawn(move || child.wait());
        Ok(Self {
            stdin: Box::new(stdin.ok_or("no pipe")?),
            stdout: BufReader::new(Box::new(stdout.ok_or("no pipe")?)),
            _inside: None,
        })
    }

    fn inside(session: &cofferdam::Session, own: &Path, call: &str) -> Result<Self, String> {
        let mut command = session.command(own);
        let pipe = cofferdam::Stdio::piped;
        command
            .args(["loop", call, "plain"])
            .stdin(pipe())
            .stdout(pipe());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            stdin: Box::new(stdin.ok_or("no pipe")?),
            stdout: BufReader::new(Box::new(stdout.ok_or("no pipe")?)),
            _inside: Some(child),
        })
    }

    fn time(&mut self) -> Result<Duration, String> {
        let mut line = String::new();
        let ask = self
            .stdin
            .write_all(b"\n")
            .and_then(|()| self.stdin.flush());
        let told = ask.and_then(|()| self.stdout.read_line(&mut line));
        told.map_err(|error| format!("the loop of calls: {error}"))?;
        let nanoseconds = line
            .trim()
            .parse()
            .map_err(|_| "the loop of calls has ended")?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}
