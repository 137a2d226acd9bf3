//! A body without values.

use super::{ScrubError, Scrubber};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a server may be silent before the few bytes that a scrubber holds back are passed on,
/// so that neither side of a conversation waits for the other for ever.
const PAUSE: Duration = Duration::from_millis(50);

/// A body that a [`Scrubber`] goes over, its trailers too.
pub struct Scrubbed<B> {
    inner: B,
    scrubber: Scrubber,
    pause: Option<Pin<Box<Sleep>>>,
    state: State,
}

enum State {
    Data,
    /// The data is at its end; these are the trailers, where there are any.
    Trailers(Option<Frame<Bytes>>),
    Done,
}

/// A body could not be passed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum BodyError<E> {
    #[error("{0}")]
    Body(E),
    #[error(transparent)]
    Scrub(ScrubError),
}

impl Scrubber {
    /// Wraps a body.
    pub fn body<B>(self, inner: B) -> Scrubbed<B> {
        Scrubbed {
            inner,
            scrubber: self,
            pause: None,
            state: State::Data,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Scrubbed<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Done => return Poll::Ready(None),
                State::Trailers(trailers) => {
                    let frame = trailers.take();
                    this.state = State::Done;
                    return Poll::Ready(frame.map(Ok));
                }
                State::Data => {}
            }
            let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
                let data = ready!(this.poll_release(cx));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            };
            this.pause = None;
            let mut frame = match frame.transpose().map_err(BodyError::Body) {
                Ok(frame) => frame,
                Err(error) => {
                    this.state = State::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if this.scrubber.is_idle() {
                return Poll::Ready(frame.map(Ok));
            }
            let data = match &mut frame {
                Some(frame) => match frame.data_ref() {
                    Some(data) => this.scrubber.chunk(data),
                    None => match frame.trailers_mut().map(|t| this.scrubber.fields(t)) {
                        Some(Err(error)) => {
                            this.state = State::Done;
                            return Poll::Ready(Some(Err(BodyError::Scrub(error))));
                        }
                        _ => Bytes::new(),
                    },
                },
                None => Bytes::new(),
            };
            let mut data = data;
            if !frame.as_ref().is_some_and(Frame::is_data) {
                data = this.scrubber.finish();
                this.state = State::Trailers(frame);
            }
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.scrubber.is_idle() {
            return self.inner.size_hint();
        }
        // Bytes that are held back are no longer in the inner body's hint.
        let held = self.scrubber.outstanding();
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(held));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Data => self.inner.is_end_stream() && self.scrubber.outstanding() == 0,
            State::Trailers(trailers) => trailers.is_none(),
            State::Done => true,
        }
    }
}

impl<B> Scrubbed<B> {
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if !self.scrubber.can_release() {
            return Poll::Pending;
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(self.scrubber.release())
    }
}
