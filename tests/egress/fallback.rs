//! Without nftables: proxies on the loopback inside, and nothing for programs that know of none.

use crate::servers::{Http, PAGE, Tls};
use crate::support::*;
use cofferdam::policy::Layer;
use cofferdam::{NetworkReason, SandboxBuilder, State};

fn without_redirect(plan: Plan) -> Gated {
    plan.with(SandboxBuilder::danger_without_redirect).build()
}

#[test]
fn programs_that_know_of_proxies_reach_what_is_allowed() {
    let server = Http::new();
    let port = server.port;
    let mut clients = Vec::new();
    if program("curl").is_some() {
        let curl = "curl -sS --fail --max-time 20";
        clients.push(format!("exec {curl} http://server.test:{port}/"));
        // A tunnel, as for HTTPS.
        clients.push(format!("exec {curl} -p http://server.test:{port}/"));
        let socks = "-x socks5h://127.0.0.1:1080";
        clients.push(format!("exec {curl} {socks} http://server.test:{port}/"));
    }
    if python_has("urllib.request") {
        clients.push(format!(
            "exec {PYTHON} -c 'import urllib.request as u; \
             print(u.urlopen(\"http://server.test:{port}/\", timeout=20).read().decode())'"
        ));
    }
    for client in clients {
        let gated = without_redirect(allowing("server.test", port));
        let answer = gated.sh(&client);
        assert!(
            answer.success && answer.stdout.contains(PAGE),
            "{client}: {answer:?}\n{}",
            gated.told()
        );
        let before = server.connections();
        let refused = without_redirect(allowing("other.test", port));
        let answer = refused.sh(&client);
        assert!(!answer.success, "{client}: {answer:?}");
        assert!(
            refused.denied("server.test", NetworkReason::NotAllowed),
            "{client}: {}",
            refused.told()
        );
        assert_eq!(server.connections(), before, "{client}");
    }
}

#[test]
fn tls_goes_through_a_tunnel() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let Some(tls) = Tls::before(server.port, &["server.test"]) else {
        return;
    };
    let gated = without_redirect(
        allowing("server.test", tls.port).with(|builder| builder.read(tls.certificates.path())),
    );
    let authority = tls.certificates.authority();
    let script = |name: &str| {
        format!(
            "exec curl -sS --fail --max-time 20 --cacert {} https://{name}:{}/",
            authority.display(),
            tls.port
        )
    };
    let answer = gated.sh(&script("server.test"));
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
    let answer = gated.sh(&script("other.test"));
    assert!(
        !answer.success && answer.stderr.contains("403"),
        "{answer:?}"
    );
}

#[test]
fn other_programs_reach_nothing() {
    let server = Http::new();
    let port = server.port;
    let script = format!("exec 3<>/dev/tcp/server.test/{port} && echo connected");
    let gated = without_redirect(allowing("server.test", port));
    let answer = gated.sh(&format!("bash -c '{script}'"));
    assert!(!answer.stdout.contains("connected"), "{answer:?}");
    // The control: with a redirect the same program gets there.
    let gated = allowing("server.test", port).build();
    let answer = gated.sh(&format!("bash -c '{script}'"));
    assert!(answer.stdout.contains("connected"), "{answer:?}");
}

#[test]
fn the_proxy_is_no_way_to_the_loopback_of_the_host_or_its_own() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    let port = server.port;
    // The control of each: the same tunnel to a name that is allowed.
    let gated = without_redirect(allowing("server.test", 1));
    let curl = "curl -sS --fail --max-time 20 --noproxy '' -p -x http://127.0.0.1:1080";
    for to in [
        format!("127.0.0.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("2130706433:{port}"),
        format!("localhost:{port}"),
        "127.0.0.1:1080".into(),
        "127.0.0.1:53".into(),
    ] {
        let before = server.connections();
        let answer = gated.sh(&format!("exec {curl} http://{to}/"));
        assert!(!answer.success, "{to}: {answer:?}");
        assert_eq!(server.connections(), before, "{to}");
    }
    let gated = without_redirect(allowing("server.test", port));
    let answer = gated.sh(&format!("exec {curl} http://server.test:{port}/"));
    assert!(answer.stdout.contains(PAGE), "{answer:?}");
}

#[test]
fn the_report_says_what_is_missing() {
    let state = |gated: &Gated| {
        let planned = gated.sandbox.planned();
        let report = planned.iter().find(|report| report.layer == Layer::Network);
        let report = report.expect("a report").clone();
        (report.state(), report.to_string())
    };
    let (partial, text) = state(&without_redirect(allowing("server.test", 80)));
    assert_eq!(partial, State::Partial, "{text}");
    assert!(text.contains("know of no proxy"), "{text}");
    let (full, text) = state(&allowing("server.test", 80).build());
    assert_eq!(full, State::Full, "{text}");
}

#[test]
fn names_are_told_over_connections_too() {
    let gated = without_redirect(allowing("server.test", 80));
    let program = "import socket, struct, sys\n\
        name = b''.join(bytes([len(l)]) + l for l in sys.argv[1].encode().split(b'.')) + b'\\0'\n\
        ask = struct.pack('>HHHHHH', 7, 256, 1, 0, 0, 0) + name + struct.pack('>HH', 1, 1)\n\
        to = socket.create_connection(('127.0.0.1', 53), 10)\n\
        to.sendall(struct.pack('>H', len(ask)) + ask)\n\
        answer = to.recv(600)\n\
        print('code', answer[5] & 15, 'answers', answer[9])";
    if !python_has("socket") {
        return;
    }
    let answer = gated.run(PYTHON, &["-c", program, "server.test"]);
    assert!(answer.stdout.contains("code 0 answers 1"), "{answer:?}");
    let answer = gated.run(PYTHON, &["-c", program, "other.test"]);
    assert!(answer.stdout.contains("code 3 answers 0"), "{answer:?}");
}
