//! HTTP/2, with prior knowledge.

use super::support::{PATIENCE, Rig, echo, rig};
use crate::decision::Reason;
use crate::http::Version;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::support::Notes;

async fn program<B>(rig: Rig) -> (SendRequest<B>, Arc<Notes>)
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(rig.program))
        .await
        .unwrap();
    tokio::spawn(connection);
    (sender, rig.notes)
}

async fn echoed() -> (SendRequest<Full<Bytes>>, Arc<Notes>) {
    let mut rig = rig(Version::Http2).await;
    let server = std::mem::replace(&mut rig.server, super::support::pair().await.0);
    tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(server), service_fn(echo)),
    );
    program(rig).await
}

async fn get(
    sender: &mut SendRequest<Full<Bytes>>,
    request: http::request::Builder,
) -> (StatusCode, String) {
    let answer = sender
        .send_request(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn each_request_is_decided_about_and_the_connection_stays() {
    let (mut sender, notes) = echoed().await;
    let (status, body) = get(&mut sender, Request::get("http://site.test/fine?q")).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::OK, "GET http://site.test/fine?q : ")
    );
    let (status, body) = get(&mut sender, Request::get("http://site.test/denied")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("no rule allows"), "{body}");
    let (status, _) = get(&mut sender, Request::get("http://SITE.test:80/fine")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        *notes.asked.lock().unwrap(),
        ["GET /fine", "GET /denied", "GET /fine"]
    );
}

#[tokio::test]
async fn another_authority_is_refused_and_the_connection_stays() {
    let (mut sender, notes) = echoed().await;
    for (uri, host) in [
        ("http://other.test/", None),
        ("https://site.test/", None),
        ("http://site.test:81/", None),
        ("http://site.test/", Some("other.test")),
    ] {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (status, _) = get(&mut sender, request).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{uri}");
    }
    assert_eq!(*notes.refused.lock().unwrap(), [Reason::OtherName; 4]);
    assert_eq!(notes.asked.lock().unwrap().len(), 0);
    let request = Request::get("http://site.test/").header("host", "site.test");
    assert_eq!(get(&mut sender, request).await.0, StatusCode::OK);
    let connect = Request::builder().method("CONNECT").uri("site.test:80");
    let answer = sender
        .send_request(connect.body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// A message and trailers, as gRPC answers.
struct Call(u8);

impl http_body::Body for Call {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        this.0 += 1;
        Poll::Ready(match this.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"message")))),
            2 => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            _ => None,
        })
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let mut rig = rig(Version::Http2).await;
    let server = std::mem::replace(&mut rig.server, super::support::pair().await.0);
    let call = service_fn(|request: Request<hyper::body::Incoming>| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let body = request.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        Ok::<_, Infallible>(Response::new(Call(0)))
    });
    tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(server), call),
    );
    let (mut sender, _) = program(rig).await;
    let request = Request::post("http://site.test/service/Call").header("te", "trailers");
    let answer = sender
        .send_request(request.body(Call(0)).unwrap())
        .await
        .unwrap();
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(&body.to_bytes()[..], b"message");
}

#[tokio::test]
async fn many_requests_at_once() {
    let (sender, _) = echoed().await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let mut sender = sender.clone();
        all.spawn(async move { get(&mut sender, Request::get("http://site.test/")).await.0 });
    }
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_a_502_or_the_end() {
    let rig = rig(Version::Http2).await;
    let notes = rig.notes.clone();
    let Rig {
        program, server, ..
    } = rig;
    drop(server);
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Empty<Bytes>>(TokioIo::new(program))
        .await;
    if let Ok((mut sender, connection)) = handshake {
        tokio::spawn(connection);
        let request = Request::get("http://site.test/")
            .body(Empty::new())
            .unwrap();
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        if let Ok(answer) = answer.expect("it does not hang") {
            assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        }
    }
    assert!(notes.used.lock().unwrap().len() <= 1);
}
