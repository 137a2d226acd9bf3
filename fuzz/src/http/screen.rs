//! What lets a request through.

/// How large a head may be.
pub const HEAD: usize = 64 * 1024;

#[path = "../../../crates/egress/src/http/screen/chunks.rs"]
mod chunks;
#[allow(dead_code, reason = "what answers a request is not asked for")]
#[path = "../../../crates/egress/src/http/screen/head.rs"]
mod head;

/// How a body ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    None,
    Length(u64),
    Chunked,
}

/// Where the first head ends; none where it has no end or is refused.
pub fn end(bytes: &[u8]) -> Option<usize> {
    let end = head::end(bytes, 0).ok().flatten();
    // It is found in two steps, too.
    let half = bytes.len() / 2;
    if let Ok(None) = head::end(&bytes[..half], 0) {
        assert_eq!(head::end(bytes, half).ok().flatten(), end);
    }
    end
}

/// What a head says of its body; none where it is refused.
pub fn body(bytes: &[u8]) -> Option<Body> {
    Some(match head::check(bytes).ok()? {
        head::Framing::None => Body::None,
        head::Framing::Length(length) => Body::Length(length),
        head::Framing::Chunked => Body::Chunked,
    })
}

/// Where a chunked body ends that comes in pieces of this size; none where it is refused, and no
/// place where it has not come to its end.
pub fn chunked(bytes: &[u8], piece: usize) -> Option<Option<usize>> {
    let mut chunks = chunks::Chunks::new();
    let mut done = 0;
    for piece in bytes.chunks(piece) {
        let (taken, ended) = chunks.advance(piece).ok()?;
        done += taken;
        if ended {
            return Some(Some(done));
        }
        assert_eq!(taken, piece.len());
    }
    Some(None)
}
