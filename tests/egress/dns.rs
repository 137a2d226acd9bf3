//! DNS, UDP and QUIC: nothing that a program asks leaves, unless the name is allowed.

use crate::servers::{Http, PAGE};
use crate::support::*;
use cofferdam::NetworkReason;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Asks a DNS server, by UDP or TCP, for records of a name: return code and number of answers.
const ASK: &str = include_str!("programs/ask.py");

fn ask(gated: &Gated, transport: &str, server: &str, name: &str, kind: u16) -> String {
    let answer = gated.run(
        PYTHON,
        &["-c", ASK, transport, server, name, &kind.to_string()],
    );
    assert!(answer.success, "{answer:?}");
    answer.stdout.trim().into()
}

const A: u16 = 1;
const TXT: u16 = 16;
const NXDOMAIN: &str = "code 3 answers 0";

#[test]
fn names_that_are_not_allowed_do_not_exist_and_are_not_asked_for() {
    if !python_has("socket") {
        return;
    }
    let gated = allowing("server.test", 8080).build();
    for transport in ["udp", "tcp"] {
        // Any server a program names is answered by the gate.
        for server in ["127.0.0.1", "192.0.2.53", "8.8.8.8"] {
            let payload = format!("{}.tunnel.test", canary());
            for kind in [A, TXT, 28, 15, 5, 65, 255, 10] {
                let answer = ask(&gated, transport, server, &payload, kind);
                assert_eq!(answer, NXDOMAIN, "{transport} {server} {kind}");
            }
            assert!(
                gated.denied(&payload, NetworkReason::NotAllowed),
                "{}",
                gated.told()
            );
            assert_eq!(
                ask(&gated, transport, server, "server.test", A),
                "code 0 answers 1"
            );
        }
    }
    let asked = gated.lookups();
    assert!(
        !asked.is_empty() && asked.iter().all(|name| name == "server.test"),
        "{asked:?}"
    );
}

#[test]
fn other_records_of_an_allowed_name_say_nothing() {
    let gated = allowing("*.server.test", 8080).build();
    let payload = format!("{}.server.test", canary());
    for kind in [TXT, 15, 5, 65, 64, 33, 10, 255] {
        let answer = ask(&gated, "udp", "127.0.0.1", &payload, kind);
        assert!(answer.ends_with("answers 0"), "{kind}: {answer}");
    }
    // No question of those kinds went out; one for an address does, as a program needs it.
    assert!(gated.lookups().is_empty(), "{:?}", gated.lookups());
    ask(&gated, "udp", "127.0.0.1", &payload, A);
    assert_eq!(gated.lookups(), [payload]);
}

#[test]
fn datagrams_reach_nothing() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_nonblocking(true).expect("a mode");
    let port = socket.local_addr().expect("an address").port();
    // The name and the address are allowed, for TCP.
    let gated = allowing("server.test", port).build();
    let send = format!(
        "import socket as s\nfor at in (s.gethostbyname('server.test'), '127.0.0.1', '192.0.2.1'):\n  u = s.socket(s.AF_INET, s.SOCK_DGRAM); u.settimeout(1); u.connect((at, {port}))\n  try:\n    u.send(b'attack'); u.recv(9)\n  except ConnectionRefusedError: print('refused')\n  except Exception as e: print(type(e))"
    );
    let answer = gated.run(PYTHON, &["-c", &send]);
    settle();
    assert!(socket.recv(&mut [0; 16]).is_err(), "a datagram got out");
    // At once, so that QUIC clients fall back.
    assert_eq!(answer.stdout, "refused\nrefused\nrefused\n", "{answer:?}");
    let control = format!(
        "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))"
    );
    let sent = std::process::Command::new(PYTHON)
        .args(["-c", &control])
        .status();
    assert!(sent.expect("python").success());
    assert!(within(Duration::from_secs(5), || socket
        .recv(&mut [0; 16])
        .is_ok()));
}

/// A client that would use HTTP/3 where it could gets the page over TCP.
#[test]
fn quic_falls_back() {
    let server = Http::answering(|_| ("Alt-Svc: h3=\":443\"\r\n".into(), PAGE.into()));
    let gated = allowing("server.test", server.port).build();
    let script = format!(
        "exec curl -sS --fail --max-time 20 http://server.test:{}/",
        server.port
    );
    let answer = gated.sh(&script);
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
}
