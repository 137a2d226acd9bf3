//! A gate between a program and a server, both played by the test.

use crate::Host;
use crate::decision::{Denial, Reason};
use crate::http::serve::HttpError;
use crate::http::{Asked, Judge, Service, Site, Totals, Version, serve};
use crate::secret::Secrets;
use bytes::Bytes;
use cofferdam_policy::HostName;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Denies everything below `/denied`, and remembers what it hears.
#[derive(Default)]
pub struct Notes {
    pub asked: Mutex<Vec<String>>,
    pub used: Mutex<Vec<Vec<String>>>,
    pub refused: Mutex<Vec<Reason>>,
}

impl Judge for Notes {
    fn judge(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<(), Denial>> + Send + '_>> {
        let line = format!("{} {}", asked.method, asked.path);
        self.asked.lock().unwrap().push(line);
        let denied = asked.path.starts_with("/denied");
        Box::pin(async move {
            if denied {
                return Err(denial(Reason::NotAllowed));
            }
            Ok(())
        })
    }

    fn admit(&self, asked: &Asked, secrets: &[String]) -> Result<(), Denial> {
        if asked.path.starts_with("/unrecorded") {
            return Err(denial(Reason::Unrecorded));
        }
        self.used.lock().unwrap().push(secrets.to_vec());
        Ok(())
    }

    fn refused(&self, _: Option<&Asked>, denial: &Denial) {
        self.refused.lock().unwrap().push(denial.reason);
    }
}

pub fn denial(reason: Reason) -> Denial {
    Denial {
        reason,
        rule: Some("the text of a rule".to_owned()),
        remedy: "add a rule".to_owned(),
    }
}

/// Both ends of a gate that serves one connection.
pub struct Rig {
    pub program: TcpStream,
    pub server: TcpStream,
    pub notes: Arc<Notes>,
    pub totals: Arc<Totals>,
    pub gate: JoinHandle<Result<(), HttpError>>,
}

pub async fn rig(version: Version) -> Rig {
    rig_with(version, site("site.test", 80, false), None).await
}

pub async fn rig_with(version: Version, site: Site, secrets: Option<Arc<Secrets>>) -> Rig {
    let (program, client) = pair().await;
    let (upstream, server) = pair().await;
    let notes = Arc::new(Notes::default());
    let totals = Arc::new(Totals::default());
    let service = Service {
        site,
        judge: notes.clone(),
        secrets,
        totals: totals.clone(),
    };
    let gate = tokio::spawn(serve(client, upstream, version, service));
    Rig {
        program,
        server,
        notes,
        totals,
        gate,
    }
}

pub fn site(name: &str, port: u16, tls: bool) -> Site {
    Site {
        host: Host::Name(HostName::parse(name).unwrap()),
        port,
        tls,
        loopback: false,
    }
}

pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (other, _) = listener.accept().await.unwrap();
    (one, other)
}

/// A server that says what it got: `METHOD target HOST: BODY`.
pub async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let host = parts
        .headers
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    let body = match body.collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => "(cut)".to_owned(),
    };
    let text = format!(
        "{} {} {}: {body}",
        parts.method,
        parts.uri,
        host.unwrap_or_default()
    );
    Ok(Response::new(Full::new(Bytes::from(text))))
}

/// What a program reads that sends these bytes to a gate in front of [`echo`], and what the judge
/// heard. The connection has to end.
pub async fn exchange(bytes: &[u8]) -> (String, Arc<Notes>) {
    let mut rig = rig(Version::Http1).await;
    let server = TokioIo::new(rig.server);
    tokio::spawn(
        hyper::server::conn::http1::Builder::new().serve_connection(server, service_fn(echo)),
    );
    rig.program.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, rig.program.read_to_end(&mut answer))
        .await
        .expect("the connection ends")
        .unwrap();
    drop(rig.program);
    let _ = rig.gate.await;
    (String::from_utf8_lossy(&answer).into_owned(), rig.notes)
}

/// Reads up to the end of a head.
pub async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8())
            .await
            .expect("a head comes")
            .unwrap();
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Serves [`echo`] with what TLS has agreed on.
pub async fn echo_any<I>(stream: tokio_rustls::server::TlsStream<I>)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let _ = if second {
        hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
            .serve_connection(stream, service_fn(echo))
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(stream, service_fn(echo))
            .await
    };
}
