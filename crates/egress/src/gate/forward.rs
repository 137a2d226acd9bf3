//! Ways between the host and the inside that are no rules about names.

use super::dial::{self, CONNECT};
use super::environment::Environment;
use super::relay::relay;
use super::shared::denial;
use super::sockets::unpaced;
use super::stream::Stream;
use super::{Inside, accept, agent};
use crate::decision::{Denial, Reason};
use crate::http::Totals;
use crate::{Decision, EventKind};
use cofferdam_policy::{Forward, HostEndpoint};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

/// A port inside leads to a service of the host.
pub(super) async fn tcp(environment: Arc<Environment>, listener: TcpListener, way: Forward) {
    let next = || async { Ok(listener.accept().await?.0) };
    accept::each(&environment.shared, next, |stream: TcpStream| {
        at_once(&stream);
        outwards(Arc::clone(&environment), stream, way.clone())
    })
    .await;
}

/// A unix socket inside leads to a service of the host.
pub(super) async fn unix(environment: Arc<Environment>, listener: UnixListener, way: Forward) {
    let next = || async { Ok(listener.accept().await?.0) };
    accept::each(&environment.shared, next, |stream: UnixStream| {
        outwards(Arc::clone(&environment), stream, way.clone())
    })
    .await;
}

/// A unix socket inside leads to the filtered ssh-agent.
pub(super) async fn ssh_agent(environment: Arc<Environment>, listener: UnixListener) {
    let next = || async { Ok(listener.accept().await?.0) };
    accept::each(&environment.shared, next, |stream: UnixStream| {
        let environment = Arc::clone(&environment);
        async move { agent::connection(&environment, stream).await }
    })
    .await;
}

/// A port of the host leads to one inside.
pub(super) async fn publish(
    environment: Arc<Environment>,
    listener: std::net::TcpListener,
    port: u16,
    inside: Arc<dyn Inside>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let next = || async { listener.accept().await };
    accept::each(&environment.shared, next, |(stream, from)| {
        let inside = Arc::clone(&inside);
        inwards(Arc::clone(&environment), stream, from, inside, port)
    })
    .await;
}

async fn inwards(
    environment: Arc<Environment>,
    stream: TcpStream,
    from: SocketAddr,
    inside: Arc<dyn Inside>,
    port: u16,
) {
    at_once(&stream);
    if from.ip().to_canonical().is_loopback() {
        unpaced(&stream);
    }
    let mut account = Account::new(environment, About::Publish(from, port));
    if !account.admit() {
        return;
    }
    match connect_inside(inside, port).await {
        Ok(server) => {
            at_once(&server);
            relay(&server, &stream, &account.totals).await;
        }
        Err(error) => account.failed(format!(
            "port {port} inside does not answer ({error}): check that a program listens there"
        )),
    }
}

async fn connect_inside(inside: Arc<dyn Inside>, port: u16) -> io::Result<TcpStream> {
    let made = tokio::task::spawn_blocking(move || inside.socket()).await;
    let fd = made.map_err(io::Error::other)??;
    rustix::io::ioctl_fionbio(&fd, true)?;
    unpaced(&fd);
    let socket = TcpSocket::from_std_stream(fd.into());
    socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
}

async fn outwards(environment: Arc<Environment>, client: impl Stream, way: Forward) {
    let host = way.host.clone();
    let mut account = Account::new(environment, About::Forward(way));
    if !account.admit() {
        return;
    }
    let unreached = match &host {
        HostEndpoint::Tcp(address) => {
            match tokio::time::timeout(CONNECT, dial::stream(*address)).await {
                Ok(Ok(server)) => {
                    at_once(&server);
                    return relay(&client, &server, &account.totals).await;
                }
                Ok(Err(error)) => error,
                Err(_) => io::ErrorKind::TimedOut.into(),
            }
        }
        HostEndpoint::Unix(path) => match UnixStream::connect(path).await {
            Ok(server) => return relay(&client, &server, &account.totals).await,
            Err(error) => error,
        },
        _ => io::ErrorKind::Unsupported.into(),
    };
    account.failed(format!(
        "the service at {host} does not answer ({unreached}): check that it runs on the host"
    ));
}

/// What comes in small pieces is sent on in small pieces.
fn at_once(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// What a connection is about.
enum About {
    Forward(Forward),
    /// Who connected, and the port inside.
    Publish(SocketAddr, u16),
}

/// Tells of a connection when it is dropped: also when its environment ends before it.
struct Account {
    environment: Arc<Environment>,
    about: About,
    at: SystemTime,
    started: Instant,
    totals: Totals,
    failed: Option<Denial>,
}

impl Account {
    fn new(environment: Arc<Environment>, about: About) -> Self {
        Self {
            environment,
            about,
            at: SystemTime::now(),
            started: Instant::now(),
            totals: Totals::default(),
            failed: None,
        }
    }

    /// Whether it may begin. Where it may not it has come to nothing.
    fn admit(&mut self) -> bool {
        let (kind, rule) = self.kind(Duration::ZERO);
        self.failed = self.environment.admit(kind, rule).err();
        self.failed.is_none()
    }

    /// It came to nothing; with what helps.
    fn failed(&mut self, remedy: String) {
        self.failed = Some(denial(Reason::Unreachable, remedy));
    }

    /// What is told of it, and what allows it.
    fn kind(&self, duration: Duration) -> (EventKind, &'static str) {
        let (sent, received) = (self.totals.sent(), self.totals.received());
        match &self.about {
            About::Forward(way) => {
                let kind = EventKind::Forward {
                    inside: way.inside.clone(),
                    host: way.host.clone(),
                    sent,
                    received,
                    duration,
                };
                (kind, "the policy forwards it")
            }
            About::Publish(from, port) => {
                let kind = EventKind::Publish {
                    from: *from,
                    port: *port,
                    sent,
                    received,
                    duration,
                };
                (kind, "the policy publishes it")
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let (kind, rule) = self.kind(self.started.elapsed());
        let decision = match self.failed.take() {
            Some(denied) => Decision::Denied(denied),
            None => Decision::Allowed(rule.into()),
        };
        self.environment.tell_since(self.at, kind, decision);
    }
}
