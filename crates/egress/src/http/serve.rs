//! One connection: hyper's server towards the program, hyper's client towards the server.

use super::count::Counted;
use super::forward::{Forward, Upstream, malformed};
use super::screen::{FIELDS, HEAD, Screen};
use super::tasks::Tasks;
use super::{Service, Version};
use crate::decision::{Denial, Reason};
use hyper::client::conn as client;
use hyper::server::conn as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex as Slot, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

/// Streams of one HTTP/2 connection at a time; what RFC 9113, 6.5.2, calls enough.
const STREAMS: u32 = 128;
/// Bytes that may be on their way in one stream, and in all of a connection: what keeps one
/// connection's memory small and a fast network full.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of one stream that wait to be written.
const SEND: usize = 256 * 1024;
/// Streams that were opened and reset before anything was done, after which a connection is closed.
const RESETS: usize = 32;
/// Resets of our own that misbehaviour may cause before a connection is closed.
const ERRORS: usize = 256;
/// Bytes of HTTP/1 that hyper holds: a head, and as much again.
const BUFFER: usize = 2 * HEAD;

/// A connection ended otherwise than by both sides closing it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HttpError {
    #[error("the program's side of the connection failed: {0}")]
    Client(#[source] hyper::Error),
    #[error("the server's side of the connection failed: {0}")]
    Server(#[source] hyper::Error),
    #[error("a connection that was upgraded failed: {0}")]
    Upgraded(#[source] std::io::Error),
}

/// Serves one connection until it ends. Dropping the future ends both sides and everything that
/// runs for them.
///
/// # Errors
/// [`HttpError`]; what was refused on the way is told to the judge and is no error.
pub(crate) async fn serve<C, S>(
    client: C,
    server: S,
    version: Version,
    service: Service,
) -> Result<(), HttpError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server = TokioIo::new(server);
    match version {
        Version::Http1 => {
            let (sender, connection) = client::http1::Builder::new()
                .max_headers(FIELDS)
                .max_buf_size(BUFFER)
                .handshake(server)
                .await
                .map_err(HttpError::Server)?;
            let upstream = Upstream::Http1(Mutex::new(sender));
            http1(client, upstream, connection.with_upgrades(), service).await
        }
        Version::Http2 => {
            let tasks = Tasks::default();
            let _end = tasks.end();
            let (sender, connection) = client::http2::Builder::new(tasks.clone())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_send_buf_size(SEND)
                .max_header_list_size(HEAD_LIST)
                .max_pending_accept_reset_streams(RESETS)
                .max_local_error_reset_streams(ERRORS)
                .handshake(server)
                .await
                .map_err(HttpError::Server)?;
            http2(client, Upstream::Http2(sender), connection, tasks, service).await
        }
    }
}

/// [`HEAD`] as HTTP/2 counts it.
#[expect(clippy::cast_possible_truncation, reason = "it is 65536")]
const HEAD_LIST: u32 = HEAD as u32;

async fn http1<C>(
    client: C,
    upstream: Upstream,
    connection: impl Future<Output = hyper::Result<()>>,
    service: Service,
) -> Result<(), HttpError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let judge = Arc::clone(&service.judge);
    let (screen, found) = Screen::new(Counted::new(client, Arc::clone(&service.totals)));
    let forward = Arc::new(Forward {
        service,
        version: Version::Http1,
        upstream,
        found: Some(Arc::clone(&found)),
        answered: AtomicBool::new(false),
        upgrade: Slot::default(),
    });
    let handle = {
        let forward = Arc::clone(&forward);
        service_fn(move |request| Arc::clone(&forward).handle(request))
    };
    let mut downstream = pin!(
        server::http1::Builder::new()
            .max_headers(FIELDS)
            .max_buf_size(BUFFER)
            .auto_date_header(false)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(screen), handle)
            .with_upgrades()
    );
    let mut upstream = pin!(ending(connection));
    let mut ended = None;
    let upgrade = || {
        forward
            .upgrade
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    };
    let result = loop {
        tokio::select! {
            biased;
            result = &mut downstream => break result,
            result = &mut upstream, if ended.is_none() => {
                ended = Some(result);
                let upgrading = forward.upgrade.lock().is_ok_and(|slot| slot.is_some());
                if !upgrading {
                    downstream.as_mut().graceful_shutdown();
                }
            }
        }
    };
    if let Some(flaw) = found.body() {
        judge.refused(None, &malformed(flaw));
    } else if let Err(error) = &result
        && error.is_parse()
    {
        judge.refused(None, &unreadable(error));
    }
    if let Some(upgrade) = upgrade() {
        let mut relay = pin!(upgrade.relay());
        return loop {
            tokio::select! {
                relayed = &mut relay => break relayed.map_err(HttpError::Upgraded),
                result = &mut upstream, if ended.is_none() => ended = Some(result),
            }
        };
    }
    finish(result, ended)
}

async fn http2<C>(
    client: C,
    upstream: Upstream,
    connection: impl Future<Output = hyper::Result<()>>,
    tasks: Tasks,
    service: Service,
) -> Result<(), HttpError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = Counted::new(client, Arc::clone(&service.totals));
    let judge = Arc::clone(&service.judge);
    let forward = Arc::new(Forward {
        service,
        version: Version::Http2,
        upstream,
        found: None,
        answered: AtomicBool::new(false),
        upgrade: Slot::default(),
    });
    let handle = service_fn(move |request| Arc::clone(&forward).handle(request));
    let mut downstream = pin!(
        server::http2::Builder::new(tasks)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND)
            .max_header_list_size(HEAD_LIST)
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(ERRORS)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(client), handle)
    );
    let mut upstream = pin!(ending(connection));
    let mut ended = None;
    let result = loop {
        tokio::select! {
            biased;
            result = &mut downstream => break result,
            result = &mut upstream, if ended.is_none() => {
                ended = Some(result);
                downstream.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = &result
        && error.is_parse()
    {
        judge.refused(None, &unreadable(error));
    }
    finish(result, ended)
}

/// Drops the connection as soon as it has ended, so that requests which still wait for it hear of
/// that.
async fn ending(connection: impl Future<Output = hyper::Result<()>>) -> hyper::Result<()> {
    connection.await
}

fn unreadable(error: &hyper::Error) -> Denial {
    Denial {
        reason: Reason::Malformed,
        rule: None,
        remedy: format!("correct the program's request: {error}"),
    }
}

fn finish(client: hyper::Result<()>, server: Option<hyper::Result<()>>) -> Result<(), HttpError> {
    client.map_err(HttpError::Client)?;
    server.unwrap_or(Ok(())).map_err(HttpError::Server)
}
