//! Addresses in the place of names, other spellings of names, and names that lead where they must not.

use crate::servers::{Http, PAGE};
use crate::support::*;
use cofferdam::NetworkReason;
use std::process::Command;

fn get(host: &str, port: u16) -> String {
    format!("exec curl -sS --fail --globoff --max-time 10 http://{host}:{port}/")
}

/// Runs a client on the host, without a wall.
fn outside(script: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", script])
        .output()
        .expect("a shell");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A public name is allowed and the server listens on this machine, which no rule names.
#[test]
fn literals_in_every_spelling_are_refused() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let port = server.port;
    // What programs inside reach under these is the sandbox's own loopback, where nobody listens.
    let own = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.1",
        "127.1.2.3",
        "localhost",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "0",
        "[::]",
    ];
    let gated = allowing("server.test", port).build();
    for spelling in own {
        let script = get(spelling, port);
        let before = server.connections();
        let answer = gated.sh(&script);
        settle();
        assert!(!answer.stdout.contains(PAGE), "{spelling}: {answer:?}");
        assert_eq!(server.connections(), before, "{spelling}");
    }
    // The control: as many of them as lead to the server outside, so that the spellings are right.
    let reach = own
        .iter()
        .filter(|spelling| outside(&get(spelling, port)).contains(PAGE));
    assert!(
        reach.count() >= 10,
        "the spellings do not reach the server outside"
    );
    let answer = gated.sh(&get("server.test", port));
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
}

/// Addresses of this machine beside the loopback, private, link-local and metadata ones.
#[test]
fn other_addresses_are_refused_as_what_they_are() {
    let gated = plan(&["server.test"]).build();
    for literal in [
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "100.64.0.1",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "192.0.2.1",
        "[2001:db8::1]",
        "224.0.0.1",
    ] {
        let answer = gated.sh(&get(literal, 8080));
        assert!(!answer.success, "{literal}: {answer:?}");
    }
    for (told, reason) in [
        ("10.0.0.1", NetworkReason::SpecialAddress),
        ("169.254.169.254", NetworkReason::SpecialAddress),
        ("fd00::1", NetworkReason::SpecialAddress),
        ("192.0.2.1", NetworkReason::NotAllowed),
        ("2001:db8::1", NetworkReason::NotAllowed),
    ] {
        assert!(gated.denied(told, reason), "{told}: {}", gated.told());
    }
    // Nothing was looked up for any of them.
    assert!(gated.lookups().is_empty(), "{:?}", gated.lookups());
}

/// A literal is reached where a rule names its address, in any spelling.
#[test]
fn an_address_that_a_rule_names_is_reached() {
    let server = Http::new();
    let port = server.port;
    // An address of this machine that programs inside do not have for themselves.
    let Some(address) = own_address() else {
        return lacks("an address beside the loopback");
    };
    let Ok(listener) = std::net::TcpListener::bind((address, 0)) else {
        return lacks("an address to listen at");
    };
    let _ = port;
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            use std::io::{Read, Write};
            let _ = stream.read(&mut [0; 1024]);
            let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{PAGE}");
        }
    });
    let number = u32::from(address);
    let hexadecimal = format!("0x{number:x}");
    for (rule, expected) in [
        (format!("{address}:{port}"), true),
        ("server.test".into(), false),
    ] {
        let gated = plan(&[&rule]).build();
        for spelling in [
            address.to_string(),
            number.to_string(),
            hexadecimal.clone(),
            format!("[::ffff:{address}]"),
        ] {
            let answer = gated.sh(&get(&spelling, port));
            assert_eq!(
                answer.stdout.contains(PAGE),
                expected,
                "{spelling} {rule}: {answer:?}\n{}",
                gated.told()
            );
        }
    }
}

fn own_address() -> Option<std::net::Ipv4Addr> {
    // Connecting a datagram socket sends nothing; it picks the address that would be used.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

#[test]
fn spellings_of_an_allowed_name_are_that_name() {
    let server = Http::new();
    let port = server.port;
    let gated = allowing("server.test", port).build();
    for spelling in ["server.test", "SERVER.test", "sErVeR.TeSt", "server.test."] {
        let answer = gated.sh(&get(spelling, port));
        assert!(
            answer.stdout.contains(PAGE),
            "{spelling}: {answer:?}\n{}",
            gated.told()
        );
    }
    for other in [
        "evilserver.test",
        "server.test.evil.test",
        "a.server.test",
        "server.test.test",
        "xserver.test",
        "server-test",
        "test",
        "server.test..",
    ] {
        let before = server.connections();
        let answer = gated.sh(&get(other, port));
        assert!(!answer.success, "{other}: {answer:?}");
        assert_eq!(server.connections(), before, "{other}");
    }
    let asked = gated.lookups();
    assert!(asked.iter().all(|name| name == "server.test"), "{asked:?}");
}

/// A name beyond ASCII is only what its `xn--` form says; letters that look alike are others.
#[test]
fn punycode_is_a_name_of_its_own() {
    let server = Http::new();
    let port = server.port;
    let gated = allowing("xn--bcher-kva.test", port).build();
    let answer = gated.sh(&get("xn--bcher-kva.test", port));
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
    // "server" with a Cyrillic letter, and with full-width ones.
    let gated = allowing("server.test", port).build();
    let before = server.connections();
    for other in ["xn--srver-7of.test", "sеrver.test", "xn--server-.test"] {
        let answer = gated.sh(&get(other, port));
        assert!(!answer.success, "{other}: {answer:?}");
    }
    assert_eq!(server.connections(), before);
}

#[test]
fn wildcards_stand_for_labels() {
    let server = Http::new();
    let port = server.port;
    let gated = allowing("*.name.test", port).build();
    let answer = gated.sh(&get("deep.name.test", port));
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
    for other in ["name.test", "evilname.test", "server.test"] {
        assert!(!gated.sh(&get(other, port)).success, "{other}");
    }
}

#[test]
fn another_port_is_refused() {
    let (server, other) = (Http::new(), Http::new());
    let gated = allowing("server.test", server.port).build();
    let answer = gated.sh(&get("server.test", other.port));
    assert!(!answer.success && other.connections() == 0, "{answer:?}");
    assert!(
        gated.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        gated.told()
    );
    assert!(gated.sh(&get("server.test", server.port)).success);
}

/// The name is allowed, and whoever owns it says that it is a host of ours.
#[test]
fn names_that_lead_inwards_are_refused() {
    let server = Http::new();
    let port = server.port;
    for address in [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "::",
    ] {
        let gated = plan(&["inwards.test"])
            .name("inwards.test", &[address])
            .build();
        let answer = gated.sh(&get("inwards.test", port));
        settle();
        assert!(!answer.success, "{address}: {answer:?}");
        assert_eq!(server.connections(), 0, "{address}");
        assert!(
            gated.denied("inwards.test", NetworkReason::SpecialAddress),
            "{address}: {}",
            gated.told()
        );
    }
    // One of the addresses being public does not open the other.
    let both = plan(&["inwards.test"])
        .name("inwards.test", &["127.0.0.1", "192.0.2.1"])
        .build();
    let answer = both.sh(&format!(
        "exec curl -sS --fail --max-time 2 http://inwards.test:{port}/"
    ));
    assert!(!answer.success && server.connections() == 0, "{answer:?}");
    let named = allowing("inwards.test", port)
        .name("inwards.test", &["127.0.0.1"])
        .build();
    let answer = named.sh(&get("inwards.test", port));
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", named.told());
}

/// Another answer each time the name is looked up: what was checked is what is connected to.
#[test]
fn rebinding_meets_the_address_that_was_checked() {
    let server = Http::new();
    let port = server.port;
    // First one that may be used, then this machine.
    let gated = plan(&["rebind.test", "127.0.0.2/32"])
        .name("rebind.test", &["127.0.0.2"])
        .name("rebind.test", &["127.0.0.1"])
        .build();
    for _ in 0..20 {
        let answer = gated.sh(&get("rebind.test", port));
        assert!(!answer.stdout.contains(PAGE), "{answer:?}");
    }
    assert_eq!(server.connections(), 0, "{}", gated.told());
    // The control: an answer that stays gets through.
    let gated = allowing("rebind.test", port)
        .name("rebind.test", &["127.0.0.1"])
        .name("rebind.test", &["10.0.0.1"])
        .build();
    let answer = gated.sh(&get("rebind.test", port));
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
}
