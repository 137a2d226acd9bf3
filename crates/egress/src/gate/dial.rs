//! Connections to the outside: to addresses that were looked up and checked, and no others.

use super::environment::Environment;
use super::shared::denial;
use super::sockets::unpaced;
use crate::Host;
use crate::decision::{Denial, Reason};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// How long one address may take: the kernel's third try of a SYN falls into it (tcp(7)).
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// How long an address has before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// Connects to a host: looks its name up, checks its addresses against the rules, and connects to
/// one of those.
pub(super) async fn dial(
    environment: &Environment,
    host: &Host,
    port: u16,
) -> Result<TcpStream, Denial> {
    let addresses = match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => {
            let found = environment.shared.resolver.addresses(name).await;
            let found = found.map_err(|why| denial(Reason::Unreachable, why.to_string()))?;
            checked(environment, &found, port)?
        }
    };
    connect(&addresses, port).await.ok_or_else(|| {
        let remedy = "check that the server runs and that this host reaches it";
        denial(Reason::Unreachable, remedy)
    })
}

/// Those of a name's addresses that may be connected to; the first one's denial where none may.
fn checked(environment: &Environment, found: &[IpAddr], port: u16) -> Result<Vec<IpAddr>, Denial> {
    let rules = environment.shared.rules();
    let mut denied = None;
    let mut allowed = Vec::new();
    for address in found {
        match rules.address(*address, port) {
            Ok(()) => allowed.push(*address),
            Err(why) => drop(denied.get_or_insert(why)),
        }
    }
    match denied {
        Some(denied) if allowed.is_empty() => Err(denied),
        _ => Ok(allowed),
    }
}

/// A connection to one address.
pub(super) async fn stream(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if to.ip().to_canonical().is_loopback() {
        unpaced(&socket);
    }
    socket.connect(to).await
}

/// The first connection that comes about.
async fn connect(addresses: &[IpAddr], port: u16) -> Option<TcpStream> {
    let mut addresses = addresses.iter().take(ADDRESSES);
    let attempt = |address: &IpAddr| {
        let to = SocketAddr::new(*address, port);
        async move { tokio::time::timeout(CONNECT, stream(to)).await.ok()?.ok() }
    };
    // Most hosts have one address that matters, and answer.
    if addresses.len() == 1 {
        return attempt(addresses.next()?).await;
    }
    let mut attempts = JoinSet::new();
    loop {
        let more = match addresses.next() {
            Some(address) => {
                attempts.spawn(attempt(address));
                true
            }
            None => false,
        };
        loop {
            let done = match more {
                true => match tokio::time::timeout(HEAD_START, attempts.join_next()).await {
                    Ok(done) => done,
                    // The next one gets its turn.
                    Err(_) => break,
                },
                false => attempts.join_next().await,
            };
            match done {
                Some(Ok(Some(stream))) => return Some(stream),
                Some(_) if more => break,
                Some(_) => {}
                None if more => break,
                None => return None,
            }
        }
    }
}
