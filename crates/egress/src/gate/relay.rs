//! Bytes passed through, both ways, as they are.
//!
//! A connection that is quiet holds no buffer: one is lent for as long as bytes flow. They are read and
//! written: splice(2) through a pipe was no faster on the loopback, and takes pipes of the user's share.

use super::stream::{Stream, reset};
use crate::http::Totals;
use rustix::net::{SendFlags, Shutdown, send};
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::Interest;

/// Bytes of one buffer: larger ones leave the processor's caches before they are written.
const BUFFER: usize = 64 * 1024;

/// Buffers that are kept for the next ones.
const KEPT: usize = 16;

/// Buffers after which the other connections of the thread get their turn.
const TURN: usize = 16;

/// How long an answer is looked out for before the thread sleeps: less than it takes to wake an idle
/// processor of a virtual machine. With two processors a kept connection takes 0.4 of the time.
const LINGER: Duration = Duration::from_micros(5);

/// Whether anybody can answer while this thread looks out for it.
static PARALLEL: LazyLock<bool> =
    LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|count| count.get() > 1));

thread_local! {
    static LENT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Passes bytes both ways until both ends have ended. The end of one direction is passed on as such;
/// an error of one side resets the other.
pub(super) async fn relay<A: Stream, B: Stream>(client: &A, server: &B, totals: &Totals) {
    let passed = tokio::try_join!(
        one_way(client, server, totals.sent_counter()),
        one_way(server, client, totals.received_counter()),
    );
    if passed.is_err() {
        reset(client);
        reset(server);
    }
}

/// One direction, to its end.
async fn one_way<A: Stream, B: Stream>(from: &A, to: &B, count: &AtomicU64) -> io::Result<()> {
    loop {
        from.until(Interest::READABLE).await?;
        let mut buffer = lend();
        let ended = flow(from, to, count, &mut buffer).await?;
        give_back(buffer);
        if ended {
            break;
        }
        linger(from).await;
    }
    match rustix::net::shutdown(to, Shutdown::Write) {
        // It has ended by itself.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Lets the other connections of the thread have their turn, and looks out for more for a moment
/// before the thread may sleep. The other direction of the connection goes on meanwhile.
async fn linger<S: Stream>(from: &S) {
    let start = Instant::now();
    loop {
        tokio::task::yield_now().await;
        let more = from.attempt(Interest::READABLE, || Ok(()));
        if more.is_ok() || !*PARALLEL || start.elapsed() >= LINGER {
            return;
        }
    }
}

/// Passes what there is, for one turn; whether the end has come.
async fn flow<A: Stream, B: Stream>(
    from: &A,
    to: &B,
    count: &AtomicU64,
    buffer: &mut [u8],
) -> io::Result<bool> {
    for _ in 0..TURN {
        let read = from.attempt(Interest::READABLE, || {
            Ok(rustix::io::read(from, &mut buffer[..])?)
        });
        let length = match read {
            Ok(0) => return Ok(true),
            Ok(length) => length,
            Err(error) if again(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let drained = length < buffer.len();
        if drained {
            // The next arrival tells of itself, without another read that finds nothing. Said before
            // anything is waited for: an arrival meanwhile must not be forgotten.
            let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
            let _ = from.attempt(Interest::READABLE, nothing);
        }
        count.fetch_add(length as u64, Ordering::Relaxed);
        write_all(to, &buffer[..length]).await?;
        if drained {
            return Ok(false);
        }
    }
    Ok(false)
}

async fn write_all<B: Stream>(to: &B, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        let written = to.attempt(Interest::WRITABLE, || {
            Ok(send(to, rest, SendFlags::NOSIGNAL)?)
        });
        match written {
            Ok(written) => rest = &rest[written..],
            Err(error) if again(&error) => drop(to.until(Interest::WRITABLE).await?),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn lend() -> Box<[u8]> {
    let kept = LENT.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
}

fn give_back(buffer: Box<[u8]>) {
    LENT.with_borrow_mut(|lent| {
        if lent.len() < KEPT {
            lent.push(buffer);
        }
    });
}
