//! What may be connected to: names, addresses, and the addresses that names lead to.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, EventKind, Settings};
use std::io::{Read, Write};

#[test]
fn a_name_is_allowed_by_its_rule_only() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    echoes(&mut served.open("a.test", port));
    echoes(&mut served.open("A.Test.", port));
    assert_eq!(served.status("b.test", port), 403);
    assert_eq!(served.denied("b.test"), Reason::NotAllowed);
    // The rule is about one port.
    assert_eq!(served.status("a.test", port ^ 1), 403);
    assert_eq!(served.denied("a.test"), Reason::NotAllowed);
}

#[test]
fn socks_is_decided_about_as_connect_is() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let (mut stream, code) = socks(served.proxy, "a.test", port);
    assert_eq!(code, 0);
    echoes(&mut stream);
    let (mut stream, code) = socks(served.proxy, "b.test", port);
    assert_eq!(code, 2, "not allowed by the rules (RFC 1928, section 6)");
    assert!(ended(&mut stream));
    assert_eq!(served.denied("b.test"), Reason::NotAllowed);
    // An address in the place of a name is an address.
    let (_, code) = socks(served.proxy, "127.0.0.2", port);
    assert_eq!(code, 2);
    let (mut stream, code) = socks(served.proxy, "127.1", port);
    assert_eq!(code, 0);
    echoes(&mut stream);
}

#[test]
fn what_is_denied_stays_denied_beside_a_rule_that_allows() {
    let port = echo();
    let mut settings = settings(&["a.test"], port);
    let address = format!("127.0.0.1:{port}");
    settings.rules = rules(&["*.test", "a.test", &address], &["b.test"]);
    let served = serve(settings);
    echoes(&mut served.open("a.test", port));
    assert_eq!(served.status("b.test", port), 403);
    assert_eq!(served.denied("b.test"), Reason::Denied);
}

#[test]
fn an_address_is_allowed_by_its_rule_only() {
    let port = echo();
    let without = serve(Settings {
        rules: rules(&["a.test", "*.test", "0.0.0.0/0"], &[]),
        ..settings(&[], port)
    });
    for spelling in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
        assert_eq!(without.status(spelling, port), 403, "{spelling}");
    }
    assert_eq!(without.denied("127.0.0.1"), Reason::SpecialAddress);
    let with = serve(settings(&[], port));
    for spelling in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
        echoes(&mut with.open(spelling, port));
    }
}

#[test]
fn a_name_leads_to_a_special_address_only_where_a_rule_names_that() {
    let port = echo();
    let name = format!("a.test:{port}");
    let refused = |allow: &[&str]| {
        let served = serve(Settings {
            rules: rules(allow, &[]),
            ..settings(&[], port)
        });
        assert_eq!(served.status("a.test", port), 403, "{allow:?}");
        served.denied("a.test")
    };
    assert_eq!(refused(&[&name]), Reason::SpecialAddress);
    assert_eq!(refused(&[&name, "0.0.0.0/0"]), Reason::SpecialAddress);
    assert_eq!(refused(&[&name, "127.0.0.2"]), Reason::SpecialAddress);
    echoes(&mut serve(settings(&["a.test"], port)).open("a.test", port));
}

#[test]
fn of_the_addresses_of_a_name_the_allowed_ones_are_used() {
    let port = says("127.0.0.1", 0, b"one");
    says("127.0.0.2", port, b"two");
    let both = || Counting::new(|_| found(&["127.0.0.2", "127.0.0.1"]));
    let name = format!("a.test:{port}");
    let word = |allow: &[&str]| {
        let served = serve(Settings {
            rules: rules(allow, &[]),
            resolve: Some(both()),
            ..Settings::default()
        });
        heard(served.open("a.test", port))
    };
    assert_eq!(word(&[&name, "127.0.0.1"]), b"one");
    assert_eq!(word(&[&name, "127.0.0.0/8"]), b"two");
}

#[test]
fn an_address_that_stands_for_no_name_leads_nowhere() {
    let served = serve(Settings {
        rules: rules(&["198.18.0.0/15", "127.0.0.1"], &[]),
        ..Settings::default()
    });
    assert_eq!(served.status("198.18.0.2", 80), 403);
    assert_eq!(served.denied("198.18.0.2"), Reason::NotAllowed);
    let port = echo();
    echoes(&mut served.open("127.0.0.1", port));
}

#[test]
fn an_event_says_what_was_decided_and_by_which_rule() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    stream.write_all(PLAIN).unwrap();
    drop(stream);
    let (rule, environment) = served.event(|event| match (&event.kind, &event.decision) {
        (EventKind::Connection { host, address, .. }, Decision::Allowed(rule)) => {
            assert_eq!(host.to_string(), "a.test");
            assert_eq!(address.unwrap(), (LOOPBACK, port).into());
            Some((rule.clone(), event.environment))
        }
        _ => None,
    });
    assert_eq!(rule, format!("a.test:{port}"));
    assert_eq!(environment, served.attached.id());
}

#[test]
fn what_is_no_request_to_a_proxy_gets_nowhere() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    for garbage in [
        &b"\x04\x01\0\x50\x7f\0\0\x01\0"[..],
        b"\x05\x01\x02",
        b"CONNECT a.test HTTP/1.1\r\n\r\n",
        b"CONNECT a.test:0 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = client(served.proxy);
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let fine = answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(&[5, 0]);
        assert!(!fine, "{garbage:?}: {answer:?}");
    }
    assert_eq!(served.told(), 6, "each is told of");
    echoes(&mut served.open("a.test", port));
}
