//! A chunked body (RFC 9112, section 7.1), read strictly.

use super::HEAD;
use super::head::{Flaw, trailers};

/// How many digits the size of a chunk may have: 2^48 bytes.
const DIGITS: u8 = 12;
/// How long the extensions of one chunk may be, in bytes. Nobody uses them.
const EXTENSIONS: u16 = 1024;

/// How far a chunked body has been read.
#[derive(Debug)]
pub(super) struct Chunks(At);

#[derive(Debug)]
enum At {
    Size { size: u64, digits: u8 },
    Extension { size: u64, length: u16 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataEnd,
    Trailers(Vec<u8>),
}

impl Chunks {
    pub fn new() -> Self {
        Self(START)
    }

    /// Reads on. How many of the bytes belong to the body, and whether it is at its end.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), Flaw> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if let At::Data { left } = &mut self.0 {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= take as u64;
                taken += take;
                if *left == 0 {
                    self.0 = At::DataReturn;
                }
                continue;
            }
            taken += 1;
            if self.byte(rest[0])? {
                return Ok((taken, true));
            }
        }
        Ok((taken, false))
    }

    fn byte(&mut self, byte: u8) -> Result<bool, Flaw> {
        let next = match (&mut self.0, byte) {
            (At::Size { size, digits }, _) if byte.is_ascii_hexdigit() && *digits < DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                At::Size {
                    size: *size << 4 | u64::from(digit),
                    digits: *digits + 1,
                }
            }
            (At::Size { size, digits: 1.. }, b'\r') => At::SizeEnd { size: *size },
            (At::Size { size, digits: 1.. }, b';') => At::Extension {
                size: *size,
                length: 0,
            },
            (At::Extension { size, .. }, b'\r') => At::SizeEnd { size: *size },
            (At::Extension { size, length }, b'\t' | 0x20..=0x7e) if *length < EXTENSIONS => {
                At::Extension {
                    size: *size,
                    length: *length + 1,
                }
            }
            (At::SizeEnd { size: 0 }, b'\n') => At::Trailers(Vec::new()),
            (At::SizeEnd { size }, b'\n') => At::Data { left: *size },
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => START,
            (At::Trailers(section), _) => {
                section.push(byte);
                if section.len() > HEAD {
                    return Err(Flaw::Long);
                }
                if byte != b'\n' {
                    return Ok(false);
                }
                if !section.ends_with(b"\r\n") {
                    return Err(Flaw::Control);
                }
                if section == b"\r\n" {
                    return Ok(true);
                }
                if section.ends_with(b"\r\n\r\n") {
                    trailers(&section[..section.len() - 2])?;
                    return Ok(true);
                }
                return Ok(false);
            }
            _ => return Err(Flaw::Chunk),
        };
        self.0 = next;
        Ok(false)
    }
}

const START: At = At::Size { size: 0, digits: 0 };
