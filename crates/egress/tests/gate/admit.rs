//! What is let through only if it is admitted, and events that are told before an end is.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, EventKind};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[test]
fn nothing_is_connected_to_that_is_not_admitted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut settings = settings(&["a.test"], port);
    settings.admit = Some(Arc::new(|_| false));
    let served = serve(settings);
    assert_eq!(served.status("a.test", port), 403);
    assert_eq!(served.denied("a.test"), Reason::Unrecorded);
    assert!(listener.accept().is_err(), "the server was connected to");
}

#[test]
fn one_that_panics_has_not_said_yes() {
    let port = echo();
    let mut settings = settings(&["a.test"], port);
    let first = AtomicBool::new(true);
    settings.admit = Some(Arc::new(move |_| {
        assert!(!first.swap(false, Ordering::Relaxed), "as it should");
        true
    }));
    let served = serve(settings);
    assert_eq!(served.status("a.test", port), 403);
    assert_eq!(served.denied("a.test"), Reason::Unrecorded);
    echoes(&mut served.open("a.test", port));
}

#[test]
fn a_connection_is_admitted_before_and_told_of_afterwards() {
    let port = echo();
    let mut settings = settings(&["a.test"], port);
    let admitted = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&admitted);
    settings.admit = Some(Arc::new(move |event| {
        kept.lock().unwrap().push(event.clone());
        true
    }));
    let served = serve(settings);
    let mut stream = served.open("a.test", port);
    echoes(&mut stream);
    // What is denied anyway is nobody's to admit.
    assert_eq!(served.status("b.test", port), 403);
    let Served {
        attached, events, ..
    } = served;
    // Its connections end with the environment, and by then all of it has been told.
    drop(attached);
    let events = events.lock().unwrap();
    let admitted = admitted.lock().unwrap();
    let [first] = &admitted[..] else {
        panic!("{admitted:?}");
    };
    let rule = format!("a.test:{port}");
    assert!(
        matches!(
            &first.kind,
            EventKind::Connection {
                address: None,
                sent: 0,
                ..
            }
        ),
        "{first:?}"
    );
    assert_eq!(first.decision, Decision::Allowed(rule.clone()));
    let allowed = events.iter().find(|event| {
        matches!(&event.kind, EventKind::Connection { sent: 1.., .. })
            && event.decision == Decision::Allowed(rule.clone())
    });
    assert!(allowed.is_some(), "{events:?}");
}

#[test]
fn what_was_decided_is_told_once_it_has_settled() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let told = || {
        served.gate.settle();
        let events = served.events.lock().unwrap().split_off(0);
        events.iter().map(|event| event.times).sum::<u64>()
    };
    for _ in 0..50 {
        assert_eq!(served.status("b.test", port), 403);
        assert_eq!(told(), 1);
    }
    // Also what would have been told at the end of a second.
    for _ in 0..10 {
        assert_eq!(served.status("b.test", port), 403);
    }
    assert_eq!(told(), 10);
}
