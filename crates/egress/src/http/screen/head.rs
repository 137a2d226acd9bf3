//! The head of a request (RFC 9112, sections 2 to 6), read strictly.

use http::StatusCode;

/// How many fields a head may have; as many as hyper takes by itself.
pub(in crate::http) const FIELDS: usize = 100;

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// Why a request can be read in two ways, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::http) enum Flaw {
    #[error("a line ends otherwise than with CR LF, or holds a control character")]
    Control,
    #[error("the request line is not METHOD TARGET HTTP/1.1")]
    Line,
    #[error("a field is not NAME: VALUE on one line")]
    Field,
    #[error("both Content-Length and Transfer-Encoding are given, or one of them twice")]
    Framing,
    #[error("Content-Length is no number")]
    Length,
    #[error("Transfer-Encoding is not `chunked`")]
    Coding,
    #[error("Host is not given, or more than once")]
    Host,
    #[error("the head is longer than 64 KiB or has more than 100 fields")]
    Long,
    #[error("the head took longer than 30 seconds")]
    Slow,
    #[error("a chunk of the body is malformed")]
    Chunk,
}

impl Flaw {
    /// What answers it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Long => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Where the head ends, if it does, of which the first `scanned` bytes do not hold the end.
pub(super) fn end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, Flaw> {
    for (at, byte) in bytes.iter().enumerate().skip(scanned) {
        if *byte != b'\n' {
            continue;
        }
        let line = &bytes[..=at];
        if !line.ends_with(b"\r\n") {
            return Err(Flaw::Control);
        }
        if line.ends_with(b"\r\n\r\n") {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

/// Reads a complete head.
pub(super) fn check(head: &[u8]) -> Result<Framing, Flaw> {
    let lines = head.strip_suffix(b"\r\n\r\n").ok_or(Flaw::Control)?;
    let mut lines = Lines(Some(lines));
    request_line(lines.next().ok_or(Flaw::Line)?)?;
    let mut host = 0;
    let mut length = None;
    let mut chunked = false;
    for (index, line) in lines.enumerate() {
        if index >= FIELDS {
            return Err(Flaw::Long);
        }
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            host += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return Err(Flaw::Framing);
            }
            length = Some(number(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked {
                return Err(Flaw::Framing);
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Flaw::Coding);
            }
            chunked = true;
        }
    }
    if host != 1 {
        return Err(Flaw::Host);
    }
    match (length, chunked) {
        (Some(_), true) => Err(Flaw::Framing),
        // HTTP/1.0 has no chunks, so that a reader may see none (RFC 9112, 6.1).
        (None, true) if head_is_old(head) => Err(Flaw::Coding),
        (None, true) => Ok(Framing::Chunked),
        (Some(length), false) => Ok(Framing::Length(length)),
        (None, false) => Ok(Framing::None),
    }
}

/// Reads the fields of a trailer section, each line with its end.
pub(super) fn trailers(section: &[u8]) -> Result<(), Flaw> {
    let Some(lines) = section.strip_suffix(b"\r\n") else {
        return Err(Flaw::Control);
    };
    for (index, line) in Lines(Some(lines)).enumerate() {
        if index >= FIELDS {
            return Err(Flaw::Long);
        }
        field(line)?;
    }
    Ok(())
}

/// Lines between CR LF.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        match rest.windows(2).position(|pair| pair == b"\r\n") {
            Some(at) => {
                self.0 = Some(&rest[at + 2..]);
                Some(&rest[..at])
            }
            None => self.0.take(),
        }
    }
}

fn request_line(line: &[u8]) -> Result<(), Flaw> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(if line.iter().any(|byte| control(*byte)) {
            Flaw::Control
        } else {
            Flaw::Line
        });
    };
    if line.iter().any(|byte| control(*byte)) {
        return Err(Flaw::Control);
    }
    // A fragment never is part of a target; what is beyond ASCII is read by no two alike.
    let target_is_one = !target.is_empty()
        && target
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    if token(method) && target_is_one && (version == b"HTTP/1.1" || version == b"HTTP/1.0") {
        Ok(())
    } else {
        Err(Flaw::Line)
    }
}

/// Name and value, without the space around the value. A line that continues the one before
/// (obs-fold) begins with space and so has no name.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    if line.iter().any(|byte| control(*byte) && *byte != b'\t') {
        return Err(Flaw::Control);
    }
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Flaw::Field)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if token(name) {
        Ok((name, value.trim_ascii()))
    } else {
        Err(Flaw::Field)
    }
}

fn number(value: &[u8]) -> Result<u64, Flaw> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Flaw::Length);
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(Flaw::Length)
}

fn head_is_old(head: &[u8]) -> bool {
    Lines(Some(head))
        .next()
        .is_some_and(|line| line.ends_with(b"HTTP/1.0"))
}

fn control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// RFC 9110, 5.6.2.
fn token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}
