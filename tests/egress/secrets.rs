//! Secrets: put in at the edge, and searched for everywhere inside.

use crate::servers::{Http, Request, Tls};
use crate::support::*;
use cofferdam::Bytes;
use cofferdam::policy::Secret;
use std::fs;

/// The program that looks through everything a program inside can see: its variables, every file it
/// can open, /proc, and the memory of every process.
const SEARCH: &str = include_str!("programs/search.py");

/// A server that answers with all that it was sent, so that answers hold the secret too.
fn echo() -> Http {
    Http::answering(|request: &Request| {
        let mut text = request.line.clone();
        for (name, value) in &request.headers {
            text += &format!("\n{name}: {value}");
        }
        ("Content-Type: text/plain\r\n".into(), text.into_bytes())
    })
}

/// In every spelling that an encoder makes of it.
fn spellings(value: &str) -> Vec<String> {
    let script = "import base64 as b, sys, urllib.parse as u\nv = sys.argv[1].encode()\nprint(v.decode()); print(v.hex()); print(v.hex().upper()); print(u.quote(v)); print(''.join('%%%02X' % c for c in v)); print(''.join('\\\\u%04x' % c for c in v))\nfor shift in range(3):\n  t = b.b64encode(b'x' * shift + v).decode().rstrip('=')\n  print(t[4 if shift else 0:-4])";
    let output = std::process::Command::new(PYTHON)
        .args(["-c", script, value])
        .output()
        .expect("python");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(Into::into).collect()
}

#[test]
fn a_secret_is_used_and_never_inside() {
    if program("curl").is_none() || !python_has("socket") {
        return;
    }
    let plain = echo();
    let Some(tls) = Tls::before(plain.port, &["server.test", "other.test"]) else {
        return;
    };
    let held = tempfile::tempdir().expect("a directory");
    let value = canary();
    let file = held.path().join("token");
    fs::write(&file, format!("{value}\n")).expect("a file");
    let port = tls.port;
    let secret = Secret::default()
        .env("TOKEN")
        .from_file(&file)
        .bearer_for(format!("server.test:{port}").as_str());
    let rules = [
        format!("server.test:{port}"),
        format!("other.test:{port}"),
        format!("127.0.0.1:{port}"),
    ];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let authority = tls.certificates.authority();
    let gated = plan(&rules)
        .with(|builder| {
            builder
                .read(&authority)
                .secret(|_| secret)
                .network(|network| network.trust(authority.clone()))
        })
        .build();
    let sent = || {
        plain
            .seen()
            .pop()
            .and_then(|request| request.header("authorization").map(str::to_owned))
    };

    // To the host it is bound to, in the place it is bound to.
    let to = |host: &str, rest: &str| {
        format!("curl -sS --fail --max-time 20 {rest} https://{host}:{port}/")
    };
    let script = to("server.test", "-H \"Authorization: Bearer $TOKEN\"");
    let answer = gated.sh(&script);
    assert!(answer.success, "{answer:?}\n{}", gated.told());
    assert_eq!(sent().as_deref(), Some(&*format!("Bearer {value}")));
    assert!(
        !answer.stdout.contains(&value),
        "the answer brought it in: {answer:?}"
    );

    // Elsewhere, and in another place, it stays what it is.
    for (script, place) in [
        (
            to(
                "other.test",
                &format!(
                    "--cacert {} -H \"Authorization: Bearer $TOKEN\"",
                    authority.display()
                ),
            ),
            "another host",
        ),
        (
            to("server.test", "-H \"X-Other: $TOKEN\""),
            "another header",
        ),
        (to("server.test", "-d \"$TOKEN\""), "the body"),
    ] {
        let before = plain.seen().len();
        let answer = gated.sh(&script);
        let seen = plain.seen();
        assert!(seen.len() > before, "{place}: {answer:?}\n{}", gated.told());
        assert!(
            !format!("{:?}", &seen[before..]).contains(&value),
            "{place}"
        );
    }

    // The search: inside, after it was used.
    let needles = spellings(&value);
    // Backwards, so that the search does not find its own words.
    let backwards: Vec<String> = needles
        .iter()
        .map(|text| text.chars().rev().collect())
        .collect();
    let script = format!(
        "{} >/dev/null; exec {PYTHON} -c '{SEARCH}' {}",
        to("server.test", "-H \"Authorization: Bearer $TOKEN\""),
        backwards.join(" ")
    );
    let answer = gated.sh(&script);
    assert!(
        answer.success && answer.stdout.contains("searched"),
        "{answer:?}"
    );
    assert!(!answer.stdout.contains("found"), "{answer:?}");
    let told = gated.told();
    for needle in &needles {
        assert!(!told.contains(needle.as_str()), "an event holds it");
    }
    assert!(told.contains("TOKEN"), "the event names the secret: {told}");

    // The control: where it is inside, the search finds it, in a variable, in memory and in a file.
    let open = plan(&rules)
        .with(|builder| {
            builder
                .read(&file)
                .environment(|environment| environment.set("LEAK", &value))
        })
        .build();
    let answer = open.run(
        PYTHON,
        &[
            &["-c", SEARCH],
            backwards
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice(),
        ]
        .concat(),
    );
    for place in ["found variable", "found memory", "found file"] {
        assert!(answer.stdout.contains(place), "{place}: {answer:?}");
    }
}

#[test]
fn an_error_about_a_secret_does_not_hold_it() {
    let value = canary();
    let held = tempfile::tempdir().expect("a directory");
    let file = held.path().join("token");
    // A line end within makes it no header's value.
    fs::write(&file, format!("{value}\nsecond line\n")).expect("a file");
    let plain = echo();
    let Some(tls) = Tls::before(plain.port, &["server.test"]) else {
        return;
    };
    let port = tls.port;
    let secret = Secret::default()
        .env("TOKEN")
        .from_file(&file)
        .bearer_for(format!("server.test:{port}").as_str());
    let authority = tls.certificates.authority();
    let gated = allowing("server.test", port)
        .with(|builder| {
            builder
                .secret(|_| secret)
                .network(|network| network.trust(authority))
        })
        .build();
    let script = format!(
        "curl -sS --max-time 20 -H \"Authorization: Bearer $TOKEN\" https://server.test:{port}/"
    );
    let answer = gated.sh(&script);
    assert!(plain.seen().is_empty(), "{:?}", plain.seen());
    assert!(!format!("{answer:?}{}{:?}", gated.told(), gated.sandbox).contains(&value));
}

/// Each place takes the secret, and only that place.
#[test]
fn a_secret_goes_to_its_place_only() {
    if program("curl").is_none() {
        return;
    }
    let plain = echo();
    let port = plain.port;
    let host = format!("server.test:{port}");
    let held = tempfile::tempdir().expect("a directory");
    let value = canary();
    let file = held.path().join("token");
    fs::write(&file, &value).expect("a file");
    // In the clear, which is allowed as the address is this machine's own.
    let basic = "-u \"user:$TOKEN\"";
    let header = "-H \"X-Key: $TOKEN\"";
    let query = "-G -d \"key=$TOKEN\"";
    let secret = || Secret::default().env("TOKEN").from_file(&file);
    for (secret, right) in [
        (secret().basic_for(&host), basic),
        (secret().header_for("X-Key", &host), header),
        (secret().query_for("key", &host), query),
    ] {
        let gated = allowing("server.test", port)
            .with(|builder| builder.secret(|_| secret))
            .build();
        for option in [basic, header, query] {
            let before = plain.seen().len();
            let script = format!("exec curl -sS --max-time 20 {option} http://{host}/");
            let answer = gated.sh(&script);
            let seen = format!("{:?}", &plain.seen()[before..]);
            let sent = spellings(&value)
                .iter()
                .any(|text| seen.contains(text.as_str()));
            let told = gated.told();
            assert_eq!(sent, option == right, "{option}: {seen} {answer:?}\n{told}");
            assert!(!answer.stdout.contains(&value), "{option}: {answer:?}");
            assert!(!told.contains(&value), "{told}");
        }
    }
}

#[test]
fn a_core_file_does_not_hold_it() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("a pattern");
    if program("curl").is_none() || pattern.starts_with(['|', '/', '@']) {
        return lacks("core files in the working directory (kernel.core_pattern)");
    }
    let server = echo();
    let port = server.port;
    let place = tempfile::tempdir().expect("a directory");
    let held = tempfile::tempdir().expect("a directory");
    let value = canary();
    let file = held.path().join("token");
    fs::write(&file, &value).expect("a file");
    let site = format!("server.test:{port}");
    let gated = allowing("server.test", port).with(|builder| {
        builder
            .workspace(place.path())
            .limits(|limits| limits.core(Bytes::mib(64)))
            .secret(|secret| {
                secret
                    .env("TOKEN")
                    .from_file(&file)
                    .bearer_for(site.as_str())
            })
    });
    let gated = gated.build();
    // The shell holds the variable and the answer when it dies.
    let script = format!(
        "answer=$(curl -sS --max-time 20 -H \"Authorization: Bearer $TOKEN\" http://{site}/); kill -ABRT $$"
    );
    assert!(!gated.run("bash", &["-c", &script]).success);
    let sent = server.seen().pop().expect("a request");
    let sent = sent
        .header("authorization")
        .expect("it was sent")
        .to_owned();
    assert!(sent.ends_with(&value), "{sent}");
    let entries = fs::read_dir(place.path()).expect("a directory").flatten();
    let core = entries.map(|entry| fs::read(entry.path()).expect("a file"));
    let core = core.max_by_key(Vec::len).expect("a core file");
    let holds = |text: &str| core.windows(text.len()).any(|part| part == text.as_bytes());
    for spelling in spellings(&value) {
        assert!(!holds(&spelling), "{spelling}");
    }
    // The control: what the program does hold is found there.
    let environment = gated.sandbox.environment();
    let placeholder = environment.filter(|(name, _)| *name == "TOKEN").last();
    let placeholder = placeholder.expect("a placeholder").1.to_string_lossy();
    assert!(holds(&placeholder), "the core file holds the placeholder");
}
