//! What the proxy is told and refuses.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, EventKind, Settings};
use std::io::Write;
use std::net::Shutdown;

/// What is told of a program that sends this and no more.
fn told(bytes: &[u8]) -> (&'static str, Reason, String) {
    let served = serve(settings(&["a.test"], 443));
    let mut stream = client(served.proxy);
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    heard(stream);
    served.event(|event| match (&event.kind, &event.decision) {
        (EventKind::Proxy { protocol }, Decision::Denied(denied)) => {
            Some((*protocol, denied.reason, denied.remedy.clone()))
        }
        _ => None,
    })
}

#[test]
fn heads_that_are_refused_are_told_of() {
    let long = [&b"CONNECT a.test:443 HTTP/1.1\r\nA: "[..], &[b'a'; 17_000]].concat();
    for (bytes, protocol, reason, remedy) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "HTTP",
            Reason::Malformed,
            "names no server",
        ),
        (
            b"GET https://a.test/ HTTP/1.1\r\n\r\n",
            "HTTP",
            Reason::Protocol,
            "use CONNECT",
        ),
        (
            b"CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "HTTP",
            Reason::Malformed,
            "with a body",
        ),
        (b"what?\r\n\r\n", "HTTP", Reason::Malformed, "not a head"),
        (&long, "HTTP", Reason::Limit, "more than"),
        (
            b"CONNECT a.te",
            "HTTP",
            Reason::Malformed,
            "closed the connection",
        ),
        (
            &[4, 1, 1, 187, 127, 0, 0, 1, 0],
            "SOCKS4",
            Reason::Protocol,
            "SOCKS5",
        ),
        (
            &[5, 1, 2],
            "SOCKS5",
            Reason::Protocol,
            "insists on authentication",
        ),
        (
            &[5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 1, 187],
            "SOCKS5",
            Reason::Protocol,
            "only CONNECT",
        ),
        (
            &[5, 1, 0, 5, 1, 0, 3, 3, b'a', 0, b'b', 1, 187],
            "SOCKS5",
            Reason::Malformed,
            "neither a name nor an address",
        ),
        (
            &[5, 1, 0, 5, 1],
            "SOCKS5",
            Reason::Malformed,
            "closed the connection",
        ),
    ] {
        let found = told(bytes);
        let text = String::from_utf8_lossy(bytes).into_owned();
        assert_eq!((found.0, found.1), (protocol, reason), "{text}");
        assert!(found.2.contains(remedy), "{text}: {}", found.2);
    }
}

#[test]
fn a_program_that_says_nothing_is_not_told_of() {
    let served = serve(Settings::default());
    drop(client(served.proxy));
    let stream = client(served.proxy);
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(heard(stream).is_empty());
    assert_eq!(served.status("no.test", 1), 403);
    served.denied("no.test");
    assert_eq!(served.told(), 1);
}
