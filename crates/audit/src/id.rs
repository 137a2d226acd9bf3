//! Ids of traces and spans, as W3C Trace Context has them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A trace: 16 bytes, not all zero (W3C Trace Context, `trace-id`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceId([u8; 16]);

/// A span, such as a tool call: 8 bytes, not all zero (W3C Trace Context, `parent-id`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpanId([u8; 8]);

/// Text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError {
    digits: usize,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not an id: it has to be {} lower-case hexadecimal digits, not all zero",
            self.digits
        )
    }
}

impl std::error::Error for IdError {}

macro_rules! id {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// The id with these bytes; `None` if all are zero, which stands for no id.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }

            /// Its bytes.
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { digits: 2 * $bytes };
                let digits = text.as_bytes();
                if digits.len() != 2 * $bytes {
                    return Err(error);
                }
                let mut bytes = [0; $bytes];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = digit(pair[0]).ok_or(error)? << 4 | digit(pair[1]).ok_or(error)?;
                }
                Self::from_bytes(bytes).ok_or(error)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(TraceId, 16);
id!(SpanId, 8);

/// The value of a lower-case hexadecimal digit; the specification has no others.
fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{SpanId, TraceId};

    #[test]
    fn ids_are_read_as_they_are_written() {
        let text = "00f067aa0ba902b7";
        assert_eq!(text.parse::<SpanId>().unwrap().to_string(), text);
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(text.parse::<TraceId>().unwrap().to_string(), text);
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "00f067aa0ba902b",
            "0000000000000000",
            "00F067AA0BA902B7",
            "00f067aa0ba902bé",
        ] {
            assert!(text.parse::<SpanId>().is_err(), "{text}");
        }
    }
}
