//! Ours: built for each program, reused, in a session, from a pool, and by the command.

use super::{Given, Peer, first_byte, run_command};
use crate::setting::Until;
use crate::view;
use cofferdam::{Audit, Command, Pool, Sandbox, Session, Stdio};
use cofferdam_audit::{Entry, Sink, SinkError};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Made = Result<Box<dyn Peer>, String>;

/// Environments that stand ready.
const READY: NonZero<usize> = NonZero::new(2).expect("not 0");

/// The sandbox is built each time.
pub fn cold(given: &Arc<Given>) -> Made {
    Ok(Box::new(Cold {
        given: Arc::clone(given),
        audit: None,
    }))
}

/// The same, and what happens is told to a sink.
pub fn cold_with_events(given: &Arc<Given>) -> Made {
    Ok(Box::new(Cold {
        given: Arc::clone(given),
        audit: Some(Audit::builder().sink(Nothing).build()),
    }))
}

/// One sandbox, a program each time.
pub fn reused(given: &Arc<Given>) -> Made {
    Ok(Box::new(Reused {
        sandbox: build(given, None)?,
        program: given.program.clone(),
    }))
}

/// A program each time in one environment.
pub fn session(given: &Arc<Given>) -> Made {
    let session = build(given, None)?.start();
    Ok(Box::new(InSession {
        session: session.map_err(|error| error.to_string())?,
        program: given.program.clone(),
    }))
}

/// An environment each time, which was put up before.
pub fn pool(given: &Arc<Given>) -> Made {
    let pool = build(given, None)?.pool(READY);
    Ok(Box::new(FromPool {
        pool: pool.map_err(|error| error.to_string())?,
        program: given.program.clone(),
    }))
}

/// `cofferdam run`, which records what happens.
pub fn command(given: &Arc<Given>) -> Made {
    cli(given, true)
}

/// `cofferdam run --no-record`.
pub fn command_without_record(given: &Arc<Given>) -> Made {
    cli(given, false)
}

/// The sandbox of a contest.
fn build(given: &Given, audit: Option<&Audit>) -> Result<Sandbox, String> {
    let mut builder = view::builder(&given.setting, &given.program);
    if let Some(audit) = audit {
        builder = builder.audit(audit.clone());
    }
    builder.build().map_err(|error| error.to_string())
}

/// Takes events and does nothing.
struct Nothing;

impl Sink for Nothing {
    fn take(&mut self, _: &Entry) -> Result<(), SinkError> {
        Ok(())
    }
}

fn run(mut command: Command, start: Instant, until: Until) -> Result<Duration, String> {
    let out = match until {
        Until::Exit => Stdio::null(),
        Until::FirstByte => Stdio::piped(),
    };
    let command = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let first = child.stdout.take().map(|out| first_byte(out, start));
    let status = child.wait().map_err(|error| error.to_string())?;
    let time = first.unwrap_or_else(|| Ok(start.elapsed()));
    match status.success() {
        true => time,
        false => Err(format!("the program inside: {status:?}")),
    }
}

struct Cold {
    given: Arc<Given>,
    audit: Option<Audit>,
}

impl Peer for Cold {
    fn name(&self) -> &'static str {
        match self.audit {
            None => "cofferdam, sandbox built each time",
            Some(_) => "cofferdam, built each time, events on",
        }
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let start = Instant::now();
        let sandbox = build(&self.given, self.audit.as_ref())?;
        run(sandbox.command(&self.given.program), start, until)
    }
}

struct Reused {
    sandbox: Sandbox,
    program: PathBuf,
}

impl Peer for Reused {
    fn name(&self) -> &'static str {
        "cofferdam, one sandbox"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let start = Instant::now();
        run(self.sandbox.command(&self.program), start, until)
    }
}

struct InSession {
    session: Session,
    program: PathBuf,
}

impl Peer for InSession {
    fn name(&self) -> &'static str {
        "cofferdam, in a session"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let start = Instant::now();
        run(self.session.command(&self.program), start, until)
    }
}

struct FromPool {
    pool: Pool,
    program: PathBuf,
}

impl Peer for FromPool {
    fn name(&self) -> &'static str {
        "cofferdam, warm pool"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let start = Instant::now();
        run(self.pool.command(&self.program), start, until)
    }

    fn settle(&self) {
        // Full, and for a moment nothing is being put up beside who comes next.
        self.pool.wait_ready(Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }

    /// With many threads the rate at which it is filled would be measured.
    fn is_for_threads(&self) -> bool {
        false
    }
}

fn cli(given: &Arc<Given>, record: bool) -> Made {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let cli = own.with_file_name("cofferdam");
    if !cli.exists() {
        return Err("not beside this program (cargo build --release -p cofferdam-cli)".into());
    }
    Ok(Box::new(Cli {
        cli,
        given: Arc::clone(given),
        record,
        count: AtomicU64::new(0),
    }))
}

struct Cli {
    cli: PathBuf,
    given: Arc<Given>,
    record: bool,
    count: AtomicU64,
}

impl Peer for Cli {
    fn name(&self) -> &'static str {
        match self.record {
            true => "cofferdam run",
            false => "cofferdam run --no-record",
        }
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let mut command = std::process::Command::new(&self.cli);
        command.arg("run").arg("--read").arg(&self.given.program);
        // A new record each time, as without this option, but not among the user's own.
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let record = self.given.directory.join(format!("{count}.jsonl"));
        match self.record {
            true => command.arg("--record").arg(record),
            false => command.arg("--no-record"),
        };
        if !self.given.setting.network {
            command.args(["--network", "host"]);
        }
        command.arg("--").arg(&self.given.program);
        // Outside of any directory that would become the workspace.
        command.stdin(std::process::Stdio::null());
        command.current_dir(&self.given.directory);
        run_command(command, until)
    }
}
