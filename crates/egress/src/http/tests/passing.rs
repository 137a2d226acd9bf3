//! What passes, and how.

use super::support::{PATIENCE, echo, exchange, head, rig};
use crate::decision::Reason;
use crate::http::Version;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

#[tokio::test]
async fn a_denied_request_leaves_the_connection_usable() {
    let denied = "GET /denied?token=x HTTP/1.1\r\nHost: site.test\r\n\r\n";
    let last = "GET /fine HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
    let (answer, notes) = exchange(format!("{denied}{last}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("no rule allows this request"), "{answer}");
    assert!(answer.contains("add a rule"), "{answer}");
    assert!(!answer.contains("the text of a rule"), "{answer}");
    assert!(answer.contains("GET /fine site.test"), "{answer}");
    assert_eq!(*notes.asked.lock().unwrap(), ["GET /denied", "GET /fine"]);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_sent_on() {
    let lost = "GET /unrecorded HTTP/1.1\r\nHost: site.test\r\n\r\n";
    let last = "GET /fine HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
    let (answer, notes) = exchange(format!("{lost}{last}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("cannot be recorded"), "{answer}");
    assert!(!answer.contains("GET /unrecorded"), "{answer}");
    assert!(answer.contains("GET /fine site.test"), "{answer}");
    assert_eq!(*notes.refused.lock().unwrap(), [Reason::Unrecorded]);
    assert_eq!(notes.used.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_about_one_connection_ends_at_it() {
    let mut rig = rig(Version::Http1).await;
    rig.program
        .write_all(
            b"GET / HTTP/1.1\r\nHost: SITE.test:80\r\nConnection: x-mine, host\r\nX-Mine: 1\r\nX-Else: 2\r\n\
              Proxy-Authorization: Basic eA==\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\n\r\n",
        )
        .await
        .unwrap();
    let sent = head(&mut rig.server).await.to_ascii_lowercase();
    assert!(sent.contains("host: site.test:80\r\n"), "{sent}");
    assert!(sent.contains("x-else: 2"), "{sent}");
    for gone in [
        "x-mine",
        "proxy-authorization",
        "keep-alive",
        "te:",
        "via",
        "connection",
    ] {
        assert!(!sent.contains(gone), "{gone}: {sent}");
    }
    rig.server
        .write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\nConnection: x-mine\r\n\
              X-Mine: 1\r\nX-Else: 2\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        )
        .await
        .unwrap();
    let answer = head(&mut rig.program).await.to_ascii_lowercase();
    assert!(answer.contains("x-else: 2"), "{answer}");
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    assert!(!answer.contains("content-length"), "{answer}");
    assert!(!answer.contains("x-mine"), "{answer}");
}

#[tokio::test]
async fn answers_without_a_body() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
    ] {
        let mut rig = rig(Version::Http1).await;
        for _ in 0..2 {
            let request = format!("{method} / HTTP/1.1\r\nHost: site.test\r\n\r\n");
            rig.program.write_all(request.as_bytes()).await.unwrap();
            head(&mut rig.server).await;
            rig.server.write_all(answer.as_bytes()).await.unwrap();
            let got = head(&mut rig.program).await.to_ascii_lowercase();
            assert!(got.starts_with(&answer[..12].to_ascii_lowercase()), "{got}");
            assert_eq!(
                got.contains("content-length: 1000"),
                method == "HEAD",
                "{got}"
            );
        }
    }
}

#[tokio::test]
async fn a_program_that_waits_for_100_gets_it() {
    let mut rig = rig(Version::Http1).await;
    rig.program
        .write_all(b"PUT / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    let sent = head(&mut rig.server).await;
    assert!(sent.contains("100-continue"), "{sent}");
    let interim = head(&mut rig.program).await;
    assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");
    rig.program.write_all(b"body").await.unwrap();
    let mut body = [0; 4];
    timeout(PATIENCE, rig.server.read_exact(&mut body))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&body, b"body");
}

#[tokio::test]
async fn a_denied_program_that_waits_for_100_gets_none() {
    let request = "PUT /denied HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let (answer, _) = exchange(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn a_hundred_megabytes_pass_and_are_counted() {
    const CHUNK: usize = 1 << 16;
    const CHUNKS: usize = 1600;
    let mut rig = rig(Version::Http1).await;
    let length = CHUNK * CHUNKS;
    let request = format!("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: {length}\r\n\r\n");
    rig.program.write_all(request.as_bytes()).await.unwrap();
    head(&mut rig.server).await;
    // Nobody reads on the other side: what is taken without that is bounded.
    let data = vec![7; CHUNK];
    let mut sent = 0;
    while let Ok(written) = timeout(
        std::time::Duration::from_millis(300),
        rig.program.write(&data),
    )
    .await
    {
        sent += written.unwrap();
    }
    assert!(sent < 32 << 20, "{sent} bytes were taken that nobody reads");
    let (mut program_reads, mut program) = rig.program.into_split();
    let writer = tokio::spawn(async move {
        while sent < length {
            let take = CHUNK.min(length - sent);
            program.write_all(&data[..take]).await.unwrap();
            sent += take;
        }
        program
    });
    let mut got = 0;
    let mut data = vec![0; CHUNK];
    while got < length {
        got += timeout(PATIENCE, rig.server.read(&mut data))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(got, length);
    let _program = writer.await.unwrap();
    rig.server
        .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut server = rig.server;
    tokio::spawn(async move {
        for _ in 0..CHUNKS {
            server.write_all(&vec![7; CHUNK]).await.unwrap();
        }
        // Held open until the test ends.
        std::future::pending::<()>().await;
    });
    let mut got = 0;
    while got < length {
        let read = timeout(PATIENCE, program_reads.read(&mut data))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0);
        got += read;
    }
    assert!(rig.totals.sent() as usize >= length);
    assert!(rig.totals.received() as usize >= length);
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_refused_and_an_idle_connection_is_not() {
    let mut rig = rig(Version::Http1).await;
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
    rig.program
        .write_all(b"GET / HTTP/1.1\r\nHost: si")
        .await
        .unwrap();
    let mut answer = String::new();
    rig.program.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(*rig.notes.refused.lock().unwrap(), [Reason::Limit]);
}

#[tokio::test]
async fn dropping_it_ends_both_sides() {
    let mut rig = rig(Version::Http1).await;
    rig.program
        .write_all(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .await
        .unwrap();
    head(&mut rig.server).await;
    rig.gate.abort();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, rig.program.read_to_end(&mut rest))
        .await
        .expect("the program's side ends");
    let _ = timeout(PATIENCE, rig.server.read_to_end(&mut rest))
        .await
        .expect("the server's side ends");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_silent_server_is_a_502() {
    let mut rig = rig(Version::Http1).await;
    rig.program
        .write_all(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .await
        .unwrap();
    head(&mut rig.server).await;
    drop(rig.server);
    let answer = head(&mut rig.program).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(*rig.notes.refused.lock().unwrap(), [Reason::Unreachable]);
}

#[tokio::test]
async fn a_response_that_is_cut_stays_cut() {
    let mut rig = rig(Version::Http1).await;
    rig.program
        .write_all(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .await
        .unwrap();
    head(&mut rig.server).await;
    rig.server
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await
        .unwrap();
    drop(rig.server);
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, rig.program.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("abc"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn an_old_program_is_served() {
    let server = |stream| {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(echo))
    };
    let mut rig = rig(Version::Http1).await;
    tokio::spawn(server(rig.server));
    rig.program
        .write_all(b"GET /old HTTP/1.0\r\nHost: site.test\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, rig.program.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(answer.ends_with("GET /old site.test: "), "{answer}");
}
