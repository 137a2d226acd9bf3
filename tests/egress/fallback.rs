//! Without nftables: proxies on the loopback inside, and nothing for programs that know of none.

use crate::repositories::{by_git, clone, repository};
use crate::servers::{Http, PAGE, Tls, host};
use crate::support::*;
use cofferdam::policy::Layer;
use cofferdam::{NetworkReason, SandboxBuilder, State};
use std::fs;
use std::path::Path;
use std::process::Command;

fn without_redirect(plan: Plan) -> Gated {
    plan.with(SandboxBuilder::danger_without_redirect).build()
}

/// A client that is given a URL and knows the variables alone gets `wanted` where the name is allowed;
/// where it is not, it fails, the gate tells why, and no connection comes.
fn fetches(
    client: &str,
    files: Option<&Path>,
    server: &Http,
    wanted: &str,
    script: impl Fn(&str) -> String,
) {
    let port = server.port;
    let script = script(&format!("http://server.test:{port}"));
    let build = |name: &str| {
        let plan = allowing(name, port);
        without_redirect(match files {
            Some(path) => plan.with(|builder| builder.read(path)),
            None => plan,
        })
    };
    let before = server.connections();
    let refused = build("other.test");
    let answer = refused.sh(&script);
    settle();
    assert!(
        !answer.success && !answer.stdout.contains(wanted),
        "{client}: {answer:?}"
    );
    assert_eq!(server.connections(), before, "{client}");
    assert!(
        refused.denied("server.test", NetworkReason::NotAllowed),
        "{client}: {answer:?} {}",
        refused.told()
    );

    let gated = build("server.test");
    let answer = gated.sh(&script);
    assert!(
        answer.success && answer.stdout.contains(wanted),
        "{client}: {answer:?}\n{}",
        gated.told()
    );
    let (sent, received) = gated.passed("server.test", port).expect("an event");
    assert!(sent > 0 && received > 0, "{client}: {}", gated.told());
}

#[test]
fn curl() {
    if program("curl").is_none() {
        return;
    }
    let server = Http::new();
    // Plainly, by a tunnel as for HTTPS, and by SOCKS.
    for way in ["", "-p", "-x socks5h://127.0.0.1:1080"] {
        fetches(&format!("curl {way}"), None, &server, PAGE, |url| {
            format!("exec curl -sS --fail --max-time 20 {way} {url}/")
        });
    }
}

#[test]
fn python_urllib() {
    if python_has("urllib.request") {
        let program = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())";
        fetches("urllib", None, &Http::new(), PAGE, |url| {
            format!("exec {PYTHON} -c '{program}' {url}/")
        });
    }
}

#[test]
fn python_requests() {
    if python_has("requests") {
        let program = "import sys, requests as r; a = r.get(sys.argv[1], timeout=20); a.raise_for_status(); print(a.text)";
        fetches("requests", None, &Http::new(), PAGE, |url| {
            format!("exec {PYTHON} -c '{program}' {url}/")
        });
    }
}

#[test]
fn java_http_client() {
    if program("javac").is_none() {
        return;
    }
    let held = tempfile::tempdir().expect("a directory");
    let file = held.path().join("Fetch.java");
    fs::write(&file, include_str!("programs/Fetch.java")).expect("a file");
    let java = format!("exec java -XX:TieredStopAtLevel=1 {}", file.display());
    fetches("java", Some(held.path()), &Http::new(), PAGE, |url| {
        format!("{java} {url}/")
    });
}

#[test]
fn git_over_http() {
    if program("git").is_none() {
        return;
    }
    let text = canary();
    let held = repository(&text);
    let root = held.path().to_owned();
    let server = Http::answering(move |request| by_git(&root, request));
    fetches("git", None, &server, &text, |url| {
        clone(&format!("{url}/project.git"))
    });
}

/// Whether this Node reads the variables where `NODE_USE_ENV_PROXY` is set: since 22.21 and 24.0.
fn node_reads_the_variables() -> bool {
    let version = host(Command::new("node").args(["-p", "process.versions.node"]));
    let mut numbers = version.trim().split('.').map(|part| part.parse::<u32>());
    let mut next = || numbers.next().and_then(Result::ok).expect("a number");
    let version = (next(), next());
    version >= (24, 0) || version.0 == 22 && version.1 >= 21
}

#[test]
fn node_fetch() {
    if program("node").is_none() {
        return;
    }
    let program = "fetch(process.argv[1]).then(r => r.ok ? r.text() : Promise.reject(r.status)).then(console.log, e => { console.error(e); process.exit(1) })";
    let script = |url: &str| format!("exec node -e '{program}' {url}/");
    let server = Http::new();
    if node_reads_the_variables() {
        return fetches("node", None, &server, PAGE, script);
    }
    println!("this machine's Node is one that reads no proxy variables (before 22.21 and 24)");
    // An older one goes to the address that stands for the name, where without a redirect nobody is.
    let port = server.port;
    let gated = without_redirect(allowing("server.test", port));
    let answer = gated.sh(&script(&format!("http://server.test:{port}")));
    assert!(!answer.success, "{answer:?}");
    assert_eq!(server.connections(), 0);
}

/// npm has proxies of its own, whatever Node it runs on.
#[test]
fn npm() {
    if program("npm").is_none() {
        return;
    }
    let server = Http::answering(|_| ("Content-Type: application/json\r\n".into(), "{}".into()));
    fetches("npm", None, &server, "PONG", |url| {
        format!(
            "export HOME=/tmp; exec npm ping --registry {url}/ --fetch-retries 0 --cache /tmp/cache 2>&1"
        )
    });
    assert!(
        server
            .seen()
            .iter()
            .any(|request| request.line.contains("ping"))
    );
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
