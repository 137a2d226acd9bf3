//! Keeping values out of responses.

use super::ScrubError;
use bytes::Bytes;
use cofferdam_audit::needle::{Found, Needle, Scratch};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How much of the beginning of something that may turn out to be a value is passed on when a
/// server pauses there: less than half of the shortest value, and enough for a message to get
/// through whose last bytes happen to look like one.
const RELEASED: usize = 3;

/// Takes values out of a response. One for each response; a fresh clone has seen no body yet.
///
/// Each value is found as it is, in hexadecimal and in base64 (both alphabets, at each offset,
/// with line ends in it), all of these also with any of their bytes percent-encoded, escaped as in
/// JSON, or written as HTML references, and wherever chunks are cut. It is overwritten by as many
/// bytes of filler, so that lengths and frames stay right.
///
/// What it does not find: a value in another encoding, compressed, encrypted, in part, or with
/// something in between (a server that answers with each second character). At the ends of a value
/// in base64 a character that also belongs to its neighbour stays, with up to 4 bits of it. This
/// keeps a server that echoes from handing the value in; it does not hold against a server that
/// means to.
#[derive(Clone, Default)]
pub struct Scrubber {
    needles: Option<Arc<Needles>>,
    /// Whether an answer that cannot be looked into is refused.
    strict: bool,
    held: Held,
}

/// All needles of one scrubber.
pub(super) struct Needles {
    needles: Vec<Arc<Vec<Needle>>>,
    /// By a byte, the needles that can begin with it, as places in `needles`.
    starts: Vec<Vec<(usize, usize)>>,
    filler: u8,
}

/// The end of what was seen of a stream, as it may be the beginning of a value.
#[derive(Clone, Default)]
struct Held {
    bytes: Zeroizing<Vec<u8>>,
    /// How many of them belong to a value that was found.
    filled: usize,
    /// How many of them were passed on already.
    released: usize,
}

impl Scrubber {
    pub(super) fn new(needles: Option<Needles>, strict: bool) -> Self {
        Self {
            needles: needles.map(Arc::new),
            strict,
            held: Held::default(),
        }
    }

    /// Whether there is nothing to look for: the response can be passed on untouched.
    pub fn is_idle(&self) -> bool {
        self.needles.is_none()
    }

    /// Goes over the head of a response: also of an informational one (1xx). A reason phrase of the
    /// server's own is dropped.
    ///
    /// # Errors
    /// [`ScrubError`]; the response must not be passed on then.
    pub fn head(&self, parts: &mut http::response::Parts) -> Result<(), ScrubError> {
        if self.is_idle() {
            return Ok(());
        }
        if self.strict && is_encoded(&parts.headers) {
            return Err(ScrubError::Encoded);
        }
        parts.extensions.remove::<hyper::ext::ReasonPhrase>();
        self.fields(&mut parts.headers)
    }

    /// Goes over the fields of a header or trailer section.
    ///
    /// # Errors
    /// [`ScrubError::HeaderName`].
    pub fn fields(&self, fields: &mut HeaderMap) -> Result<(), ScrubError> {
        let Some(needles) = &self.needles else {
            return Ok(());
        };
        for (name, value) in fields.iter_mut() {
            if needles.scrub(name.as_str().as_bytes()).is_some() {
                return Err(ScrubError::HeaderName);
            }
            // Digits that happen to be a value must not break the framing.
            if name == CONTENT_LENGTH {
                continue;
            }
            if let Some(clean) = needles.scrub(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&clean)
                    .unwrap_or_else(|_| HeaderValue::from_static(""));
            }
        }
        Ok(())
    }

    /// The next bytes of a stream; gives back what can be passed on. All that comes out is as long
    /// as all that went in once [`Scrubber::finish`] was called.
    pub fn chunk(&mut self, data: &[u8]) -> Bytes {
        match &self.needles {
            Some(needles) => needles.run(&mut self.held, data, false),
            None => Bytes::copy_from_slice(data),
        }
    }

    /// What was held back and can no longer be part of a value, as the stream is at its end.
    pub fn finish(&mut self) -> Bytes {
        match &self.needles {
            Some(needles) => needles.run(&mut self.held, &[], true),
            None => Bytes::new(),
        }
    }

    /// What is passed on of the bytes held back when the server pauses: a few bytes, or none where
    /// more than a few look like a value. Should they turn out to be one, the rest is overwritten.
    pub fn release(&mut self) -> Bytes {
        let held = &mut self.held;
        if held.bytes.len() > RELEASED {
            return Bytes::new();
        }
        let mut out = held.bytes.to_vec();
        if let Some(needles) = &self.needles {
            let filled = held.filled.min(out.len());
            out[..filled].fill(needles.filler);
        }
        out.drain(..held.released.min(out.len()));
        held.released = held.bytes.len();
        Bytes::from(out)
    }

    /// How many bytes went in and have not come out.
    pub(super) fn outstanding(&self) -> u64 {
        let held = self.held.bytes.len();
        u64::try_from(held.saturating_sub(self.held.released)).unwrap_or(u64::MAX)
    }

    /// Whether [`Scrubber::release`] would give something.
    pub(super) fn can_release(&self) -> bool {
        let length = self.held.bytes.len();
        length <= RELEASED && length > self.held.released
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber")
            .field("idle", &self.is_idle())
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}

impl Needles {
    /// Those of some values; none where there is no value.
    pub fn of<'a>(
        values: impl Iterator<Item = (&'a [u8], &'a Arc<Vec<Needle>>)>,
    ) -> Option<Needles> {
        let mut seen = [false; 256];
        let mut starts = vec![Vec::new(); 256];
        let mut all = Vec::new();
        for (value, needles) in values {
            for byte in value {
                seen[usize::from(*byte)] = true;
            }
            for (index, needle) in needles.iter().enumerate() {
                for byte in needle.first_bytes() {
                    starts[usize::from(byte)].push((all.len(), index));
                }
            }
            all.push(Arc::clone(needles));
        }
        // A byte of no value, so that filler never makes up one; legal in headers, JSON, base64.
        let mut fillers = (b'A'..=b'Z').chain(b'0'..=b'9').chain(b'a'..=b'z').rev();
        let filler = std::iter::once(b'x')
            .chain(&mut fillers)
            .find(|byte| !seen[usize::from(*byte)])
            .unwrap_or(b'*');
        (!all.is_empty()).then_some(Needles {
            needles: all,
            starts,
            filler,
        })
    }

    /// The text without values; none where it has none.
    pub fn scrub(&self, text: &[u8]) -> Option<Vec<u8>> {
        let out = self.run(&mut Held::default(), text, true);
        (out != text).then(|| out.to_vec())
    }

    fn run(&self, held: &mut Held, data: &[u8], end: bool) -> Bytes {
        let joined;
        let text = if held.bytes.is_empty() {
            data
        } else {
            held.bytes.extend_from_slice(data);
            joined = std::mem::take(&mut held.bytes);
            joined.as_slice()
        };
        let mut scratch = Scratch::default();
        let mut out = text.to_vec();
        let mut filled = held.filled;
        let mut decided = text.len();
        for (index, byte) in text.iter().enumerate() {
            let starts = &self.starts[usize::from(*byte)];
            if !starts.is_empty() {
                match self.longest(starts, text, index, end, &mut scratch) {
                    Found::More => {
                        decided = index;
                        break;
                    }
                    Found::Length(length) => filled = filled.max(index + length),
                    Found::No => {}
                }
            }
            if index < filled {
                out[index] = self.filler;
            }
        }
        drop(Zeroizing::new(out.split_off(decided)));
        out.drain(..held.released.min(out.len()));
        *held = Held {
            // From the text, as a byte that is to be overwritten may begin a further value.
            bytes: Zeroizing::new(text[decided..].to_vec()),
            filled: filled.saturating_sub(decided),
            released: held.released.saturating_sub(decided),
        };
        Bytes::from(out)
    }

    fn longest(
        &self,
        starts: &[(usize, usize)],
        text: &[u8],
        index: usize,
        end: bool,
        scratch: &mut Scratch,
    ) -> Found {
        let mut longest = Found::No;
        for (value, needle) in starts {
            let needle = &self.needles[*value][*needle];
            match (needle.find(text, index, end, scratch), longest) {
                (Found::More, _) => return Found::More,
                (Found::Length(new), Found::Length(old)) if new <= old => {}
                (found @ Found::Length(_), _) => longest = found,
                (Found::No, _) => {}
            }
        }
        longest
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let other = |name, plain: &str| {
        headers.get_all(name).iter().any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii)
                .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(plain.as_bytes()))
        })
    };
    other(CONTENT_ENCODING, "identity") || other(TRANSFER_ENCODING, "chunked")
}

#[cfg(test)]
mod tests;
