//! What the first bytes of a connection are: TLS with a name, HTTP, or something else.

mod hello;
mod http;

pub use hello::ClientHello;

/// The most bytes that are looked at. A ClientHello with post-quantum shares and many tickets stays
/// below 16 KiB; what is not known by here is refused.
pub const MAX_PEEK: usize = 64 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// Not known yet; with these bytes and any that follow it can still be TLS or HTTP. Never said of
    /// [`MAX_PEEK`] bytes or more.
    NeedMore,
    /// A whole ClientHello.
    Tls(ClientHello),
    /// What a lenient server can take for a request of HTTP/1.x (or 0.9).
    Http1,
    /// The preface of HTTP/2 without TLS (RFC 9113, section 3.4).
    Http2,
    /// Neither, whatever follows.
    Other,
    /// It begins as TLS and can be read in two ways, or in none; or it is still not known after
    /// [`MAX_PEEK`] bytes.
    Malformed,
}

/// What the bytes are. They are the connection's from its first; to be called again with more of
/// them for as long as it says [`Sniff::NeedMore`].
pub fn classify(bytes: &[u8]) -> Sniff {
    let sniff = match bytes.first() {
        None => Sniff::NeedMore,
        Some(&hello::HANDSHAKE) => match hello::read(bytes) {
            Ok(Some(hello)) => Sniff::Tls(hello),
            Ok(None) => Sniff::NeedMore,
            Err(hello::Malformed) => Sniff::Malformed,
        },
        Some(_) => http::classify(bytes),
    };
    match sniff {
        Sniff::NeedMore if bytes.len() >= MAX_PEEK => Sniff::Malformed,
        sniff => sniff,
    }
}

#[cfg(test)]
mod tests;
