//! Rules that are replaced hold for connections that are open.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Question, Settings, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a connection may outlive its rule.
const AT_ONCE: Duration = Duration::from_millis(100);

#[test]
fn what_is_no_longer_allowed_is_closed_and_what_stays_allowed_goes_on() {
    let port = echo();
    let address = format!("127.0.0.1:{port}");
    let served = serve(settings(&["a.test", "b.test"], port));
    let mut ends = served.open("a.test", port);
    let mut stays = served.open("b.test", port);
    // One that has said nothing yet is open all the same.
    let mut silent = served.open("a.test", port);
    echoes(&mut ends);
    echoes(&mut stays);
    let began = Instant::now();
    served
        .gate
        .replace(rules(&["b.test", address.as_str()], &[]));
    assert!(ended(&mut ends));
    assert!(ended(&mut silent));
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(served.denied("a.test"), Reason::NotAllowed);
    echoes(&mut stays);
    // New connections go by the new rules.
    assert_eq!(served.status("a.test", port), 403);
    echoes(&mut served.open("b.test", port));
}

#[test]
fn a_rule_that_denies_ends_what_it_is_about() {
    let port = echo();
    let served = serve(settings(&["a.test", "b.test"], port));
    let mut ends = served.open("a.test", port);
    let mut stays = served.open("b.test", port);
    echoes(&mut ends);
    echoes(&mut stays);
    served
        .gate
        .replace(rules(&["*.test", "127.0.0.1"], &["a.test"]));
    assert!(ended(&mut ends));
    assert_eq!(served.denied("a.test"), Reason::Denied);
    echoes(&mut stays);
}

#[test]
fn an_address_that_is_no_longer_allowed_ends_the_names_that_led_there() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    let mut literal = served.open("127.0.0.1", port);
    echoes(&mut stream);
    echoes(&mut literal);
    let began = Instant::now();
    served.gate.replace(rules(&["a.test"], &[]));
    assert!(ended(&mut stream));
    assert!(ended(&mut literal));
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    served.gate.replace(rules(&["a.test", "127.0.0.1"], &[]));
    echoes(&mut served.open("a.test", port));
}

#[test]
fn what_a_hook_allowed_only_a_rule_that_denies_ends() {
    let port = echo();
    let served = serve(Settings {
        ask: Some(Arc::new(|_: Question| std::future::ready(Verdict::Allow))),
        ..settings(&[], port)
    });
    let mut stream = served.open("b.test", port);
    echoes(&mut stream);
    served.gate.replace(rules(&["a.test", "127.0.0.1"], &[]));
    std::thread::sleep(AT_ONCE);
    echoes(&mut stream);
    served.gate.replace(rules(&["127.0.0.1"], &["b.test"]));
    assert!(ended(&mut stream));
    assert_eq!(served.denied("b.test"), Reason::Denied);
}

#[test]
fn a_transfer_is_ended_too() {
    let port = server(|mut stream| {
        let block = vec![0; 1 << 16];
        while std::io::Write::write_all(&mut stream, &block).is_ok() {}
    });
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    let mut block = vec![0; 1 << 16];
    let mut read = || std::io::Read::read(&mut stream, &mut block);
    for _ in 0..64 {
        assert!(read().unwrap() > 0);
    }
    served.gate.replace(rules::<&str>(&[], &[]));
    let began = Instant::now();
    while read().is_ok_and(|length| length > 0) {
        assert!(began.elapsed() < PATIENCE, "it goes on");
    }
    assert_eq!(served.denied("a.test"), Reason::NotAllowed);
}
