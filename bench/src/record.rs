//! `… record [ROUNDS]`: what recording costs a program that starts programs, and a build.

use crate::contender::{Contender, race};
use cofferdam::audit::log::{LogOptions, SigningKey};
use cofferdam::{Audit, Sandbox, Session, Stdio};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Programs that are started one after another for one figure: their median is what counts.
const PROGRAMS: usize = 100;

/// Runs all measurements.
pub fn run(rounds: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let audit = audit(&directory.path().join("record.jsonl"));
    programs(&audit, rounds);
    build(&audit, (rounds / 10).max(5));
}

/// A chained and signed file, as the command writes it.
fn audit(path: &Path) -> Audit {
    let key = SigningKey::generate().expect("a key");
    let log = LogOptions::new(path).key(key).open().expect("a log");
    Audit::builder().sink(log).build()
}

/// Starting a program inside a live session, from inside.
fn programs(audit: &Audit, rounds: usize) {
    let own = std::env::current_exe().expect("this program's path");
    let builder = || Sandbox::builder().read(&own);
    let unrecorded = builder().build().expect("a sandbox");
    let recorded = builder().audit(audit.clone()).build();
    let recorded = recorded.expect("a sandbox that is recorded");
    let contender = |name, sandbox: &Sandbox| {
        let session = sandbox.start().expect("a session");
        let starter = Rc::new(Starter::new(session));
        Contender::timing(name, move || starter.time())
    };
    race(
        "one program started inside and waited for",
        vec![
            contender("unrecorded", &unrecorded),
            contender("recorded", &recorded),
        ],
        "unrecorded",
        rounds,
    );
}

/// This program inside, which starts programs when it is told to.
struct Starter {
    stdin: RefCell<Box<dyn Write>>,
    stdout: RefCell<BufReader<Box<dyn Read>>>,
    _child: cofferdam::Child,
    _session: Session,
}

impl Starter {
    fn new(session: Session) -> Self {
        let own = std::env::current_exe().expect("this program's path");
        let mut child = session
            .command(own)
            .arg("starter")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a program inside");
        let stdin: Box<dyn Write> = Box::new(child.stdin.take().expect("a pipe"));
        let stdout: Box<dyn Read> = Box::new(child.stdout.take().expect("a pipe"));
        Self {
            stdin: RefCell::new(stdin),
            stdout: RefCell::new(BufReader::new(stdout)),
            _child: child,
            _session: session,
        }
    }

    fn time(&self) -> Option<Duration> {
        self.stdin.borrow_mut().write_all(b"\n").ok()?;
        let mut line = String::new();
        self.stdout.borrow_mut().read_line(&mut line).ok()?;
        Some(Duration::from_nanos(line.trim().parse().ok()?))
    }
}

/// The program inside: the median time of a program, for each line.
pub fn starter() {
    for _ in std::io::stdin().lines() {
        let mut times: Vec<Duration> = (0..PROGRAMS)
            .map(|_| {
                let start = Instant::now();
                let status = Command::new("/bin/true").status();
                assert!(status.is_ok_and(|status| status.success()), "/bin/true");
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{}", times[PROGRAMS / 2].as_nanos());
    }
}

/// `cargo build` of a small crate, from nothing.
fn build(audit: &Audit, rounds: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let crate_directory = directory.path().join("small");
    std::fs::create_dir_all(crate_directory.join("src")).expect("a directory");
    let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    std::fs::write(crate_directory.join("Cargo.toml"), manifest).expect("a manifest");
    let source = "use std::collections::BTreeMap;\nfn main() {\n    let words = std::env::args().map(|word| (word.len(), word));\n    println!(\"{:?}\", words.collect::<BTreeMap<_, _>>());\n}\n";
    std::fs::write(crate_directory.join("src/main.rs"), source).expect("a source");
    let builder = || Sandbox::builder().workspace(&crate_directory).toolchains();
    let unrecorded = builder().build().expect("a sandbox");
    let recorded = builder().audit(audit.clone()).build();
    let recorded = recorded.expect("a sandbox that is recorded");
    let contender = |name, sandbox: Sandbox| {
        let target = crate_directory.join("target");
        Contender::timing(name, move || {
            let _ = std::fs::remove_dir_all(&target);
            let start = Instant::now();
            let output = sandbox
                .command("cargo")
                .args(["build", "--offline"])
                .output()
                .expect("cargo inside");
            let time = start.elapsed();
            if !output.status.success() {
                eprintln!("{}", String::from_utf8_lossy(&output.stderr));
                return None;
            }
            Some(time)
        })
    };
    race(
        "cargo build of a small crate",
        vec![
            contender("unrecorded", unrecorded),
            contender("recorded", recorded),
        ],
        "unrecorded",
        rounds,
    );
}
