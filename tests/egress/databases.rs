//! psql against PostgreSQL and redis-cli against Redis: protocols that no proxy variable reaches.

use crate::servers::{Process, free_port, host};
use crate::support::*;
use cofferdam::NetworkReason;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A server program of PostgreSQL, which Debian keeps out of `PATH`.
fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|entry| entry.path().join("bin").join(name))
        .collect();
    found.retain(|path| path.is_file());
    found.sort();
    found.pop().or_else(|| program(name))
}

/// The ids of the user that PostgreSQL runs as: it does not run as root.
fn postgres_user() -> Option<(u32, u32)> {
    if !is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").expect("accounts");
    let line = accounts
        .lines()
        .find(|line| line.starts_with("postgres:"))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
}

fn as_server_user(program: &Path, ids: Option<(u32, u32)>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    if let Some((user, group)) = ids {
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    command
}

fn postgres() -> Option<(TempDir, u16, Process)> {
    let (initdb, server) = (postgres_program("initdb")?, postgres_program("postgres")?);
    let ids = postgres_user();
    if is_root() && ids.is_none() {
        lacks("a user named postgres");
        return None;
    }
    let held = tempfile::tempdir().expect("a directory");
    if let Some((user, group)) = ids {
        chown(held.path(), Some(user), Some(group)).expect("an owner");
    }
    let data = held.path().join("data");
    let mut command = as_server_user(&initdb, ids);
    command.args(["-A", "trust", "-U", "tester", "--no-sync", "-D"]);
    host(command.arg(&data));
    let port = free_port();
    let mut command = as_server_user(&server, ids);
    command
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-k"]);
    let process = Process::start(command.arg(held.path()).stderr(std::process::Stdio::null()));
    Some((held, port, process.listening(port)))
}

#[test]
fn psql() {
    if program("psql").is_none() {
        return;
    }
    let Some((_held, port, _process)) = postgres() else {
        return;
    };
    // Debian's own psql is a script about clusters that are installed.
    let client = postgres_program("psql").expect("found before");
    let client = client.display();
    // The server answers with a function's result, so that it is the server who speaks.
    let script = format!(
        "exec {client} -X -At 'host=server.test port={port} user=tester dbname=postgres connect_timeout=20' \
         -c \"select 'sum is ' || sum(n) from generate_series(1, 100000) n\""
    );
    let refused = allowing("other.test", port).build();
    let answer = refused.sh(&script);
    assert!(
        !answer.success && !answer.stdout.contains("sum is"),
        "{answer:?}"
    );
    assert!(
        refused.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        refused.told()
    );
    let allowed = allowing("server.test", port).build();
    let answer = allowed.sh(&script);
    assert_eq!(
        answer.stdout.trim(),
        "sum is 5000050000",
        "{answer:?}\n{}",
        allowed.told()
    );
    assert!(
        allowed.passed("server.test", port).is_some(),
        "{}",
        allowed.told()
    );
}

#[test]
fn redis_cli() {
    let (Some(server), Some(client)) = (program("redis-server"), program("redis-cli")) else {
        return;
    };
    let held = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let mut command = Command::new(server);
    command
        .current_dir(held.path())
        .args(["--port", &port.to_string()]);
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let _process = Process::start(&mut command).listening(port);
    let value = canary();
    let script = format!(
        "exec {} -h server.test -p {port} set key {value}",
        client.display()
    );
    let on_host = || {
        let mut command = Command::new(&client);
        host(command.args(["-p", &port.to_string(), "get", "key"]))
    };
    let refused = allowing("other.test", port).build();
    let answer = refused.sh(&script);
    assert!(!answer.stdout.contains("OK"), "{answer:?}");
    assert!(!on_host().contains(&value));
    assert!(
        refused.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        refused.told()
    );
    let allowed = allowing("server.test", port).build();
    let answer = allowed.sh(&script);
    assert_eq!(answer.stdout.trim(), "OK", "{answer:?}\n{}", allowed.told());
    assert_eq!(on_host().trim(), value);
}
