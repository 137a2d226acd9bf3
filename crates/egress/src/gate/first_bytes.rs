//! The first bytes of a connection, looked at and left where they are (recv(2), `MSG_PEEK`).

use super::shared::denial;
use super::stream::Stream;
use crate::decision::{Denial, Reason};
use crate::sniff::{MAX_PEEK, Sniff, classify};
use rustix::net::{RecvFlags, recv};
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How long the bytes may take by which a protocol is known, once the first has come.
const DEADLINE: Duration = Duration::from_secs(30);

/// What most first flights fit into; the buffer grows where they do not.
const FIRST: usize = 2048;

/// What the program speaks. `server` ends when the server has something to say, or has gone: then it
/// is the one to speak first, in a protocol that is neither TLS nor HTTP.
pub(super) async fn first_bytes(
    client: &TcpStream,
    server: impl Future<Output = ()>,
) -> Result<Sniff, Denial> {
    let closed = |_| {
        denial(
            Reason::Malformed,
            "the program closed the connection before its protocol was known",
        )
    };
    tokio::select! {
        biased;
        begun = begun(client) => begun.map_err(closed)?,
        () = server => return Ok(Sniff::Other),
    }
    match tokio::time::timeout(DEADLINE, known(client)).await {
        Ok(known) => known.map_err(closed),
        Err(_) => Err(denial(
            Reason::Limit,
            "the program did not send the beginning of its protocol in time",
        )),
    }
}

/// Ends when the stream has something to read, or its end.
pub(super) async fn speaks(stream: &TcpStream) {
    let _ = stream.until(Interest::READABLE).await;
}

/// Ends when there is a byte, or the end. Readiness alone can be left over from a proxy's request
/// that has been taken.
async fn begun(client: &TcpStream) -> io::Result<()> {
    loop {
        client.until(Interest::READABLE).await?;
        let peeked = client.attempt(Interest::READABLE, || {
            Ok(recv(client.as_fd(), &mut [0; 1][..], RecvFlags::PEEK)?)
        });
        match peeked {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn known(client: &TcpStream) -> io::Result<Sniff> {
    let mut peeked = Peeked::default();
    loop {
        let (bytes, ended) = peeked.more(client).await?;
        match classify(bytes) {
            // The program has said all it will: nothing, and listens; or the half of something that a
            // server could take for what it was not checked as.
            Sniff::NeedMore if ended && bytes.is_empty() => return Ok(Sniff::Other),
            Sniff::NeedMore if ended => return Ok(Sniff::Malformed),
            Sniff::NeedMore => {}
            sniff => return Ok(sniff),
        }
    }
}

/// Bytes that have been looked at, from the first on.
#[derive(Default)]
pub(super) struct Peeked {
    buffer: Vec<u8>,
    length: usize,
}

impl Peeked {
    /// Waits until there are more bytes than last time; and whether no more will come.
    pub(super) async fn more(&mut self, stream: &TcpStream) -> io::Result<(&[u8], bool)> {
        loop {
            let ready = stream.until(Interest::READABLE).await?;
            if self.buffer.len() == self.length {
                let room = (self.buffer.len() * 2).clamp(FIRST, MAX_PEEK);
                self.buffer.resize(room, 0);
            }
            let seen = self.length;
            let buffer = &mut self.buffer;
            let peeked = stream.attempt(Interest::READABLE, || {
                let (_, length) = recv(stream.as_fd(), &mut buffer[..], RecvFlags::PEEK)?;
                // Nothing new: the runtime is to wait for the next arrival, not for these bytes.
                match length > seen {
                    true => Ok(length),
                    false => Err(io::ErrorKind::WouldBlock.into()),
                }
            });
            match peeked {
                Ok(length) => {
                    self.length = length;
                    return Ok((&self.buffer[..length], false));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if ready.is_read_closed() || seen == MAX_PEEK {
                        return Ok((&self.buffer[..seen], true));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes bytes that have been looked at, for good.
    pub(super) fn take(&mut self, stream: &TcpStream, count: usize) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let mut taken = [0; FIRST];
            let room = left.min(FIRST);
            // They are there, so this does not block.
            left -= stream.try_read(&mut taken[..room])?.max(1).min(left);
        }
        self.length = 0;
        Ok(())
    }
}
