//! Ways between the host and the inside that are no rules about names.

use super::environment::Environment;
use super::relay::relay;
use super::shared::Shared;
use super::stream::Stream;
use super::{Inside, accept, agent};
use crate::http::Totals;
use cofferdam_policy::HostEndpoint;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

/// A port inside leads to a service of the host.
pub(super) async fn tcp(shared: Arc<Shared>, listener: TcpListener, to: HostEndpoint) {
    let next = || async { Ok(listener.accept().await?.0) };
    accept::each(&shared, next, |stream: TcpStream| {
        outwards(stream, to.clone())
    })
    .await;
}

/// A unix socket inside leads to a service of the host.
pub(super) async fn unix(shared: Arc<Shared>, listener: UnixListener, to: HostEndpoint) {
    let next = || async { Ok(listener.accept().await?.0) };
    accept::each(&shared, next, |stream: UnixStream| {
        outwards(stream, to.clone())
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
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
    port: u16,
    inside: Arc<dyn Inside>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let next = || async { Ok(listener.accept().await?.0) };
    accept::each(&shared, next, |stream: TcpStream| {
        let inside = Arc::clone(&inside);
        async move {
            if let Ok(server) = connect_inside(inside, port).await {
                relay(&stream, &server, &Totals::default()).await;
            }
        }
    })
    .await;
}

async fn connect_inside(inside: Arc<dyn Inside>, port: u16) -> io::Result<TcpStream> {
    let made = tokio::task::spawn_blocking(move || inside.socket()).await;
    let fd = made.map_err(io::Error::other)??;
    rustix::io::ioctl_fionbio(&fd, true)?;
    let socket = TcpSocket::from_std_stream(fd.into());
    socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
}

async fn outwards(client: impl Stream, to: HostEndpoint) {
    let totals = Totals::default();
    match to {
        HostEndpoint::Tcp(address) => {
            if let Ok(server) = TcpStream::connect(address).await {
                relay(&client, &server, &totals).await;
            }
        }
        HostEndpoint::Unix(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                relay(&client, &server, &totals).await;
            }
        }
        _ => {}
    }
}
