//! What connections cost that do nothing.

use super::client::Client;
use cofferdam::Session;

/// How many there are.
const CONNECTIONS: usize = 1000;

/// Opens them and prints how much memory of this process they took.
pub fn measure(session: &Session, to: &str) {
    let client = Client::inside(session, to, None);
    assert!(client.time("new").is_some(), "a first connection");
    let before = resident();
    let opened = client.time(&format!("idle {CONNECTIONS}"));
    assert_eq!(
        opened.map(|count| count.as_nanos()),
        Some(CONNECTIONS as u128),
        "connections that were opened"
    );
    let after = resident();
    println!(
        "{CONNECTIONS} idle connections: {:.1} MiB more resident",
        after.saturating_sub(before) as f64 / 1024.0
    );
}

/// Resident memory of this process in KiB (proc_pid_status(5)).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.expect("VmRSS").trim().trim_end_matches(" kB");
    line.parse().expect("a number")
}
