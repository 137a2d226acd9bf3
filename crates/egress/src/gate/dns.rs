//! The resolver that programs inside ask: over datagrams and over connections.

use super::environment::Environment;
use super::resolve::NoAddress;
use crate::decision::{Denial, Reason};
use crate::dns::{MAX_QUERY, Query, Record, frame, unframe};
use crate::{Decision, EventKind, Host};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Questions that are being answered at one time. Resolvers ask again what got lost.
const QUESTIONS: usize = 256;

/// How long programs may keep an answer, in seconds. The address stands for the name for as long as
/// the environment lives; the name may be denied meanwhile.
const TTL: u32 = 30;

/// How long a connection may say nothing (RFC 7766, section 6.2.3: a few seconds).
const IDLE: Duration = Duration::from_secs(10);

/// Answers datagrams for ever.
pub(super) async fn datagrams(environment: Arc<Environment>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let places = Arc::new(Semaphore::new(QUESTIONS));
    let mut tasks = JoinSet::new();
    // One byte more than is read, so that what was cut off is not taken for whole.
    let mut buffer = [0; MAX_QUERY + 1];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            // An answer to somebody who has closed: the error is theirs (ICMP), not the socket's.
            tokio::task::yield_now().await;
            continue;
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let message = buffer[..length].to_vec();
            let (environment, socket) = (Arc::clone(&environment), Arc::clone(&socket));
            tasks.spawn(async move {
                send(&environment, &socket, &message, from).await;
                drop(place);
            });
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn send(environment: &Environment, socket: &UdpSocket, message: &[u8], to: SocketAddr) {
    if let Some(reply) = answer(environment, message).await {
        let _ = socket.send_to(&reply, to).await;
    }
}

/// Answers on a connection until its end.
pub(super) async fn connection(environment: &Environment, mut stream: TcpStream) {
    let mut held = Vec::new();
    loop {
        let reply = match unframe(&held) {
            Err(_) => return,
            Ok(Some((message, taken))) => {
                let reply = answer(environment, message).await;
                held.drain(..taken);
                reply
            }
            Ok(None) => {
                let read = stream.read_buf(&mut held);
                match tokio::time::timeout(IDLE, read).await {
                    Ok(Ok(1..)) => continue,
                    _ => return,
                }
            }
        };
        let Some(reply) = reply else { return };
        let reply = frame(&reply);
        let written = stream.write_all(&reply);
        if !matches!(tokio::time::timeout(IDLE, written).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The answer to a message, where it deserves one.
async fn answer(environment: &Environment, message: &[u8]) -> Option<Vec<u8>> {
    let query = match Query::parse(message) {
        Ok(query) => query,
        Err(malformed) => {
            if let Some(name) = malformed.name {
                let record = malformed.record.map(|record| record.to_string());
                let denied = super::shared::denial(
                    Reason::Malformed,
                    "only questions of class IN about names of hosts are answered",
                );
                refused(environment, name, record.unwrap_or_default(), denied);
            }
            return malformed.reply;
        }
    };
    if let Some(local) = query.local() {
        return Some(local);
    }
    let host = Host::Name(query.name.clone());
    let rules = environment.shared.rules();
    if let Err(denied) = rules.lookup(&host)
        && let Err(denied) = environment.ask(denied, &host, None, None).await
    {
        let name = query.name.as_str().to_owned();
        refused(environment, name, query.record.to_string(), denied);
        return Some(query.no_name());
    }
    if !matches!(query.record, Record::A | Record::Aaaa) {
        return Some(query.no_data());
    }
    Some(
        match environment.shared.resolver.addresses(&query.name).await {
            Ok(_) => match environment.synthetic(&query.name) {
                Ok(addresses) => query.addresses(&addresses, TTL),
                Err(denied) => {
                    let name = query.name.as_str().to_owned();
                    refused(environment, name, query.record.to_string(), denied);
                    query.failure()
                }
            },
            Err(NoAddress::NotFound) => query.no_name(),
            Err(_) => query.failure(),
        },
    )
}

fn refused(environment: &Environment, name: String, record: String, denied: Denial) {
    let kind = EventKind::Lookup { name, record };
    environment.tell(kind, Decision::Denied(denied));
}
