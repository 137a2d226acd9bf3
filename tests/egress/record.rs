//! What is recorded of the network, and that nothing is reached that is not.

use crate::servers::{Http, PAGE};
use crate::support::*;
use cofferdam::audit::event::{Context, Network, NetworkAct};
use cofferdam::audit::{Entry, Event, Sink, SinkError};
use cofferdam::policy::Secret;
use cofferdam::{Audit, Confidence, Stdio};
use std::sync::{Arc, Mutex};

type Entries = Arc<Mutex<Vec<Entry>>>;

/// Keeps what it gets, but for what it is to refuse.
struct Keeps {
    entries: Entries,
    refuses: fn(&Event) -> bool,
}

impl Sink for Keeps {
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        if (self.refuses)(&entry.event) {
            return Err(SinkError::new("the disk is full"));
        }
        self.entries.lock().expect("a lock").push(entry.clone());
        Ok(())
    }
}

fn recorded(plan: Plan, refuses: fn(&Event) -> bool) -> (Gated, Entries) {
    let entries = Entries::default();
    let sink = Keeps {
        entries: Arc::clone(&entries),
        refuses,
    };
    let audit = Audit::builder().sink(sink).build();
    (plan.with(|builder| builder.audit(audit)).build(), entries)
}

fn network(entries: &Entries) -> Vec<(Context, Network)> {
    let entries = entries.lock().expect("a lock");
    let network = |entry: &Entry| match &entry.event {
        Event::Network(network) => Some((entry.context.clone(), network.clone())),
        _ => None,
    };
    entries.iter().filter_map(network).collect()
}

fn under(span: &str) -> Context {
    Context {
        span: Some(span.parse().expect("a span")),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".parse().expect("a trace")),
        ..Context::default()
    }
}

fn get(port: u16, host: &str) -> String {
    format!("exec curl -sS --fail --max-time 10 http://{host}:{port}/")
}

#[test]
fn a_connection_is_recorded_before_it_is_opened_and_when_it_has_ended() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let (gated, entries) = recorded(allowing("server.test", server.port), |_| false);
    let mut command = gated.sandbox.command("sh");
    command.args(["-c", &get(server.port, "server.test")]);
    let output = command
        .under(&under("00f067aa0ba902b7"))
        .output()
        .expect("sh");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains(PAGE),
        "{output:?}"
    );
    assert!(output.denials.is_empty(), "{:?}", output.denials);
    // All of it stands there once the command has ended.
    let events = network(&entries);
    let acts: Vec<NetworkAct> = events.iter().map(|(_, event)| event.what).collect();
    assert_eq!(
        acts,
        [
            NetworkAct::Opening,
            NetworkAct::Request,
            NetworkAct::Connection
        ],
        "{events:?}"
    );
    let [opening, ended] = [&events[0].1, &events[2].1];
    assert_eq!(
        (&*opening.host, opening.port),
        ("server.test", Some(server.port))
    );
    assert_eq!((opening.sent, opening.received), (0, 0));
    assert_eq!(opening.rule, format!("server.test:{}", server.port));
    assert!(
        ended.sent > 0 && ended.received >= PAGE.len() as u64,
        "{ended:?}"
    );
    assert_eq!(ended.address, Some(format!("127.0.0.1:{}", server.port)));
    let all = entries.lock().expect("a lock").clone();
    let context = &all[1].context;
    assert!(
        matches!(all[1].event, Event::CommandStarted { .. }),
        "{all:?}"
    );
    assert!(context.command.is_some() && context.span.is_some());
    assert!(events.iter().all(|(of, _)| of == context), "{events:?}");
    assert!(matches!(
        all.last().map(|one| &one.event),
        Some(Event::SessionEnded { .. })
    ));
    // The host's own listener hears as before.
    assert!(gated.passed("server.test", server.port).is_some());
}

#[test]
fn a_denial_is_recorded_and_told_with_what_would_allow_it() {
    if program("curl").is_none() {
        return;
    }
    let (gated, entries) = recorded(allowing("server.test", 1), |_| false);
    let output = gated
        .sandbox
        .command("sh")
        .args(["-c", &get(1, "other.test")])
        .output();
    let output = output.expect("sh");
    assert!(!output.status.success());
    // Nothing is concluded where the gate itself has told.
    assert_eq!(output.denials.len(), 1, "{:?}", output.denials);
    let denial = &output.denials[0];
    assert_eq!(
        (&*denial.layer, denial.confidence),
        ("network", Confidence::Certain)
    );
    let text = denial.for_model();
    assert!(
        text.starts_with("The sandbox refused to look up other.test"),
        "{text}"
    );
    for remedy in ["--network 'other.test'", "net.allow(\"other.test\")"] {
        assert!(denial.remedy.contains(remedy), "{remedy}: {denial:?}");
    }
    let events = network(&entries);
    assert!(
        !events.is_empty()
            && events
                .iter()
                .all(|(_, one)| one.denial.as_ref() == Some(denial)),
        "{events:?}"
    );
}

#[test]
fn nothing_is_reached_that_is_not_recorded() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let opening = |event: &Event| matches!(event, Event::Network(network) if network.what == NetworkAct::Opening);
    let (gated, _) = recorded(allowing("server.test", server.port), opening);
    let script = get(server.port, "server.test");
    let output = gated
        .sandbox
        .command("sh")
        .args(["-c", &script])
        .output()
        .expect("sh");
    assert!(!output.status.success());
    assert_eq!(server.connections(), 0);
    let reasons: Vec<&str> = output.denials.iter().map(|one| &*one.reason).collect();
    assert_eq!(reasons, ["it cannot be recorded"]);
    // What went wrong with the record is not the program's to know.
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("disk"),
        "{output:?}"
    );
    // The control: the same without a sink that refuses.
    let (gated, _) = recorded(allowing("server.test", server.port), |_| false);
    assert!(gated.sh(&script).stdout.contains(PAGE));
}

#[test]
fn a_secret_is_recorded_before_it_is_used() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let value = canary();
    let held = tempfile::tempdir().expect("a directory");
    let file = held.path().join("token");
    std::fs::write(&file, &value).expect("a file");
    let port = server.port;
    let secret = || {
        let secret = Secret::default().env("TOKEN").from_file(&file);
        secret.bearer_for(format!("server.test:{port}").as_str())
    };
    let plan = || allowing("server.test", port).with(|builder| builder.secret(|_| secret()));
    let script = format!(
        "exec curl -sS --fail --max-time 10 -H \"Authorization: Bearer $TOKEN\" http://server.test:{port}/"
    );
    let with_value = || {
        let seen = server.seen();
        seen.iter()
            .filter(|request| format!("{request:?}").contains(&value))
            .count()
    };
    let (gated, _) = recorded(plan(), |event| matches!(event, Event::SecretUsed { .. }));
    assert!(!gated.sh(&script).success);
    assert_eq!(with_value(), 0);
    let (gated, entries) = recorded(plan(), |_| false);
    let answer = gated.sh(&script);
    assert!(answer.success, "{answer:?}");
    assert_eq!(with_value(), 1, "the control");
    let all = entries.lock().expect("a lock").clone();
    let used = |entry: &&Entry| matches!(entry.event, Event::SecretUsed { .. });
    let used: Vec<&Entry> = all.iter().filter(used).collect();
    let expected = Event::SecretUsed {
        name: "TOKEN".into(),
        host: "server.test".into(),
    };
    assert_eq!(
        used.iter().map(|one| &one.event).collect::<Vec<_>>(),
        [&expected]
    );
    assert!(
        !format!("{all:?}").contains(&value),
        "the value is recorded"
    );
    let acts: Vec<NetworkAct> = network(&entries)
        .into_iter()
        .map(|(_, one)| one.what)
        .collect();
    assert_eq!(
        acts,
        [
            NetworkAct::Opening,
            NetworkAct::Request,
            NetworkAct::Connection
        ]
    );
}

#[test]
fn in_a_session_the_tool_call_is_known_where_it_is_the_only_one() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let (gated, entries) = recorded(allowing("server.test", server.port), |_| false);
    let session = gated.sandbox.start().expect("a session");
    let script = get(server.port, "server.test");
    let one = under("00f067aa0ba902b7");
    let fetch = |context: Option<&Context>| {
        let mut command = session.command("sh");
        command.args(["-c", &script]);
        if let Some(context) = context {
            command.under(context);
        }
        assert!(command.output().expect("sh").status.success());
        let mut opened = network(&entries);
        opened.retain(|(_, network)| network.what == NetworkAct::Opening);
        let (context, _) = opened.pop().expect("a connection");
        assert_eq!(context.command, None);
        context.span
    };
    assert_eq!(fetch(None), None);
    assert_eq!(fetch(Some(&one)), one.span);
    let mut cat = session.command("cat");
    let cat = cat.stdin(Stdio::piped()).under(&under("00f067aa0ba902b8"));
    let mut cat = cat.spawn().expect("cat");
    assert_eq!(fetch(Some(&one)), None, "two are active");
    drop(cat.stdin.take());
    cat.wait().expect("its end");
    assert_eq!(fetch(Some(&one)), one.span);
    // What a command was denied is known when it has ended.
    for _ in 0..10 {
        let denied = get(server.port, "other.test");
        let output = session
            .command("sh")
            .args(["-c", &denied])
            .output()
            .expect("sh");
        assert_eq!(output.denials.len(), 1, "{output:?}");
    }
    assert_eq!(session.denials().len(), 1);
}
