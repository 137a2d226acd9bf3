//! The `traceparent` header of W3C Trace Context, and new ids.

use crate::{SpanId, TraceId};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::str::FromStr;

/// What a `traceparent` header says (W3C Trace Context, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The span above.
    pub parent: SpanId,
    /// The flags that version 00 knows: 1 is `sampled`. Others are not passed on.
    pub flags: u8,
}

/// The flag `sampled`: whoever is above may have recorded this trace.
pub const SAMPLED: u8 = 1;

/// Text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceParentError {
    /// It has another form.
    Form,
    /// Its version is `ff`, which there is none of.
    Version,
    /// An id of it has other characters, or is all zero.
    Id,
}

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "not a traceparent: it has to be 00-TRACE-SPAN-FLAGS with 32, 16 and 2 lower-case hexadecimal digits"
            }
            Self::Version => "not a traceparent: there is no version ff",
            Self::Id => {
                "not a traceparent: its ids have to be lower-case hexadecimal digits, not all zero"
            }
        })
    }
}

impl std::error::Error for TraceParentError {}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Version 00 has to have exactly its form; of a later version the beginning is read, as the standard asks for.
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let bytes = text.as_bytes();
        if bytes.len() < 55 || !text.is_char_boundary(55) {
            return Err(TraceParentError::Form);
        }
        if [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
            return Err(TraceParentError::Form);
        }
        let version = byte(&bytes[..2]).ok_or(TraceParentError::Form)?;
        match (version, &bytes[55..]) {
            (0xff, _) => return Err(TraceParentError::Version),
            (0, []) | (1.., [] | [b'-', ..]) => {}
            _ => return Err(TraceParentError::Form),
        }
        let part = |range: std::ops::Range<usize>| text.get(range).ok_or(TraceParentError::Form);
        Ok(Self {
            trace: part(3..35)?.parse().map_err(|_| TraceParentError::Id)?,
            parent: part(36..52)?.parse().map_err(|_| TraceParentError::Id)?,
            flags: byte(&bytes[53..55]).ok_or(TraceParentError::Form)? & SAMPLED,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.parent, self.flags)
    }
}

/// The byte of two lower-case hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |byte, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(byte << 4 | value)
    })
}

/// Random ids of the kernel's.
pub(crate) fn random() -> io::Result<(TraceId, SpanId)> {
    let mut source = File::open("/dev/urandom")?;
    loop {
        let mut bytes = [0; 24];
        source.read_exact(&mut bytes)?;
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&bytes[..16]);
        span.copy_from_slice(&bytes[16..]);
        if let (Some(trace), Some(span)) = (TraceId::from_bytes(trace), SpanId::from_bytes(span)) {
            return Ok((trace, span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TraceParent, TraceParentError};

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_read_as_it_is_written() {
        let parent: TraceParent = GOOD.parse().unwrap();
        assert_eq!((parent.to_string().as_str(), parent.flags), (GOOD, 1));
    }

    #[test]
    fn later_versions_may_have_more() {
        for (text, flags) in [
            (GOOD.replacen("00", "cc", 1), "01"),
            (
                format!("{}-what-follows", GOOD.replacen("00", "01", 1)),
                "01",
            ),
            (GOOD.replace("-01", "-ff"), "01"),
            (GOOD.replace("-01", "-fe"), "00"),
        ] {
            let parent: TraceParent = text.parse().unwrap();
            assert!(parent.to_string().ends_with(flags), "{text}");
            assert!(parent.to_string().starts_with("00-4bf9"), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use TraceParentError::{Form, Id, Version};
        for (text, error) in [
            (String::new(), Form),
            (GOOD[..54].to_owned(), Form),
            (format!("{GOOD}-"), Form),
            (format!("{GOOD}0"), Form),
            (format!(" {GOOD}"), Form),
            (format!("{}.", GOOD.replacen("00", "01", 1)), Form),
            (GOOD.replacen("00", "ff", 1), Version),
            (GOOD.replacen("00", "0G", 1), Form),
            (GOOD.replace("-01", "-0A"), Form),
            (GOOD.replace("4bf9", "4BF9"), Id),
            (
                GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
                Id,
            ),
            (GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)), Id),
            (GOOD.replace('-', "_"), Form),
            ("\u{e9}".repeat(28), Form),
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(error), "{text}");
        }
    }
}
