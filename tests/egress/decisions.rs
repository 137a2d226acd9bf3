//! Rules replaced while connections are open, denials, and the hook that is asked.

use crate::servers::{Http, PAGE, Raw};
use crate::support::*;
use cofferdam::{Ask, NetworkReason, Question, Verdict};
use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How soon connections that are no longer allowed are closed.
const CLOSED: Duration = Duration::from_millis(100);

#[test]
fn connections_that_are_no_longer_allowed_are_closed() {
    let (kept, gone) = (Raw::new(), Raw::new());
    let rules = |ports: &[u16]| -> Vec<String> {
        let both = |port: &u16| [format!("server.test:{port}"), format!("127.0.0.1:{port}")];
        ports.iter().flat_map(both).collect()
    };
    let all = rules(&[kept.port, gone.port]);
    let gated = plan(&all.iter().map(String::as_str).collect::<Vec<_>>()).build();
    // A null byte begins no HTTP, so it is passed on at once.
    let program = format!(
        "import socket as s, sys\na = s.create_connection(('server.test', {})); b = s.create_connection(('server.test', {}))\na.sendall(b'\\0a'); b.sendall(b'\\0b'); print('open', flush=True)\nb.settimeout(20)\ntry: b.recv(1)\nexcept OSError as e: pass\nprint('closed', flush=True)\na.settimeout(1)\ntry: print('also' if a.recv(1) == b'' else 'data')\nexcept TimeoutError: print('kept')\nexcept OSError: print('also')",
        kept.port, gone.port
    );
    let mut command = gated.sandbox.command(PYTHON);
    command
        .args(["-c", &program])
        .stdout(cofferdam::Stdio::piped())
        .timeout(PATIENCE);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}"));
    let mut out = child.stdout.take().expect("piped");
    let mut word = |expected: &str| {
        let mut text = vec![0; expected.len()];
        out.read_exact(&mut text).expect("a word");
        assert_eq!(String::from_utf8_lossy(&text), expected);
    };
    word("open\n");
    assert!(within(Duration::from_secs(5), || gone.seen() == b"\0b"
        && kept.seen() == b"\0a"));
    let start = Instant::now();
    gated.replace(&rules(&[kept.port]));
    word("closed\n");
    let took = start.elapsed();
    word("kept\n");
    println!("closed after {took:?}");
    assert!(took < CLOSED, "{took:?}");
    let script = format!(
        "exec curl -sS --max-time 5 http://server.test:{}/",
        gone.port
    );
    assert!(!gated.sh(&script).success);
}

#[test]
fn a_denial_wins() {
    let server = Http::new();
    let port = server.port;
    let script = format!("exec curl -sS --fail --max-time 10 http://server.test:{port}/");
    let deny = |rule: &str| {
        let rule = rule.to_owned();
        let plan = allowing("*.test", port);
        plan.with(|builder| builder.network(|network| network.deny(rule.as_str())))
            .build()
    };
    let gated = deny("server.test");
    assert!(!gated.sh(&script).success && server.connections() == 0);
    assert!(
        gated.denied("server.test", NetworkReason::Denied),
        "{}",
        gated.told()
    );
    assert!(deny("other.test").sh(&script).stdout.contains(PAGE));
}

#[test]
fn nothing_is_reached_without_a_rule() {
    let server = Http::new();
    let gated = plan(&[]).build();
    let script = format!(
        "exec curl -sS --fail --max-time 10 http://server.test:{}/",
        server.port
    );
    assert!(!gated.sh(&script).success && server.connections() == 0);
    assert!(
        gated.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        gated.told()
    );
    assert!(gated.lookups().is_empty());
}

/// Answers what it was made with; counts.
struct Hook {
    verdict: Option<Verdict>,
    asked: Arc<AtomicUsize>,
}

impl Ask for Hook {
    fn ask(&self, _: Question) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.verdict {
            Some(verdict) => Box::pin(std::future::ready(verdict)),
            None => Box::pin(std::future::pending()),
        }
    }
}

#[test]
fn the_hook_decides_what_no_rule_does() {
    let server = Http::new();
    let port = server.port;
    let script = format!("exec curl -sS --fail --max-time 10 http://server.test:{port}/");
    let with = |verdict, denied: bool| {
        let asked = Arc::new(AtomicUsize::new(0));
        let hook = Hook {
            verdict,
            asked: Arc::clone(&asked),
        };
        let plan = plan(&[&format!("127.0.0.1:{port}")]).with(|builder| {
            let builder = builder.ask(hook, Duration::from_millis(500));
            match denied {
                true => builder.network(|network| network.deny("server.test")),
                false => builder,
            }
        });
        (plan.build(), asked)
    };
    let (gated, asked) = with(Some(Verdict::AllowAlways), false);
    for _ in 0..3 {
        assert!(gated.sh(&script).stdout.contains(PAGE), "{}", gated.told());
    }
    assert!(asked.load(Ordering::Relaxed) > 0);
    let before = server.connections();
    let (gated, asked) = with(Some(Verdict::Deny), false);
    assert!(!gated.sh(&script).success);
    // The lookups of one name, for IPv4 and for IPv6, are one question.
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(
        gated.denied("server.test", NetworkReason::Refused),
        "{}",
        gated.told()
    );
    let (gated, _) = with(None, false);
    let start = Instant::now();
    assert!(!gated.sh(&script).success);
    assert!(start.elapsed() < Duration::from_secs(8));
    assert!(
        gated.denied("server.test", NetworkReason::NoAnswer),
        "{}",
        gated.told()
    );
    // What a rule denies is nobody's to allow.
    let (gated, asked) = with(Some(Verdict::AllowAlways), true);
    assert!(!gated.sh(&script).success);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(server.connections(), before);
}
