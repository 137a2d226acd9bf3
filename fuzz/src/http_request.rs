//! Requests that the gate looks into: what its strict reader lets through, another reader reads in the
//! same way, so that nothing can be hidden in between.

use crate::http::screen::{Body, body, chunked, end};

/// One input: a request with what follows.
pub fn check(bytes: &[u8]) {
    if let Some(end) = end(bytes) {
        let (head, rest) = bytes.split_at(end);
        assert!(head.ends_with(b"\r\n\r\n"));
        if let Some(body) = body(head) {
            same(head, &body);
            if body == Body::Chunked {
                chunks(rest);
            }
        }
    }
    chunks(bytes);
}

/// What httparse, which hyper reads with, makes of a head.
fn same(head: &[u8], body: &Body) {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(head).expect("what is let through can be read");
    assert_eq!(status, httparse::Status::Complete(head.len()));
    let values = |name: &str| -> Vec<&[u8]> {
        let fields = request.headers.iter();
        fields
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
            .collect()
    };
    assert_eq!(values("host").len(), 1);
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match body {
        Body::None => assert!(lengths.is_empty() && codings.is_empty()),
        Body::Chunked => {
            assert!(lengths.is_empty());
            assert!(codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked"));
            assert_eq!(request.version, Some(1));
        }
        Body::Length(length) => {
            assert!(codings.is_empty() && lengths.len() == 1);
            let digits = str::from_utf8(lengths[0]).expect("digits");
            assert_eq!(digits.parse(), Ok(*length));
        }
    }
    // As many fields as there are lines but the first and the last.
    let lines = head.split(|byte| *byte == b'\n').count() - 3;
    assert_eq!(request.headers.len(), lines);
}

/// Where a body ends does not depend on how it comes, and a plain reader finds the same end.
fn chunks(bytes: &[u8]) {
    let whole = chunked(bytes, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(chunked(bytes, piece), whole);
    }
    if let Some(Some(end)) = whole {
        assert_eq!(plain(bytes), Some(end));
    }
}

/// The end of a chunked body, a line at a time.
fn plain(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let line = |at: usize| {
        let length = bytes[at..].windows(2).position(|pair| pair == b"\r\n")?;
        Some((&bytes[at..at + length], at + length + 2))
    };
    loop {
        let (size, after) = line(at)?;
        let digits = size.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        at = after;
        if size == 0 {
            break;
        }
        let (rest, after) = line(at + size)?;
        assert!(rest.is_empty());
        at = after;
    }
    loop {
        let (trailer, after) = line(at)?;
        at = after;
        if trailer.is_empty() {
            return Some(at);
        }
    }
}
