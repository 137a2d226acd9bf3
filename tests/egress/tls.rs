//! HTTPS: passed through with the server's own certificate, or looked into where a rule asks for it.

use crate::servers::{Certificates, Http, PAGE, Tls};
use crate::support::*;
use cofferdam::NetworkReason;

fn servers() -> Option<(Http, Tls)> {
    program("curl")?;
    let plain = Http::new();
    let tls = Tls::before(plain.port, &["server.test", "other.test"])?;
    Some((plain, tls))
}

/// Rules that allow requests only: GET of /open.
fn looked_into(tls: &Tls, name: &str) -> Plan {
    let (port, authority) = (tls.port, tls.certificates.authority());
    let name = format!("{name}:{port}");
    plan(&[&format!("127.0.0.1:{port}")]).with(|builder| {
        builder.network(|network| {
            network
                .allow_http(name.as_str(), ["GET"], ["/open/**"])
                .trust(authority)
        })
    })
}

#[test]
fn https_is_passed_through() {
    let Some((plain, tls)) = servers() else {
        return;
    };
    let authority = tls.certificates.authority();
    for version in ["--http1.1", "--http2"] {
        let script = format!(
            "exec curl -sS --fail --max-time 20 {version} -w 'version %{{http_version}}' \
             --cacert {} https://server.test:{}/",
            authority.display(),
            tls.port
        );
        let build = |name| {
            allowing(name, tls.port)
                .with(|builder| builder.read(&authority))
                .build()
        };
        let before = plain.connections();
        let refused = build("other.test");
        let answer = refused.sh(&script);
        assert!(
            !answer.success && plain.connections() == before,
            "{answer:?}"
        );
        assert!(refused.denied("server.test", NetworkReason::NotAllowed));
        // Only the server's own authority is trusted inside: nobody else ended the TLS.
        let allowed = build("server.test");
        let answer = allowed.sh(&script);
        assert!(
            answer.success && answer.stdout.contains(PAGE),
            "{answer:?}\n{}",
            allowed.told()
        );
        let http2 = answer.stdout.contains("version 2");
        assert_eq!(http2, version == "--http2", "{answer:?}");
    }
}

#[test]
fn another_name_in_the_handshake_is_refused() {
    let Some((plain, tls)) = servers() else {
        return;
    };
    let (authority, port) = (tls.certificates.authority(), tls.port);
    // Connected to by one name, said to be another.
    let script = |name: &str| {
        format!(
            "exec curl -sS --fail --max-time 20 --cacert {} \
             --connect-to {name}:{port}:server.test:{port} https://{name}:{port}/",
            authority.display()
        )
    };
    // Both names are allowed: what is refused is one under the name of the other.
    let rules = [
        format!("server.test:{port}"),
        format!("other.test:{port}"),
        format!("127.0.0.1:{port}"),
    ];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let gated = plan(&rules)
        .with(|builder| builder.read(&authority))
        .build();
    let answer = gated.sh(&script("other.test"));
    assert!(!answer.success && plain.connections() == 0, "{answer:?}");
    assert!(
        gated.denied("server.test", NetworkReason::OtherName),
        "{}",
        gated.told()
    );
    let answer = gated.sh(&script("server.test"));
    assert!(answer.success && answer.stdout.contains(PAGE), "{answer:?}");
}

/// Each client trusts the gate's authority by what the sandbox sets, without an option.
#[test]
fn requests_are_looked_into_for_every_client() {
    let Some((plain, tls)) = servers() else {
        return;
    };
    let clients: [(&str, bool, String); 5] = [
        ("curl", true, "curl -sS --fail --max-time 20 --http1.1 URL".into()),
        ("curl with HTTP/2", true, "curl -sS --fail --max-time 20 --http2 URL".into()),
        ("urllib", true, format!("{PYTHON} -c 'import urllib.request as u; print(u.urlopen(\"URL\").read().decode())'")),
        ("requests", python_has("requests"), format!("{PYTHON} -c 'import requests as r; a = r.get(\"URL\"); a.raise_for_status(); print(a.text)'")),
        ("node", program("node").is_some(), "node -e 'fetch(\"URL\").then(r => { if (!r.ok) throw r.status; return r.text() }).then(console.log)'".into()),
    ];
    for (client, present, script) in clients {
        if !present {
            continue;
        }
        let gated = looked_into(&tls, "server.test").build();
        let at =
            |path: &str| script.replace("URL", &format!("https://server.test:{}{path}", tls.port));
        let before = plain.seen().len();
        let answer = gated.sh(&at("/closed"));
        assert!(!answer.stdout.contains(PAGE), "{client}: {answer:?}");
        assert_eq!(plain.seen().len(), before, "{client}");
        assert!(
            gated.denied("/closed", NetworkReason::NotAllowed),
            "{client}: {}",
            gated.told()
        );
        let answer = gated.sh(&at("/open/page"));
        assert!(
            answer.stdout.contains(PAGE),
            "{client}: {answer:?}\n{}",
            gated.told()
        );
        assert_eq!(plain.seen().len(), before + 1, "{client}");
    }
}

#[test]
fn java_trusts_the_authority() {
    let Some((plain, tls)) = servers() else {
        return;
    };
    if program("javac").is_none() {
        return;
    }
    let held = tempfile::tempdir().expect("a directory");
    let file = held.path().join("Fetch.java");
    std::fs::write(&file, include_str!("programs/Fetch.java")).expect("a file");
    let gated = looked_into(&tls, "server.test")
        .with(|builder| builder.read(held.path()))
        .build();
    let run = |path: &str| {
        let url = format!("https://server.test:{}{path}", tls.port);
        gated.run(
            "java",
            &[
                "-XX:TieredStopAtLevel=1",
                file.to_str().expect("text"),
                &url,
            ],
        )
    };
    let answer = run("/closed");
    assert!(
        !answer.stdout.contains(PAGE) && plain.seen().is_empty(),
        "{answer:?}"
    );
    let answer = run("/open/page");
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
}

/// The gate verifies the server as a client does: name, authority.
#[test]
fn a_server_without_a_valid_certificate_gets_no_request() {
    let Some((plain, tls)) = servers() else {
        return;
    };
    let script = |name: &str| {
        format!(
            "exec curl -sS --fail --max-time 20 https://{name}:{}/open/x",
            tls.port
        )
    };
    // The certificate is not for this name.
    let gated = looked_into(&tls, "deep.name.test").build();
    let answer = gated.sh(&script("deep.name.test"));
    assert!(!answer.success && plain.seen().is_empty(), "{answer:?}");
    assert!(
        gated.denied("deep.name.test", NetworkReason::Certificate),
        "{}",
        gated.told()
    );
    // Nobody trusted has signed it.
    let other = Certificates::new(&["server.test"]);
    let (name, port) = (format!("server.test:{}", tls.port), tls.port);
    let distrusting = plan(&[&format!("127.0.0.1:{port}")]).with(|builder| {
        let authority = other.authority();
        builder.network(|network| {
            network
                .allow_http(name.as_str(), ["GET"], ["/**"])
                .trust(authority)
        })
    });
    let gated = distrusting.build();
    let answer = gated.sh(&script("server.test"));
    assert!(!answer.success && plain.seen().is_empty(), "{answer:?}");
    assert!(
        gated.denied("server.test", NetworkReason::Certificate),
        "{}",
        gated.told()
    );
    let gated = looked_into(&tls, "server.test").build();
    let answer = gated.sh(&script("server.test"));
    assert!(
        answer.success && plain.seen().len() == 1,
        "{answer:?}\n{}",
        gated.told()
    );
}

/// HTTP/2 lets every request name its own authority.
#[test]
fn another_authority_on_the_connection_is_refused() {
    let Some((plain, tls)) = servers() else {
        return;
    };
    let gated = looked_into(&tls, "server.test").build();
    for version in ["--http1.1", "--http2"] {
        let get = |host: &str| {
            gated.sh(&format!(
                "exec curl -sS --fail --max-time 20 {version} -H 'Host: {host}' https://server.test:{}/open/x",
                tls.port
            ))
        };
        let before = plain.seen().len();
        let answer = get("other.test");
        assert!(!answer.success, "{answer:?}");
        assert_eq!(plain.seen().len(), before, "{version}");
        assert!(
            gated.denied("server.test", NetworkReason::OtherName),
            "{}",
            gated.told()
        );
        let answer = get(&format!("server.test:{}", tls.port));
        assert!(answer.success, "{version} {answer:?}\n{}", gated.told());
        assert_eq!(plain.seen().len(), before + 1);
    }
}
