//! Bodies, passed on as they arrive.

use crate::secret::{BodyError, Scrubbed, Scrubber};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body on its way.
pub(super) enum Body {
    /// Our own words.
    Text(Full<Bytes>),
    /// Somebody else's.
    Passed(Incoming),
    /// A server's, kept free of values of secrets.
    Scrubbed(Box<Scrubbed<Incoming>>),
}

impl Body {
    pub fn text(text: String) -> Self {
        Self::Text(Full::new(Bytes::from(text)))
    }

    pub fn scrubbed(inner: Incoming, scrubber: Scrubber) -> Self {
        Self::Scrubbed(Box::new(scrubber.body(inner)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError<hyper::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Text(text) => Pin::new(text)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::Passed(incoming) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::Body),
            Self::Scrubbed(scrubbed) => Pin::new(scrubbed).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_end_stream(),
            Self::Passed(incoming) => incoming.is_end_stream(),
            Self::Scrubbed(scrubbed) => scrubbed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => text.size_hint(),
            Self::Passed(incoming) => incoming.size_hint(),
            Self::Scrubbed(scrubbed) => scrubbed.size_hint(),
        }
    }
}
