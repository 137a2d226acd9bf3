//! SOCKS5 and HTTP CONNECT heads, for programs that know of proxies.
//!
//! Everything here looks at bytes that have been received and not yet taken, and says how many to
//! take.

mod http;
pub mod socks;

pub use http::{HeadError, Proxied, head};

use crate::Host;

/// Where a program asks to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The TCP port, never 0.
    pub port: u16,
}

/// What has been read of something that arrives in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// More bytes are needed.
    NeedMore,
    /// It is whole.
    Done {
        /// What it says.
        value: T,
        /// How many bytes it takes.
        consumed: usize,
    },
}

/// What a program speaks to the proxy, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// SOCKS5: [`socks::greeting`].
    Socks5,
    /// SOCKS4, which is refused: it has no names.
    Socks4,
    /// Anything else: [`head`].
    Http,
}

/// What a program speaks, by its first byte.
pub fn spoken(first: u8) -> Spoken {
    match first {
        5 => Spoken::Socks5,
        4 => Spoken::Socks4,
        _ => Spoken::Http,
    }
}
