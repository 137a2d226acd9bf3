//! Snapshots: one session is prepared and frozen, and three start from where it was.
//!
//! `cargo run --example snapshot_fork`

use cofferdam::{Sandbox, Snapshot};
use std::error::Error;
use std::time::Instant;

/// Stands for an installation of dependencies, which takes its time and many files.
const PREPARE: &str = r#"
mkdir deps
for n in $(seq 500); do echo "$n" > "deps/$n"; done
"#;

const ATTEMPTS: [&str; 3] = [
    "sort -n numbers > sorted",
    "sort -rn numbers > sorted",
    "rm -r deps; exit 3",
];

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = tempfile::tempdir()?;
    std::fs::write(workspace.path().join("numbers"), "10\n9\n8\n")?;
    let sandbox = Sandbox::builder()
        .overlay_workspace(workspace.path())
        .build()?;

    let session = sandbox.start()?;
    let started = Instant::now();
    session.command("sh").args(["-ec", PREPARE]).status()?;
    println!("prepared in {:?}", started.elapsed());
    let snapshot = session.snapshot(&format!("example-{}", std::process::id()))?;

    let forked = fork(&sandbox, &snapshot);
    // It is kept until somebody removes it, also when this program has ended.
    snapshot.remove()?;
    forked
}

/// Each session has the prepared files, sees nothing of the others, and changes nothing of the snapshot.
fn fork(sandbox: &Sandbox, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    let mut sessions = Vec::new();
    for attempt in ATTEMPTS {
        let started = Instant::now();
        let session = sandbox.start_from(snapshot)?;
        println!("{attempt:?} starts after {:?}", started.elapsed());
        let child = session.command("sh").args(["-c", attempt]).spawn()?;
        sessions.push((session, child));
    }
    for ((session, child), attempt) in sessions.iter_mut().zip(ATTEMPTS) {
        let status = child.wait()?;
        let script = "ls deps 2> /dev/null | wc -l; cat sorted 2> /dev/null | head -n 1";
        let output = session.command("sh").args(["-c", script]).output()?;
        let said = String::from_utf8(output.stdout)?;
        println!(
            "{attempt:?}: {status}; {:?}",
            said.split_whitespace().collect::<Vec<_>>()
        );
        let expected = match attempt {
            "sort -n numbers > sorted" => "500 8",
            "sort -rn numbers > sorted" => "500 10",
            _ => "0",
        };
        if said.split_whitespace().collect::<Vec<_>>().join(" ") != expected {
            return Err(format!("{said:?} is not {expected:?}").into());
        }
    }
    Ok(())
}
