//! What a program sends, looked at before hyper reads it: HTTP/1 in which two readers could see
//! different requests never gets further.
//!
//! hyper reads what passes once more and writes every request anew, so what is sent on never
//! depends on this alone. What does not pass is replaced by one harmless request, which is answered
//! in its turn with the refusal; nothing after it is read.

mod chunks;
mod head;

pub(super) use head::{FIELDS, Flaw};

use bytes::{Buf, BytesMut};
use chunks::Chunks;
use head::Framing;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// How large a head may be, in bytes: what servers commonly take is 8 to 64 KiB.
pub(super) const HEAD: usize = 64 * 1024;
/// How long a head may take from its first byte to its last.
pub(super) const SLOW: Duration = Duration::from_secs(30);
/// What is read at once.
const READ: usize = 16 * 1024;
/// How much is read and thrown away after a refusal, and for how long, so that the program can read
/// it: closing a socket with unread bytes takes back what was sent.
const DRAIN: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);
/// Stands for a head that is refused; never sent on.
const INSTEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\n\r\n";

/// What a screen found, by request.
#[derive(Debug, Default)]
pub(super) struct Found {
    heads: Mutex<VecDeque<Result<(), Flaw>>>,
    body: Mutex<Option<Flaw>>,
    raw: AtomicBool,
}

/// The program's side of a connection.
pub(super) struct Screen<I> {
    inner: I,
    found: Arc<Found>,
    state: State,
    /// Read and not looked at.
    arrived: BytesMut,
    /// How much of it is known to hold no end of a head.
    scanned: usize,
    /// Looked at, and to be handed on.
    passed: BytesMut,
    /// When the head that is being read has to be complete.
    deadline: Option<Pin<Box<Sleep>>>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
    ended: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
    Refused,
}

impl Found {
    /// What was found about the request whose turn it is.
    pub fn next(&self) -> Result<(), Flaw> {
        lock(&self.heads).pop_front().unwrap_or(Ok(()))
    }

    /// What was wrong with the body of a request, if something was; told once.
    pub fn body(&self) -> Option<Flaw> {
        lock(&self.body).take()
    }

    /// From here on the connection carries something else than HTTP.
    pub fn upgrade(&self) {
        self.raw.store(true, Ordering::Release);
    }
}

impl<I> Screen<I> {
    pub fn new(inner: I) -> (Self, Arc<Found>) {
        let found = Arc::new(Found::default());
        let screen = Self {
            inner,
            found: Arc::clone(&found),
            state: State::Head,
            arrived: BytesMut::new(),
            scanned: 0,
            passed: BytesMut::new(),
            deadline: None,
            lingering: None,
            ended: false,
        };
        (screen, found)
    }

    /// Looks at what has arrived. Whether there is something to hand on, or another state.
    fn advance(&mut self) -> io::Result<bool> {
        match &mut self.state {
            State::Refused => Ok(false),
            State::Head => Ok(self.head()),
            State::Length(0) => {
                self.state = State::Head;
                Ok(true)
            }
            State::Length(left) => {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(self.arrived.len());
                *left -= take as u64;
                self.passed.unsplit(self.arrived.split_to(take));
                Ok(take > 0)
            }
            State::Chunked(chunks) => match chunks.advance(&self.arrived) {
                Ok((taken, finished)) => {
                    self.passed.unsplit(self.arrived.split_to(taken));
                    if finished {
                        self.state = State::Head;
                    }
                    Ok(taken > 0)
                }
                Err(flaw) => {
                    *lock(&self.found.body) = Some(flaw);
                    self.state = State::Refused;
                    Err(io::Error::new(io::ErrorKind::InvalidData, flaw))
                }
            },
        }
    }

    fn head(&mut self) -> bool {
        // RFC 9112, 2.2: empty lines before a request are ignored.
        while self.scanned == 0 && self.arrived.starts_with(b"\r\n") {
            self.arrived.advance(2);
        }
        let end = match head::end(&self.arrived, self.scanned) {
            Ok(Some(end)) if end <= HEAD => end,
            Ok(None) if self.arrived.len() <= HEAD => {
                self.scanned = self.arrived.len();
                return false;
            }
            Ok(_) => return self.refuse(Flaw::Long),
            Err(flaw) => return self.refuse(flaw),
        };
        match head::check(&self.arrived[..end]) {
            Ok(framing) => {
                self.state = match framing {
                    Framing::None => State::Head,
                    Framing::Length(length) => State::Length(length),
                    Framing::Chunked => State::Chunked(Chunks::new()),
                };
                self.passed.unsplit(self.arrived.split_to(end));
                lock(&self.found.heads).push_back(Ok(()));
                self.scanned = 0;
                self.deadline = None;
                true
            }
            Err(flaw) => self.refuse(flaw),
        }
    }

    fn refuse(&mut self, flaw: Flaw) -> bool {
        lock(&self.found.heads).push_back(Err(flaw));
        self.passed.extend_from_slice(INSTEAD);
        self.arrived.clear();
        self.deadline = None;
        self.state = State::Refused;
        true
    }

    fn raw(&self) -> bool {
        self.found.raw.load(Ordering::Acquire)
    }

    /// Whether a head has begun that is not complete in time.
    fn slow(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.state, State::Head) || self.arrived.is_empty() {
            return false;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(SLOW)));
        deadline.as_mut().poll(cx).is_ready()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Screen<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.raw() && !this.arrived.is_empty() {
                this.passed.unsplit(this.arrived.split());
            }
            if !this.passed.is_empty() {
                let take = this.passed.len().min(buf.remaining());
                buf.put_slice(&this.passed[..take]);
                this.passed.advance(take);
                return Poll::Ready(Ok(()));
            }
            if this.raw() {
                return Pin::new(&mut this.inner).poll_read(cx, buf);
            }
            if this.advance()? {
                continue;
            }
            if matches!(this.state, State::Refused) {
                // The answer to what stands for the refused head ends the connection.
                return Poll::Pending;
            }
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            if this.slow(cx) {
                this.refuse(Flaw::Slow);
                continue;
            }
            if let State::Length(left) = &mut this.state {
                return body(&mut this.inner, left, cx, buf);
            }
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            this.ended = read.filled().is_empty();
            this.arrived.extend_from_slice(read.filled());
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Screen<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        }
        if !matches!(this.state, State::Refused) {
            return Poll::Ready(Ok(()));
        }
        let (until, left) = this
            .lingering
            .get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + LINGER)), DRAIN));
        loop {
            if until.as_mut().poll(cx).is_ready() || *left == 0 {
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {
                    *left = left.saturating_sub(read.filled().len());
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// Reads of a body whose length is known, without a copy.
fn body<I: AsyncRead + Unpin>(
    inner: &mut I,
    left: &mut u64,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let mut part = ReadBuf::new(buf.initialize_unfilled_to(most.min(buf.remaining())));
    ready!(Pin::new(inner).poll_read(cx, &mut part))?;
    let read = part.filled().len();
    buf.advance(read);
    *left -= read as u64;
    Poll::Ready(Ok(()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
