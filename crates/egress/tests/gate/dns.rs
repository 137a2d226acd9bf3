//! The resolver that programs inside ask.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, EventKind, NoAddress, Question, Settings, Verdict};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

const A: u16 = 1;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const HTTPS: u16 = 65;

const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_NAME: u8 = 3;

/// A question of class IN that wants recursion (RFC 1035, section 4.1).
fn question(name: &str, record: u16) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&record.to_be_bytes());
    message.extend_from_slice(&1u16.to_be_bytes());
    message
}

fn socket(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Response code, number of answers, and the last bytes of the reply.
fn ask(to: SocketAddr, name: &str, record: u16) -> (u8, u16, [u8; 4]) {
    let socket = socket(to);
    socket.send(&question(name, record)).unwrap();
    let mut reply = [0; 1024];
    let length = socket.recv(&mut reply).unwrap();
    let reply = &reply[..length];
    assert_eq!(reply[..2], [0xab, 0xcd]);
    assert_eq!(reply[2] & 0x80, 0x80, "it is an answer");
    let answers = u16::from_be_bytes([reply[6], reply[7]]);
    (reply[3] & 15, answers, *reply.last_chunk().unwrap())
}

fn lookup_denied(served: &Served, wanted: &str) -> Reason {
    served.event(|event| match (&event.kind, &event.decision) {
        (EventKind::Lookup { name, .. }, Decision::Denied(denied)) if name == wanted => {
            Some(denied.reason)
        }
        _ => None,
    })
}

#[test]
fn a_name_that_is_allowed_gets_an_address_of_its_own() {
    let served = serve(settings(&["a.test", "b.test"], 443));
    let (code, answers, a) = ask(served.dns, "a.test", A);
    assert_eq!((code, answers), (NO_ERROR, 1));
    let address = Ipv4Addr::from(a);
    assert_eq!(address.octets()[0], 198);
    assert!(matches!(address.octets()[1], 18 | 19), "{address}");
    assert_eq!(ask(served.dns, "A.Test", A).2, a);
    let (code, answers, b) = ask(served.dns, "b.test", A);
    assert_eq!((code, answers), (NO_ERROR, 1));
    assert_ne!(a, b);
    let (code, answers, _) = ask(served.dns, "a.test", AAAA);
    assert_eq!((code, answers), (NO_ERROR, 1));
    assert_eq!(served.told(), 0, "only refusals are told");
}

#[test]
fn a_name_that_is_not_allowed_does_not_exist_and_is_not_looked_up() {
    let counting = Counting::new(|_| found(&["127.0.0.1"]));
    let served = serve(Settings {
        resolve: Some(counting.clone()),
        ..settings(&["a.test"], 443)
    });
    for name in ["b.test", "secret.b.test", "secret.a.test"] {
        for record in [A, AAAA, TXT, HTTPS] {
            let (code, answers, _) = ask(served.dns, name, record);
            assert_eq!((code, answers), (NO_NAME, 0), "{name} {record}");
        }
        assert_eq!(lookup_denied(&served, name), Reason::NotAllowed);
    }
    assert_eq!(counting.asked(), 0);
    assert_eq!(ask(served.dns, "a.test", A).0, NO_ERROR);
    assert_eq!(counting.asked(), 1);
}

#[test]
fn other_records_of_a_name_that_is_allowed_are_empty() {
    let counting = Counting::new(|_| found(&["127.0.0.1"]));
    let served = serve(Settings {
        resolve: Some(counting.clone()),
        ..settings(&["a.test"], 443)
    });
    for record in [TXT, HTTPS] {
        let (code, answers, _) = ask(served.dns, "a.test", record);
        assert_eq!((code, answers), (NO_ERROR, 0));
    }
    assert_eq!(counting.asked(), 0);
    assert_eq!(ask(served.dns, "a.test", A).1, 1);
}

#[test]
fn what_the_hosts_resolver_does_not_find_is_not_there() {
    for (why, code) in [
        (NoAddress::NotFound, NO_NAME),
        (NoAddress::NoAnswer, SERVER_FAILURE),
        (NoAddress::Failed("broken".into()), SERVER_FAILURE),
    ] {
        let served = serve(Settings {
            resolve: Some(Counting::new(move |asked| match asked {
                0 => Box::pin(std::future::ready(Err(why.clone()))),
                _ => found(&["127.0.0.1"]),
            })),
            ..settings(&["a.test", "b.test"], 443)
        });
        assert_eq!(ask(served.dns, "a.test", A).0, code);
        assert_eq!(ask(served.dns, "b.test", A).0, NO_ERROR);
    }
}

#[test]
fn an_answer_and_a_connection_are_one_lookup() {
    let port = echo();
    let counting = Counting::new(|asked| match asked {
        0 => found(&["127.0.0.1"]),
        _ => found(&["10.0.0.1"]),
    });
    let served = serve(Settings {
        resolve: Some(counting.clone()),
        ..settings(&["a.test"], port)
    });
    assert_eq!(ask(served.dns, "a.test", A).0, NO_ERROR);
    echoes(&mut served.open("a.test", port));
    assert_eq!(counting.asked(), 1);
}

#[test]
fn garbage_gets_no_name_and_harms_nobody() {
    let served = serve(settings(&["a.test"], 443));
    let socket = socket(served.dns);
    let long = vec![0xff; 4000];
    let mut answer = question("a.test", A);
    answer[2] |= 0x80;
    for garbage in [
        &b""[..],
        b"x",
        b"\xab\xcd\x01\0\0\x01\0\0\0",
        &long,
        &answer,
    ] {
        socket.send(garbage).unwrap();
    }
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut reply = [0; 1024];
    let error = socket.recv(&mut reply).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    // Two questions, or a name that points at itself, get an error.
    let mut two = question("a.test", A);
    two[5] = 2;
    let pointer = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
    for malformed in [&two[..], pointer] {
        socket.send(malformed).unwrap();
        let length = socket.recv(&mut reply).unwrap();
        assert_ne!(reply[3] & 15, NO_ERROR, "{:?}", &reply[..length]);
        assert_eq!(reply[6..8], [0, 0]);
    }
    assert_eq!(ask(served.dns, "a.test", A).1, 1);
}

#[test]
fn the_hook_is_asked_about_names_too() {
    let served = serve(Settings {
        ask: Some(Arc::new(|question: Question| {
            assert_eq!(question.port, None);
            std::future::ready(match question.host.to_string().as_str() {
                "b.test" => Verdict::Allow,
                _ => Verdict::Deny,
            })
        })),
        ..settings(&[], 443)
    });
    assert_eq!(ask(served.dns, "b.test", A).1, 1);
    assert_eq!(ask(served.dns, "c.test", A).0, NO_NAME);
    assert_eq!(lookup_denied(&served, "c.test"), Reason::Refused);
}

#[test]
fn rules_that_are_replaced_hold_for_names() {
    let served = serve(settings(&["a.test"], 443));
    assert_eq!(ask(served.dns, "a.test", A).0, NO_ERROR);
    served.gate.replace(rules(&["b.test"], &[]));
    assert_eq!(ask(served.dns, "a.test", A).0, NO_NAME);
    assert_eq!(ask(served.dns, "b.test", A).0, NO_ERROR);
}
