//! The decision hook: what no rule decides is asked, and silence is no.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Ask, Question, Settings, Verdict};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);

fn with(ask: impl Ask, port: u16) -> Settings {
    Settings {
        ask: Some(Arc::new(ask)),
        ask_deadline: SHORT,
        ..settings(&["a.test"], port)
    }
}

/// A hook with one answer, and what it was asked.
fn answers(verdict: Verdict) -> (impl Ask, Arc<Mutex<Vec<Question>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let hook = move |question: Question| {
        kept.lock().unwrap().push(question);
        std::future::ready(verdict)
    };
    (hook, asked)
}

#[test]
fn yes_once_is_asked_each_time() {
    let port = echo();
    let (hook, asked) = answers(Verdict::Allow);
    let served = serve(with(hook, port));
    echoes(&mut served.open("a.test", port));
    assert!(asked.lock().unwrap().is_empty(), "a rule allows it");
    for times in 1..=2 {
        echoes(&mut served.open("b.test", port));
        assert_eq!(asked.lock().unwrap().len(), times);
    }
    let question = asked.lock().unwrap()[0].clone();
    assert_eq!(question.environment, served.attached.id());
    assert_eq!(question.host.to_string(), "b.test");
    assert_eq!(question.port, Some(port));
    assert_eq!(question.request, None);
}

#[test]
fn yes_always_is_asked_once_by_environment() {
    let port = echo();
    let (hook, asked) = answers(Verdict::AllowAlways);
    let served = serve(with(hook, port));
    for _ in 0..3 {
        echoes(&mut served.open("b.test", port));
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
    // It was about this name, and this environment.
    echoes(&mut served.open("c.test", port));
    assert_eq!(asked.lock().unwrap().len(), 2);
    let (_other, proxy, _) = attach(&served.gate);
    assert_eq!(connect(proxy, "b.test", port).1, 200);
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn no_is_no() {
    let port = echo();
    let (hook, asked) = answers(Verdict::Deny);
    let served = serve(with(hook, port));
    assert_eq!(served.status("b.test", port), 403);
    assert_eq!(served.denied("b.test"), Reason::Refused);
    assert_eq!(asked.lock().unwrap().len(), 1);
    echoes(&mut served.open("a.test", port));
}

#[test]
fn no_answer_in_time_is_no() {
    let port = echo();
    let hook = |question: Question| async move {
        if question.host.to_string() == "b.test" {
            std::future::pending::<()>().await;
        }
        Verdict::Allow
    };
    let served = serve(with(hook, port));
    let began = Instant::now();
    assert_eq!(served.status("b.test", port), 403);
    assert!(began.elapsed() >= SHORT);
    assert!(began.elapsed() < SHORT + Duration::from_secs(2));
    assert_eq!(served.denied("b.test"), Reason::NoAnswer);
    echoes(&mut served.open("c.test", port));
}

#[test]
fn what_a_rule_denies_is_never_asked_about() {
    let port = echo();
    let (hook, asked) = answers(Verdict::AllowAlways);
    let address = format!("127.0.0.1:{port}");
    let served = serve(Settings {
        rules: rules(&[address.as_str()], &["b.test"]),
        ..with(hook, port)
    });
    assert_eq!(served.status("b.test", port), 403);
    assert_eq!(served.denied("b.test"), Reason::Denied);
    // A yes to a name opens no special address, and none is asked about.
    assert_eq!(served.status("127.0.0.2", port), 403);
    assert_eq!(served.denied("127.0.0.2"), Reason::SpecialAddress);
    assert!(asked.lock().unwrap().is_empty());
    echoes(&mut served.open("c.test", port));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn a_yes_opens_no_special_address() {
    let port = echo();
    let (hook, asked) = answers(Verdict::Allow);
    let served = serve(Settings {
        rules: rules::<&str>(&[], &[]),
        ..with(hook, port)
    });
    assert_eq!(served.status("b.test", port), 403);
    assert_eq!(served.denied("b.test"), Reason::SpecialAddress);
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (hook, _) = answers(Verdict::Allow);
    echoes(&mut serve(with(hook, port)).open("b.test", port));
}

#[test]
fn a_hook_that_panics_has_not_answered() {
    let port = echo();
    let hook = |question: Question| {
        let host = question.host.to_string();
        assert_ne!(host, "b.test", "panics before it has a future");
        async move {
            assert_ne!(host, "c.test", "panics in its future");
            Verdict::Allow
        }
    };
    let served = serve(Settings {
        ask_deadline: PATIENCE,
        resolve: Some(Counting::new(|_| found(&["127.0.0.1"]))),
        ..with(hook, port)
    });
    for name in ["b.test", "c.test"] {
        let began = Instant::now();
        assert_eq!(served.status(name, port), 403);
        assert_eq!(served.denied(name), Reason::NoAnswer);
        assert!(began.elapsed() < PATIENCE / 2, "the deadline is waited for");
    }
    // It is asked again, and heard.
    echoes(&mut served.open("d.test", port));
}

#[test]
fn a_hook_that_blocks_its_thread_holds_up_nobody_else() {
    let port = echo();
    let (begun, blocked) = std::sync::mpsc::channel();
    let times = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&times);
    let hook = move |_: Question| {
        count.fetch_add(1, Ordering::SeqCst);
        begun.send(()).unwrap();
        std::thread::sleep(Duration::from_secs(3));
        std::future::ready(Verdict::Allow)
    };
    let served = serve(with(hook, port));
    std::thread::scope(|scope| {
        let denied = scope.spawn(|| {
            let began = Instant::now();
            assert_eq!(served.status("b.test", port), 403);
            began.elapsed()
        });
        blocked.recv().unwrap();
        let began = Instant::now();
        echoes(&mut served.open("a.test", port));
        assert!(began.elapsed() < Duration::from_secs(1));
        assert!(denied.join().unwrap() < Duration::from_secs(2));
    });
    assert_eq!(served.denied("b.test"), Reason::NoAnswer);
    assert_eq!(times.load(Ordering::SeqCst), 1);
    // Nor the end of the gate.
    let began = Instant::now();
    drop(served);
    assert!(began.elapsed() < Duration::from_secs(1));
}
