//! HTTP without TLS, as generously as a lenient server reads it: empty lines in front, any blank
//! between words (RFC 9112, sections 2.2 and 3), any method, and requests of HTTP/0.9.
//!
//! The first line that is not empty decides. Blanks in front of it, a token, a blank, and `HTTP/` in
//! any case somewhere after it are HTTP; so are a method of HTTP and a target alone.

use super::Sniff;

/// What HTTP/2 begins with where there is no TLS (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a version begins with, in lower case.
const VERSION: &[u8] = b"http/";

/// Methods that a server may serve without a version after the target. Not CONNECT, which begins
/// messages of other protocols too and is of no use without a version.
const METHODS: [&[u8]; 16] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"REPORT",
    b"SEARCH",
];

pub(super) fn classify(bytes: &[u8]) -> Sniff {
    if bytes.starts_with(PREFACE) {
        return Sniff::Http2;
    }
    if PREFACE.starts_with(bytes) {
        return Sniff::NeedMore;
    }
    let Some(start) = bytes
        .iter()
        .position(|byte| !is_blank(*byte) && *byte != b'\n')
    else {
        return Sniff::NeedMore;
    };
    let bytes = &bytes[start..];
    let end = bytes.iter().position(|byte| !is_tchar(*byte));
    let (method, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    match rest.first() {
        None => return Sniff::NeedMore,
        Some(byte) if !is_blank(*byte) || method.is_empty() => return Sniff::Other,
        Some(_) => {}
    }
    let end = rest.iter().position(|byte| is_end(*byte));
    let line = &rest[..end.unwrap_or(rest.len())];
    if line
        .windows(VERSION.len())
        .any(|word| word.eq_ignore_ascii_case(VERSION))
    {
        return Sniff::Http1;
    }
    match end {
        None => Sniff::NeedMore,
        Some(_) if is_request(method, line) => Sniff::Http1,
        Some(_) => Sniff::Other,
    }
}

/// Whether it is a request without a version.
fn is_request(method: &[u8], line: &[u8]) -> bool {
    let start = line.iter().position(|byte| !is_blank(*byte));
    let target = start.map_or(&[][..], |start| &line[start..]);
    let looks =
        target.starts_with(b"/") || target.len() >= 4 && target[..4].eq_ignore_ascii_case(b"http");
    let is_method = |exact: bool| {
        METHODS.iter().any(|known| match exact {
            true => *known == method,
            false => known.eq_ignore_ascii_case(method),
        })
    };
    // Other protocols have `get NAME` too.
    !target.is_empty() && is_method(!looks)
}

/// What stands between the words of a line.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

/// What ends a line of text: its end, or a byte that text has not.
fn is_end(byte: u8) -> bool {
    matches!(byte, 0..0x20 | 0x7f) && !is_blank(byte)
}

/// The characters of a token (RFC 9110, section 5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
