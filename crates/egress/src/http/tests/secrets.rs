//! Secrets in requests and answers.

use super::support::{Rig, head, rig_with, site};
use crate::decision::Reason;
use crate::http::Version;
use crate::secret::Secrets;
use cofferdam_policy::{NamePattern, Ports, Secret, SecretHost, SecretPlace, SecretSource};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VALUE: &str = "c0ffee-canary-0123456789";

async fn with_secret(tls: bool) -> (Rig, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(VALUE.as_bytes()).unwrap();
    let secret = Secret {
        name: "TOKEN".to_owned(),
        source: SecretSource::File(file.path().to_owned()),
        ttl: None,
        hosts: vec![SecretHost {
            name: NamePattern::parse("site.test").unwrap(),
            ports: Ports::ANY,
        }],
        place: SecretPlace::Bearer,
        prefix: String::new(),
        unreadable: Default::default(),
    };
    let secrets = Secrets::new(vec![secret], BTreeMap::new()).unwrap();
    let placeholder = secrets.placeholders()[0].1.clone();
    // Fetched while the file is there.
    let (mut parts, ()) = http::Request::get("/")
        .header("authorization", format!("Bearer {placeholder}"))
        .body(())
        .unwrap()
        .into_parts();
    let host = site("site.test", 443, true);
    secrets
        .swap(&host.host, 443, true, false, &mut parts)
        .await
        .unwrap();
    let port = if tls { 443 } else { 80 };
    let rig = rig_with(
        Version::Http1,
        site("site.test", port, tls),
        Some(Arc::new(secrets)),
    )
    .await;
    (rig, placeholder)
}

#[tokio::test]
async fn a_placeholder_leaves_as_the_value_and_the_value_does_not_come_back() {
    let (mut rig, placeholder) = with_secret(true).await;
    let request = format!(
        "GET /who HTTP/1.1\r\nHost: site.test\r\nAuthorization: Bearer {placeholder}\r\n\r\n"
    );
    rig.program.write_all(request.as_bytes()).await.unwrap();
    let sent = head(&mut rig.server).await;
    assert!(sent.contains(&format!("Bearer {VALUE}")), "{sent}");
    assert_eq!(*rig.notes.used.lock().unwrap(), [["TOKEN"]]);
    let body = format!("you sent {VALUE}");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nX-Echo: {VALUE}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    rig.server.write_all(answer.as_bytes()).await.unwrap();
    let got = head(&mut rig.program).await;
    let mut rest = vec![0; body.len()];
    rig.program.read_exact(&mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.starts_with("you sent "), "{rest}");
    assert!(!got.contains(VALUE) && !rest.contains(VALUE), "{got}{rest}");
}

#[tokio::test]
async fn in_the_clear_it_stays_a_placeholder() {
    let (mut rig, placeholder) = with_secret(false).await;
    let request = format!(
        "GET /who HTTP/1.1\r\nHost: site.test\r\nAuthorization: Bearer {placeholder}\r\n\r\n"
    );
    rig.program.write_all(request.as_bytes()).await.unwrap();
    let sent = head(&mut rig.server).await;
    assert!(sent.contains(&placeholder), "{sent}");
    assert!(!sent.contains(VALUE), "{sent}");
}

#[tokio::test]
async fn trace_would_send_it_back() {
    let (mut rig, _) = with_secret(true).await;
    rig.program
        .write_all(b"TRACE / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .await
        .unwrap();
    let answer = head(&mut rig.program).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(*rig.notes.refused.lock().unwrap(), [Reason::Secret]);
    let mut control = rig_with(Version::Http1, site("site.test", 443, true), None).await;
    control
        .program
        .write_all(b"TRACE / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .await
        .unwrap();
    assert!(head(&mut control.server).await.starts_with("TRACE / "));
}
