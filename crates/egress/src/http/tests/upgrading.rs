//! Connections that become something else.

use super::support::{PATIENCE, Rig, head, rig};
use crate::http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

async fn asked(protocol: &str) -> (Rig, String) {
    let mut rig = rig(Version::Http1).await;
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: site.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {protocol}\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    );
    rig.program.write_all(request.as_bytes()).await.unwrap();
    let sent = head(&mut rig.server).await.to_ascii_lowercase();
    (rig, sent)
}

#[tokio::test]
async fn after_101_bytes_pass_as_they_are() {
    let (mut rig, sent) = asked("websocket").await;
    assert!(sent.contains("upgrade: websocket"), "{sent}");
    assert!(sent.contains("connection: upgrade"), "{sent}");
    // The first bytes of the new protocol come with the head.
    rig.server
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        .await
        .unwrap();
    let answer = head(&mut rig.program).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(answer.contains("upgrade: websocket"), "{answer}");
    let mut hello = [0; 5];
    timeout(PATIENCE, rig.program.read_exact(&mut hello))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&hello, b"hello");
    rig.program.write_all(b"\x81\x00\n\0any").await.unwrap();
    let mut any = [0; 7];
    timeout(PATIENCE, rig.server.read_exact(&mut any))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&any, b"\x81\x00\n\0any");
    drop(rig.program);
    drop(rig.server);
    let _ = timeout(PATIENCE, rig.gate).await.expect("the relay ends");
}

#[tokio::test]
async fn without_101_it_stays_http() {
    let (mut rig, _) = asked("websocket").await;
    rig.server
        .write_all(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = head(&mut rig.program).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    rig.program
        .write_all(b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
        .await
        .unwrap();
    let answer = head(&mut rig.program).await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
}

#[tokio::test]
async fn nothing_becomes_http_or_tls_once_more() {
    for protocol in ["h2c", "HTTP/2.0", "TLS/1.2", "websocket, h2c"] {
        let (_rig, sent) = asked(protocol).await;
        assert!(!sent.contains("upgrade"), "{sent}");
        assert!(!sent.contains("http2-settings"), "{sent}");
    }
}

#[tokio::test]
async fn an_answer_of_101_that_nobody_asked_for_is_none() {
    let switching =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n";
    let (mut rig, _) = asked("websocket").await;
    rig.server.write_all(switching.as_bytes()).await.unwrap();
    let answer = head(&mut rig.program).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}
