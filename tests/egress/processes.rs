//! Ways around the gate that are no connections: raw sockets, netlink, the host's sockets, the gate's own.

use crate::servers::{Http, PAGE};
use crate::support::*;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

fn python(gated: &Gated, program: &str) -> Answer {
    gated.run(PYTHON, &["-c", program])
}

#[test]
fn raw_and_packet_sockets_are_not_made() {
    let gated = allowing("server.test", 8080).build();
    for socket in [
        "s.AF_INET, s.SOCK_RAW, 255",
        "s.AF_INET, s.SOCK_RAW, 1",
        "s.AF_INET6, s.SOCK_RAW, 58",
        "s.AF_PACKET, s.SOCK_RAW, 768",
    ] {
        let program = format!(
            "import socket as s\ntry:\n  s.socket({socket}); print('made')\nexcept OSError as e: print(e.errno)"
        );
        assert_eq!(python(&gated, &program).stdout.trim(), "1", "{socket}");
        if is_root() {
            let output = std::process::Command::new(PYTHON)
                .args(["-c", &program])
                .output();
            assert_eq!(
                output.expect("python").stdout,
                b"made\n",
                "{socket} outside"
            );
        }
    }
    let plain = python(
        &gated,
        "import socket as s; s.socket(s.AF_INET, s.SOCK_STREAM); print('made')",
    );
    assert_eq!(plain.stdout.trim(), "made");
}

/// The routes, addresses and packet rules of the namespace stay as they were made.
#[test]
fn netlink_changes_nothing() {
    let server = Http::new();
    let gated = allowing("server.test", server.port).build();
    // RTM_DELROUTE, RTM_NEWADDR, RTM_SETLINK (rtnetlink(7)) as requests that ask for an answer.
    let program = "import socket as s, struct\nfor kind, body in ((25, struct.pack('BBBBBBBBI', 2, 0, 0, 0, 255, 0, 0, 2, 0)), (20, struct.pack('BBBBI', 2, 32, 0, 0, 1) + struct.pack('HH4B', 8, 2, 9, 9, 9, 9)), (19, struct.pack('BxHiII', 0, 0, 1, 0, 1))):\n  try:\n    n = s.socket(16, s.SOCK_RAW, 0); n.settimeout(3)\n    n.send(struct.pack('IHHII', 16 + len(body), kind, 5, 1, 0) + body)\n    print(struct.unpack('i', n.recv(4096)[16:20])[0])\n  except OSError as e: print(-e.errno)\ntry:\n  s.socket(16, s.SOCK_RAW, 12); print('nftables')\nexcept OSError as e: print(-e.errno)";
    let answer = python(&gated, program);
    assert!(answer.success, "{answer:?}");
    assert!(answer.stdout.lines().all(|line| line == "-1"), "{answer:?}");
    assert_eq!(answer.stdout.lines().count(), 4);
    let script = format!(
        "exec curl -sS --fail --max-time 10 http://server.test:{}/",
        server.port
    );
    assert!(gated.sh(&script).stdout.contains(PAGE));
    if is_root() {
        // The control: root outside gets past the right to it, to another error or none.
        let output = std::process::Command::new("unshare")
            .args(["--net", PYTHON, "-c", program])
            .output();
        let text = String::from_utf8_lossy(&output.expect("unshare(1)").stdout).into_owned();
        assert!(
            !text.lines().all(|line| line == "-1") && text.contains("nftables"),
            "{text}"
        );
    }
}

#[test]
fn loopback_and_abstract_sockets_of_the_host_are_not_reached() {
    let server = Http::new();
    let name = canary();
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name"))
        .expect("a listener");
    listener.set_nonblocking(true).expect("a mode");
    // Even where the address is allowed beside a name, the program's own loopback is its own.
    let gated = allowing("server.test", server.port).build();
    let program = format!(
        "import socket as s\nfor f, at in ((s.AF_INET, ('127.0.0.1', {port})), (s.AF_INET6, ('::1', {port})), (s.AF_UNIX, '\\0{name}')):\n  try:\n    s.socket(f).connect(at); print('reached')\n  except OSError as e: print('no')",
        port = server.port
    );
    let answer = python(&gated, &program);
    assert_eq!(answer.stdout, "no\nno\nno\n", "{answer:?}");
    assert!(listener.accept().is_err() && server.connections() == 0);
    let output = std::process::Command::new(PYTHON)
        .args(["-c", &program])
        .output()
        .expect("python");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with("reached\n") && text.ends_with("reached\n"),
        "{text}"
    );
    assert!(listener.accept().is_ok());
}

/// The gate's own listener, spoken to without a redirect, and as the proxy that it is not.
#[test]
fn the_gate_itself_is_no_way_out() {
    let server = Http::new();
    let port = server.port;
    let gated = allowing("server.test", port).build();
    let speak = |at: &str, text: &str| {
        let program = format!(
            "import socket as s\ntry:\n  k = s.create_connection(('{at}', 53), 5); k.sendall(b'{text}'); k.settimeout(2); print(k.recv(4096))\nexcept OSError as e: print('end')"
        );
        python(&gated, &program).stdout
    };
    for at in ["127.0.0.1", "::1"] {
        for text in [
            format!(
                "CONNECT server.test:{port} HTTP/1.1\\r\\nHost: server.test:{port}\\r\\n\\r\\n"
            ),
            format!("CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n"),
            format!(
                "GET http://server.test:{port}/ HTTP/1.1\\r\\nHost: server.test:{port}\\r\\n\\r\\n"
            ),
            format!("GET / HTTP/1.1\\r\\nHost: server.test:{port}\\r\\n\\r\\n"),
            "\\x05\\x01\\x00".into(),
        ] {
            let answer = speak(at, &text);
            assert!(!answer.contains("200"), "{at} {text}: {answer}");
        }
    }
    settle();
    assert_eq!(server.connections(), 0);
    let script = format!("exec curl -sS --fail --max-time 10 http://server.test:{port}/");
    assert!(gated.sh(&script).stdout.contains(PAGE));
}

/// Addresses that the gate gave out mean a name in that environment only.
#[test]
fn an_address_of_the_gate_means_nothing_elsewhere() {
    let server = Http::new();
    let gated = allowing("server.test", server.port).build();
    let address = python(
        &gated,
        "import socket as s; print(s.gethostbyname('server.test'))",
    )
    .stdout;
    let address = address.trim();
    assert!(address.starts_with("198.1"), "{address}");
    let script = format!(
        "exec curl -sS --fail --max-time 5 -H 'Host: server.test:{0}' http://{address}:{0}/",
        server.port
    );
    let answer = gated.sh(&script);
    assert!(!answer.success && server.connections() == 0, "{answer:?}");
    let both = format!("getent hosts server.test; {script}");
    let answer = gated.sh(&both);
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
}
