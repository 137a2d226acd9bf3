//! HTTP clients that know nothing of the gate, each allowed and, as the control, not.

use crate::servers::{Http, PAGE};
use crate::support::*;
use cofferdam::NetworkReason;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A client that is given a URL fetches the page where the name is allowed; where it is not, it
/// fails, and no connection comes.
fn fetches(client: &str, files: Option<&Path>, script: impl Fn(&str) -> String) {
    let server = Http::new();
    for name in ["server.test", "six.test"] {
        let with_files = |plan: Plan| match files {
            Some(path) => plan.with(|builder| builder.read(path)),
            None => plan,
        };
        let script = script(&format!("http://{name}:{}/{client}", server.port));
        let refused = with_files(allowing("other.test", server.port)).build();
        let before = server.connections();
        let answer = refused.sh(&script);
        settle();
        assert!(
            !answer.success && !answer.stdout.contains(PAGE),
            "{client}: {answer:?}"
        );
        assert_eq!(server.connections(), before, "{client} reached {name}");
        assert!(
            refused.denied(name, NetworkReason::NotAllowed),
            "{}",
            refused.told()
        );

        let allowed = with_files(allowing(name, server.port)).build();
        let answer = allowed.sh(&script);
        assert!(
            answer.success && answer.stdout.contains(PAGE),
            "{client} {name}: {answer:?}\n{}",
            allowed.told()
        );
        let last = server.seen().pop().expect("a request");
        assert!(last.line.contains(&format!("/{client}")), "{last:?}");
        let (sent, received) = allowed.passed(name, server.port).expect("an event");
        assert!(
            sent > 0 && received >= PAGE.len() as u64,
            "{}",
            allowed.told()
        );
    }
}

#[test]
fn curl() {
    if program("curl").is_some() {
        fetches("curl", None, |url| {
            format!("exec curl -sS --fail --max-time 20 {url}")
        });
    }
}

#[test]
fn curl_by_ipv6() {
    if program("curl").is_some() {
        fetches("curl6", None, |url| {
            format!("exec curl -6 -sS --fail --max-time 20 {url}")
        });
    }
}

#[test]
fn python_urllib() {
    if python_has("urllib.request") {
        let program = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())";
        fetches("urllib", None, |url| {
            format!("exec {PYTHON} -c '{program}' {url}")
        });
    }
}

#[test]
fn python_requests() {
    if python_has("requests") {
        let program = "import sys, requests as r; print(r.get(sys.argv[1], timeout=20).text)";
        fetches("requests", None, |url| {
            format!("exec {PYTHON} -c '{program}' {url}")
        });
    }
}

#[test]
fn node_fetch() {
    if program("node").is_some() {
        let program = "fetch(process.argv[1]).then(r => r.text()).then(console.log, e => { console.error(e); process.exit(1) })";
        fetches("fetch", None, |url| {
            format!("exec node -e '{program}' {url}")
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
    fetches("java", Some(held.path()), |url| format!("{java} {url}"));
}

/// Like a Go program: linked statically, asking DNS itself.
#[test]
fn static_rust() {
    let held = tempfile::tempdir().expect("a directory");
    let source = held.path().join("fetch.rs");
    let client = held.path().join("fetch");
    fs::write(&source, include_str!("programs/fetch.rs")).expect("a file");
    let mut command = Command::new("rustc");
    command.args([
        "--edition",
        "2024",
        "-C",
        "target-feature=+crt-static",
        "-o",
    ]);
    let output = command.arg(&client).arg(&source).output();
    let Ok(output) = output else {
        return lacks("rustc");
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fetches("static", Some(held.path()), |url| {
        format!("exec {} {url}", client.display())
    });
}
