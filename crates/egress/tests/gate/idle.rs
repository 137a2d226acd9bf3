//! What connections cost that say nothing.

use crate::rig::*;
use std::io::Write;
use std::net::TcpListener;

const CONNECTIONS: usize = 1000;

/// What each may take. A thousand are to take less than 20 MiB.
const EACH: usize = 20 * 1024;

/// Set in the process that measures, which has no other test in it.
const ALONE: &str = "COFFERDAM_TEST_ALONE";

/// Resident memory of this process, in bytes (proc_pid_status(5)).
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let text = line.unwrap().trim().trim_end_matches(" kB");
    text.parse::<usize>().unwrap() * 1024
}

/// Descriptors that this process may have (proc_pid_limits(5)).
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.unwrap().split_whitespace().next().unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

#[test]
fn idle_connections_cost_little() {
    if std::env::var_os(ALONE).is_some() {
        return measure();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "idle::idle_connections_cost_little",
        ])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("1 passed"), "{text}");
}

fn measure() {
    // Each has two descriptors of the gate, one of the program and one of the server.
    let count = CONNECTIONS.min((descriptors() - 64) / 4);
    if count < CONNECTIONS {
        println!("RLIMIT_NOFILE allows {count} connections of {CONNECTIONS}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // One thread that keeps what it accepts, and answers nothing.
    std::thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    let served = serve(settings(&["a.test"], port));
    let mut open = vec![served.open("a.test", port)];
    let before = resident();
    for index in 1..count {
        let mut stream = served.open("a.test", port);
        // Half of them are only opened, half have said something.
        if index % 2 == 0 {
            stream.write_all(PLAIN).unwrap();
        }
        open.push(stream);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let grown = resident().saturating_sub(before);
    assert_eq!(served.told(), 0, "none has ended");
    println!("{count} idle connections: {} KiB", grown / 1024);
    assert!(grown < count * EACH, "{grown} bytes for {count}");
}
