//! Events, and writers in processes of their own.
#![allow(dead_code, reason = "not every test uses all of it")]

use cofferdam_audit::event::{Context, Network, NetworkAct};
use cofferdam_audit::log::{LogOptions, SigningKey, SyncPolicy};
use cofferdam_audit::{Audit, Denial, Event};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

pub fn exec(number: u64) -> Event {
    Event::Exec {
        pid: 4242,
        parent: 4200,
        path: "/usr/bin/git".to_owned(),
        argv: vec![
            "git".to_owned(),
            "show".to_owned(),
            format!("HEAD~{number}"),
        ],
        truncated: false,
    }
}

pub fn note(name: &str) -> Event {
    Event::Note {
        name: name.to_owned(),
        attributes: Default::default(),
    }
}

pub fn denied() -> Event {
    Event::Network(Network {
        denial: Some(Denial::certain(
            "network",
            "connect to evil.example:443",
            "no rule allows it",
        )),
        ..Network::new(NetworkAct::Connection, "evil.example", Some(443))
    })
}

const VARIABLE: &str = "COFFERDAM_AUDIT_TEST_WRITER";

/// This test program again, as a writer of the log.
pub fn spawn(path: &Path, what: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "common::writer",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(VARIABLE, format!("{what} {}", path.display()));
    command.stdout(std::process::Stdio::null());
    command.spawn().unwrap()
}

pub fn child(path: &Path, what: &str) -> ExitStatus {
    spawn(path, what).wait().unwrap()
}

/// Does nothing unless this process was made by `spawn`.
#[test]
fn writer() {
    let Ok(told) = std::env::var(VARIABLE) else {
        return;
    };
    let (what, path) = told.split_once(' ').unwrap();
    let path = Path::new(path);
    match what {
        "forever" => forever(path),
        "full" => full(path),
        other => panic!("{other}"),
    }
}

fn forever(path: &Path) {
    use std::io::Write;
    let key = SigningKey::load_or_generate(path.with_file_name("key")).unwrap();
    let log = LogOptions::new(path)
        .key(key)
        .head_every(10)
        .rotate_size(200_000)
        .sync(SyncPolicy::Never)
        .open()
        .unwrap();
    let audit = Audit::builder().sink(log).build();
    let mut told = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path.with_file_name("told"))
        .unwrap();
    loop {
        audit.record(Context::default(), note("taken")).unwrap();
        told.write_all(b".").unwrap();
    }
}

fn full(path: &Path) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let key = SigningKey::generate().unwrap();
    let log = LogOptions::new(path).key(key).open().unwrap();
    let audit = Audit::builder().sink(log).build();
    let before = getrlimit(Resource::Fsize);
    // Without this the signal of the limit would end the process; an ignored one stays so over exec.
    if std::env::var_os("COFFERDAM_AUDIT_IGNORED").is_none() {
        drop(audit);
        std::fs::remove_file(path).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        command.arg(std::env::current_exe().unwrap());
        command
            .args(["--exact", "common::writer"])
            .env("COFFERDAM_AUDIT_IGNORED", "1");
        assert!(command.status().unwrap().success());
        return;
    }
    let limit = Rlimit {
        current: Some(1500),
        maximum: before.maximum,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let refused = (0..20).filter(|n| audit.record(Context::default(), exec(*n)).is_err());
    assert!(refused.count() > 10);
    let length = std::fs::metadata(path).unwrap().len();
    assert!(length < 1500, "a part of a line has stayed: {length}");
    setrlimit(Resource::Fsize, before).unwrap();
    audit.record(Context::default(), exec(99)).unwrap();
}
