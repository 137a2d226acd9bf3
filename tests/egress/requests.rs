//! Requests that can be read in two ways, and connections that say another host than was connected to.

use crate::servers::{Http, PAGE, Raw};
use crate::support::*;
use cofferdam::NetworkReason;

/// Sends bytes to a name and port and prints what comes back until the connection ends.
const SEND: &str = "import socket, sys\nk = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)\nk.sendall(sys.argv[3].encode('latin-1').decode('unicode_escape').encode('latin-1'))\nk.settimeout(1)\ntry:\n  while True:\n    p = k.recv(65536)\n    if not p: break\n    sys.stdout.write(p.decode('latin-1'))\nexcept OSError as e: print('end:', e)";

fn send(gated: &Gated, port: u16, text: &str) -> String {
    let text = text
        .replace('\r', "\\r")
        .replace('\n', "\\n")
        .replace('\0', "\\0")
        .replace('\x0b', "\\x0b");
    let answer = gated.run(
        PYTHON,
        &["-c", SEND, "server.test", &port.to_string(), &text],
    );
    answer.stdout + &answer.stderr
}

/// The server's requests are seen by a rule: GET and POST of /open.
fn looked_into(port: u16) -> Gated {
    let name = format!("server.test:{port}");
    plan(&[&format!("127.0.0.1:{port}")])
        .with(|builder| {
            builder
                .network(|network| network.allow_http(name.as_str(), ["GET", "POST"], ["/open/**"]))
        })
        .build()
}

#[test]
fn the_host_of_each_request_is_the_name() {
    let server = Http::new();
    let port = server.port;
    let gated = allowing("server.test", port).build();
    let request = |host: &str| format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let right = format!("server.test:{port}");
    let before = server.seen().len();
    for wrong in [
        "other.test",
        "other.test:80",
        "127.0.0.1",
        "server.test.evil.test",
        "server.test@other.test",
    ] {
        let answer = send(&gated, port, &request(wrong));
        assert!(!answer.contains(PAGE), "{wrong}: {answer}");
        // Also not as the second one of a connection.
        let answer = send(&gated, port, &(request(&right) + &request(wrong)));
        assert!(answer.matches(PAGE).count() <= 1, "{wrong}: {answer}");
    }
    let seen = server.seen();
    let wrong = seen[before..]
        .iter()
        .filter(|request| request.header("host") != Some(&right));
    assert_eq!(wrong.count(), 0, "{seen:?}");
    assert!(
        gated.denied("server.test", NetworkReason::OtherName),
        "{}",
        gated.told()
    );
    let answer = send(&gated, port, &(request(&right) + &request(&right)));
    assert_eq!(answer.matches(PAGE).count(), 2, "{answer}");
}

#[test]
fn methods_and_paths_hold_on_every_request() {
    let server = Http::new();
    let port = server.port;
    let gated = looked_into(port);
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: server.test:{port}\r\n\r\n");
    let good = request("GET /open/1");
    for bad in [
        "GET /closed",
        "PUT /open/1",
        "get /open/1",
        "GET /open/../closed",
        "GET /open/%2e%2e/closed",
        "GET /open/..%2fclosed",
        "GET //closed",
        "GET /%6fpen/../closed",
        "GET /closed?/open/1",
        "GET /open%2f..%2fclosed",
        "GET /open/.%2e/closed",
        "GET /open/..;/closed",
        "GET /open\\..\\closed",
    ] {
        send(&gated, port, &request(bad));
        send(&gated, port, &(good.clone() + &request(bad)));
    }
    let seen = server.seen();
    let others: Vec<_> = seen
        .iter()
        .filter(|request| !request.line.starts_with("GET /open/1 "))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    let answer = send(&gated, port, &(good.clone() + &good));
    assert_eq!(
        answer.matches(PAGE).count(),
        2,
        "{answer}\n{}",
        gated.told()
    );
}

/// Whatever of these arrives at the server, a request for /closed is never part of it.
#[test]
fn smuggled_requests_do_not_arrive() {
    let hidden = "GET /closed HTTP/1.1\r\nHost: server.test\r\n\r\n";
    let host = "Host: server.test:PORT\r\n";
    let length = hidden.len();
    let attacks = [
        // Content-Length against Transfer-Encoding, in both orders and in disguise.
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
            length + 5
        ),
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"
        ),
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n\r\n{hidden}"
        ),
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Transfer-Encoding : chunked\r\nContent-Length: {length}\r\n\r\n{hidden}"
        ),
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Transfer-Encoding:\x0bchunked\r\nContent-Length: {length}\r\n\r\n{hidden}"
        ),
        // Two lengths.
        format!(
            "POST /open/1 HTTP/1.1\r\n{host}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"
        ),
        format!("POST /open/1 HTTP/1.1\r\n{host}Content-Length: 0, {length}\r\n\r\n{hidden}"),
        format!("POST /open/1 HTTP/1.1\r\n{host}Content-Length: +{length}\r\n\r\n{hidden}"),
        // A header over several lines, a bare line end, a null.
        format!("GET /open/1 HTTP/1.1\r\n{host}X: a\r\n {hidden}"),
        format!("GET /open/1 HTTP/1.1\r\n{host}X: a\n\n{hidden}"),
        format!("GET /open/1 HTTP/1.1\r\n{host}X: a\r\r\n{hidden}"),
        format!("GET /open/1\0 HTTP/1.1\r\n{host}\r\n{hidden}"),
        // Another host in the target, two hosts, none.
        format!("GET http://other.test/closed HTTP/1.1\r\n{host}\r\n"),
        format!("GET http://server.test:PORT/closed HTTP/1.1\r\n{host}\r\n"),
        format!("GET /closed HTTP/1.1\r\n{host}Host: other.test\r\n\r\n"),
        "GET /closed HTTP/1.1\r\n\r\n".into(),
        "GET /closed\r\n".into(),
        "GET /closed HTTP/0.9\r\n\r\n".into(),
        // A tunnel, and what follows it without waiting.
        format!("CONNECT server.test:PORT HTTP/1.1\r\n{host}\r\n{hidden}"),
        format!("CONNECT 127.0.0.1:53 HTTP/1.1\r\n{host}\r\n{hidden}"),
        // Another protocol after the change.
        format!(
            "GET /open/1 HTTP/1.1\r\n{host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{hidden}"
        ),
        // Space and empty lines in front.
        format!(" {hidden}"),
        format!("\r\n\r\n{hidden}"),
    ];
    for attack in attacks {
        // Bytes as they arrive count, however a server would read them.
        let raw = Raw::new();
        let gated = looked_into(raw.port);
        let attack = attack.replace("PORT", &raw.port.to_string());
        send(&gated, raw.port, &attack);
        settle();
        let seen = String::from_utf8_lossy(&raw.seen()).into_owned();
        // As the body of a request that has one length it is no request.
        let lengths = seen.to_lowercase().matches("content-length:").count();
        let chunked = seen.to_lowercase().matches("transfer-encoding:").count();
        let is_body = lengths + chunked == 1 && seen.starts_with("POST /open/1 ");
        assert!(
            !seen.contains("/closed") || is_body,
            "{attack:?} arrived as {seen:?}"
        );
        assert!(
            !seen.contains("CONNECT") && !seen.contains("other.test"),
            "{attack:?} arrived as {seen:?}"
        );
    }
    let server = Http::new();
    let gated = looked_into(server.port);
    let body = "POST /open/1 HTTP/1.1\r\nHost: server.test:PORT\r\nContent-Length: 5\r\n\r\nhello";
    let answer = send(
        &gated,
        server.port,
        &body.replace("PORT", &server.port.to_string()),
    );
    assert!(
        answer.contains(PAGE) && server.seen()[0].body == b"hello",
        "{answer}"
    );
}

#[test]
fn large_and_slow_heads_end() {
    let server = Http::new();
    let port = server.port;
    let gated = looked_into(port);
    let program = format!(
        "import socket, sys, time\nk = socket.create_connection(('server.test', {port}), 10)\nk.sendall(b'GET /open/1 HTTP/1.1\\r\\nHost: server.test:{port}\\r\\n')\ntry:\n  for n in range(int(sys.argv[1])):\n    k.sendall(b'X-%d: ' % n + b'y' * 1000 + b'\\r\\n')\n  k.sendall(b'\\r\\n'); k.settimeout(10); print(k.recv(65536).decode('latin-1'))\nexcept OSError as e: print('end', e)"
    );
    let answer = gated.run(PYTHON, &["-c", &program, "5000"]);
    assert!(
        !answer.stdout.contains(PAGE) && server.seen().is_empty(),
        "{answer:?}"
    );
    let answer = gated.run(PYTHON, &["-c", &program, "3"]);
    assert!(
        answer.stdout.contains("200"),
        "{answer:?}\n{}",
        gated.told()
    );
    // One byte each half second: the gate does not wait for ever, and serves others meanwhile.
    let slow = format!(
        "import socket, time\nk = socket.create_connection(('server.test', {port}), 10)\nstart = time.time()\ntry:\n  while time.time() - start < 50:\n    k.sendall(b'G'); time.sleep(0.5)\n  print('still open')\nexcept OSError: print('closed')"
    );
    let answer = gated.run(PYTHON, &["-c", &slow]);
    assert_eq!(answer.stdout.trim(), "closed", "{answer:?}");
}

/// Where requests are looked into, what is no HTTP does not pass.
#[test]
fn other_protocols_do_not_pass_where_requests_are_looked_into() {
    let raw = Raw::new();
    let gated = looked_into(raw.port);
    send(&gated, raw.port, "EHLO there\r\nsomething else\r\n");
    settle();
    assert!(raw.seen().is_empty(), "{:?}", raw.seen());
    assert!(
        gated.denied("server.test", NetworkReason::NotHttp)
            || gated.denied("server.test", NetworkReason::Malformed),
        "{}",
        gated.told()
    );
    let gated = allowing("server.test", raw.port).build();
    send(&gated, raw.port, "EHLO there\r\nsomething else\r\n");
    assert!(within(std::time::Duration::from_secs(5), || raw
        .seen()
        .starts_with(b"EHLO there")));
}
