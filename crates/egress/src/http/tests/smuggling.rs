//! Requests that two readers could see differently. Each has a control beside it that differs in
//! nothing else.

use super::support::exchange;
use crate::decision::Reason;

/// The request passes.
async fn passes(bytes: &str) {
    let (answer, notes) = exchange(bytes.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{bytes:?}: {answer}");
    assert_eq!(*notes.refused.lock().unwrap(), [], "{bytes:?}");
}

/// The request is refused with this status for this reason, and nothing of it is decided about.
async fn refused(bytes: &str, status: u16, reason: Reason) {
    let (answer, notes) = exchange(bytes.as_bytes()).await;
    let expected = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&expected), "{bytes:?}: {answer}");
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        1,
        "{bytes:?}: {answer}"
    );
    assert_eq!(*notes.refused.lock().unwrap(), [reason], "{bytes:?}");
    assert_eq!(notes.asked.lock().unwrap().len(), 0, "{bytes:?}");
}

async fn malformed(bytes: &str) {
    refused(bytes, 400, Reason::Malformed).await;
}

/// A request with these fields beside Host, and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n{fields}\r\n{body}")
}

#[tokio::test]
async fn length_and_chunks_are_not_both_given() {
    passes(&post("Content-Length: 4\r\n", "body")).await;
    passes(&post(
        "Transfer-Encoding: chunked\r\n",
        "4\r\nbody\r\n0\r\n\r\n",
    ))
    .await;
    malformed(&post(
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\nGET /x HTTP/1.1\r\nHost: other.test\r\n\r\n",
    ))
    .await;
    malformed(&post(
        "Transfer-Encoding: chunked\r\nContent-Length: 30\r\n",
        "0\r\n\r\n",
    ))
    .await;
}

#[tokio::test]
async fn one_length_is_given() {
    malformed(&post("Content-Length: 4\r\nContent-Length: 5\r\n", "body!")).await;
    malformed(&post("Content-Length: 4, 4\r\n", "body")).await;
    malformed(&post("Content-Length: +4\r\n", "body")).await;
    malformed(&post("Content-Length: 0x4\r\n", "body")).await;
    malformed(&post("Content-Length: 99999999999999999999\r\n", "body")).await;
    passes(&post("Content-Length: 004\r\n", "body")).await;
}

#[tokio::test]
async fn chunked_is_the_only_coding() {
    passes(&post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n")).await;
    for coding in [
        "gzip, chunked",
        "chunked, identity",
        "xchunked",
        "chunked\x0b",
        "\"chunked\"",
        "identity",
        "chunked,",
    ] {
        malformed(&post(
            &format!("Transfer-Encoding: {coding}\r\n"),
            "0\r\n\r\n",
        ))
        .await;
    }
    malformed(&post(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ))
    .await;
    malformed("POST / HTTP/1.0\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .await;
}

#[tokio::test]
async fn chunks_are_exact() {
    passes(&post(
        "Transfer-Encoding: chunked\r\n",
        "4;name=value\r\nbody\r\n0\r\nTrailer: x\r\n\r\n",
    ))
    .await;
    for body in [
        "4\nbody\r\n0\r\n\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "4 \r\nbody\r\n0\r\n\r\n",
        "0x4\r\nbody\r\n0\r\n\r\n",
        "-4\r\nbody\r\n0\r\n\r\n",
        "\r\nbody\r\n0\r\n\r\n",
        "4;\n\r\nbody\r\n0\r\n\r\n",
        "1000000000000\r\nbody\r\n0\r\n\r\n",
        "0\r\nTrailer : x\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nTrailer: x\n\r\n",
    ] {
        let (answer, notes) =
            exchange(post("Transfer-Encoding: chunked\r\n", body).as_bytes()).await;
        assert!(!answer.contains("200"), "{body:?}: {answer}");
        assert_eq!(
            *notes.refused.lock().unwrap().last().unwrap(),
            Reason::Malformed,
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn lines_are_exact() {
    passes(&post("X: a\r\nY:b\r\nZ:\t c \r\n", "")).await;
    malformed(&post("X: a\r\n folded\r\n", "")).await;
    malformed(&post("X: a\r\n\tfolded\r\n", "")).await;
    malformed(&post(" X: a\r\n", "")).await;
    malformed(&post("X : a\r\n", "")).await;
    malformed(&post("X\t: a\r\n", "")).await;
    malformed(&post(": a\r\n", "")).await;
    malformed(&post("X\r\n", "")).await;
    malformed(&post("X: a\rb\r\n", "")).await;
    malformed(&post("X: a\nY: b\r\n", "")).await;
    malformed(&post("X: a\0\r\n", "")).await;
    malformed("GET / HTTP/1.1\nHost: site.test\n\n").await;
    malformed("GET / HTTP/1.1\rHost: site.test\r\n\r\n").await;
    passes("\r\n\r\nGET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n").await;
}

#[tokio::test]
async fn request_lines_are_exact() {
    let line = |line: &str| format!("{line}\r\nHost: site.test\r\nConnection: close\r\n\r\n");
    passes(&line("GET /a?b=%20c HTTP/1.1")).await;
    passes(&line("OPTIONS * HTTP/1.1")).await;
    let (old, _) = exchange(line("GET / HTTP/1.0").as_bytes()).await;
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
    for wrong in [
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "G(T / HTTP/1.1",
        "GET /#fragment HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /\0 HTTP/1.1",
    ] {
        malformed(&line(wrong)).await;
    }
}

#[tokio::test]
async fn host_is_the_site_in_every_spelling() {
    let host = |host: &str| format!("GET / HTTP/1.1\r\nConnection: close\r\n{host}\r\n");
    for right in ["site.test", "SITE.Test", "site.test.", "site.test:80"] {
        let (answer, _) = exchange(host(&format!("Host: {right}\r\n")).as_bytes()).await;
        assert!(answer.contains("GET / site.test"), "{right}: {answer}");
    }
    for other in [
        "other.test",
        "site.test:81",
        "127.0.0.1",
        "xsite.test",
        "site.test.other.test",
        "[::1]",
        "a.site.test",
        "2130706433",
    ] {
        refuses_host(&host(&format!("Host: {other}\r\n"))).await;
    }
    for wrong in [
        "site.test:",
        "site.test:x",
        "site.test:+80",
        "site.test:80:80",
        "site.test:99999",
    ] {
        let (answer, notes) = exchange(host(&format!("Host: {wrong}\r\n")).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{wrong}: {answer}");
        assert_eq!(
            *notes.refused.lock().unwrap(),
            [Reason::Malformed],
            "{wrong}"
        );
    }
    for userinfo in [
        "user@site.test",
        "site.test@other.test",
        "site.test#@other.test",
        "site.test\\@other.test",
        "",
    ] {
        let (answer, notes) = exchange(host(&format!("Host: {userinfo}\r\n")).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{userinfo}: {answer}");
        assert_eq!(notes.asked.lock().unwrap().len(), 0, "{userinfo}");
    }
    malformed(&host("")).await;
    malformed(&host("Host: site.test\r\nHost: site.test\r\n")).await;
}

async fn refuses_host(bytes: &str) {
    refused(bytes, 421, Reason::OtherName).await;
}

#[tokio::test]
async fn absolute_form_is_the_site_too() {
    let get = |target: &str, host: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    };
    let (answer, _) = exchange(get("http://site.test/p?q", "site.test").as_bytes()).await;
    assert!(answer.contains("GET /p?q site.test"), "{answer}");
    refuses_host(&get("http://other.test/", "site.test")).await;
    refuses_host(&get("http://site.test/", "other.test")).await;
    refuses_host(&get("https://site.test/", "site.test")).await;
    refuses_host(&get("http://site.test:81/", "site.test")).await;
    let (answer, notes) = exchange(get("http://user@site.test/", "site.test").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(notes.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn connect_leads_nowhere() {
    refused("CONNECT site.test:80 HTTP/1.1\r\nHost: site.test:80\r\n\r\nGET / HTTP/1.1\r\nHost: other.test\r\n\r\n", 405, Reason::Protocol).await;
}

#[tokio::test]
async fn each_pipelined_request_is_checked() {
    let one = "GET /1 HTTP/1.1\r\nHost: site.test\r\n\r\n";
    let last = "GET /2 HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
    let (answer, _) = exchange(format!("{one}{last}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    let other = last.replace("site", "other");
    let (answer, notes) = exchange(format!("{one}{other}{one}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 421").count(), 1, "{answer}");
    assert_eq!(*notes.asked.lock().unwrap(), ["GET /1"]);
    let (answer, notes) = exchange(format!("{one}GET  /2\r\n\r\n{one}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
    assert_eq!(*notes.refused.lock().unwrap(), [Reason::Malformed]);
}

#[tokio::test]
async fn heads_are_bounded() {
    passes(&post(&format!("X: {}\r\n", "a".repeat(60_000)), "")).await;
    refused(
        &post(&format!("X: {}\r\n", "a".repeat(70_000)), ""),
        431,
        Reason::Limit,
    )
    .await;
    passes(&post(&"X: a\r\n".repeat(98), "")).await;
    refused(&post(&"X: a\r\n".repeat(99), ""), 431, Reason::Limit).await;
}
