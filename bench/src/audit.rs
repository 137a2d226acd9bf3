//! Events into the record: how many a second, by what is done with them.

use cofferdam_audit::event::{Context, Network, NetworkAct};
use cofferdam_audit::log::{LogOptions, SigningKey, SyncPolicy, verify};
use cofferdam_audit::{Audit, Denial, Entry, Event, Redactor, Sink, SinkError};
use std::sync::Arc;
use std::time::Instant;

/// Takes events and does nothing: what the handle and the redaction cost.
struct Nothing;

impl Sink for Nothing {
    fn take(&mut self, _: &Entry) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Prints the figures, for so many thousand events in each case.
pub fn run(rounds: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let events = events();
    let redactor = Arc::new(Redactor::default());
    for (name, value) in [
        ("GITHUB_TOKEN", "v8Kd02mfLq7ZpX3cTr5YbN1wHs9GjE4a"),
        ("NPM_TOKEN", "Q2w9Er7Ty5Ui3Op1As8Df6Gh4Jk"),
        ("DATABASE", "correct horse battery staple"),
    ] {
        redactor.add(name, value.as_bytes()).expect("a value");
    }
    let plain = |sync| {
        let path = directory.path().join(format!("{sync:?}"));
        let key = SigningKey::generate().expect("a key");
        let log = LogOptions::new(&path).key(key).sync(sync);
        (path, Audit::builder().sink(log.open().expect("a log")))
    };
    println!("{} thousand events, execs and connections in turn", rounds);
    let handle = measure(
        "no sink",
        rounds,
        &events,
        Audit::builder().sink(Nothing).build(),
    );
    let redacted = Audit::builder()
        .sink(Nothing)
        .redact(redactor.clone())
        .build();
    let with = measure("no sink, redacted", rounds, &events, redacted);
    println!("redaction adds {:.0} ns to an event", (with - handle) * 1e9);
    for sync in [SyncPolicy::Never, SyncPolicy::AtHeads] {
        let (path, builder) = plain(sync);
        measure(
            &format!("file, sync {sync:?}"),
            rounds,
            &events,
            builder.build(),
        );
        std::fs::remove_file(path).expect("the log");
        let (path, builder) = plain(sync);
        let audit = builder.redact(redactor.clone()).build();
        measure(
            &format!("file, sync {sync:?}, redacted"),
            rounds,
            &events,
            audit,
        );
        let start = Instant::now();
        let verified = verify(&path).expect("it holds");
        let rate = verified.records as f64 / start.elapsed().as_secs_f64();
        println!("{:<34} {rate:>9.0} records/s", "verified");
        std::fs::remove_file(path).expect("the log");
    }
}

/// Prints the rate and gives the seconds for one event.
fn measure(name: &str, rounds: usize, events: &[(Context, Event)], audit: Audit) -> f64 {
    let count = rounds * 1000;
    // Made before, as a host does not copy its events.
    let copies: Vec<(Context, Event)> = events.iter().cycle().take(count).cloned().collect();
    let start = Instant::now();
    for (context, event) in copies {
        audit.record(context, event).expect("recorded");
    }
    let each = start.elapsed().as_secs_f64() / count as f64;
    println!(
        "{name:<34} {:>9.0} events/s {:>7.2} us each",
        1.0 / each,
        each * 1e6
    );
    each
}

/// What a build does.
fn events() -> Vec<(Context, Event)> {
    let context = Context {
        session: Some(12),
        command: Some(345),
        span: "00f067aa0ba902b7".parse().ok(),
        trace: "4bf92f3577b34da6a3ce929d0e0e4736".parse().ok(),
    };
    let exec = |argv: &[&str]| Event::Exec {
        pid: 48_211,
        parent: 48_190,
        path: format!("/usr/bin/{}", argv[0]),
        argv: argv.iter().map(|&text| text.to_owned()).collect(),
        truncated: false,
    };
    let connection = |host: &str, denial| {
        Event::Network(Network {
            what: NetworkAct::Connection,
            host: host.to_owned(),
            port: Some(443),
            address: Some("151.101.1.194:443".to_owned()),
            request: None,
            sent: 1833,
            received: 482_113,
            duration_us: 212_918,
            rule: "*.crates.io:443".to_owned(),
            times: 1,
            denial,
        })
    };
    let denial = Denial::certain(
        "network",
        "connect to evil.example:443",
        "no rule allows this name",
    )
    .remedy("ask the user for --network evil.example:443");
    let events = [
        exec(&[
            "git",
            "log",
            "--oneline",
            "-n",
            "20",
            "--",
            "crates/audit/src",
        ]),
        exec(&[
            "rustc",
            "--crate-name",
            "serde",
            "--edition=2021",
            "src/lib.rs",
            "--emit=dep-info,metadata,link",
        ]),
        connection("static.crates.io", None),
        exec(&["sh", "-c", "grep -rn 'fn main' src | sort -u | head -40"]),
        connection("evil.example", Some(denial)),
    ];
    events.map(|event| (context.clone(), event)).into()
}
