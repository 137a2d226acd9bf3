//! DNS messages: the one question a program may ask, and the answers it gets (RFC 1035, RFC 6891).

//!
//! A message that is let in has one form: a header, one question whose name is written out, and at
//! most one OPT record. That little is read and written here; a general parser follows pointers and
//! makes room for as many records as a header claims.

mod query;
mod record;
mod reply;
mod tcp;

pub use query::{Malformed, Query};
pub use record::Record;
pub use tcp::{TooLong, frame, unframe};

/// The longest query that is read, in bytes: a name of 255, and room for the options that resolvers
/// add (cookies, padding to 128 bytes).
pub const MAX_QUERY: usize = 1024;

/// The longest answer, in bytes (RFC 1035, section 2.3.4): nothing that the gate answers needs more.
pub const MAX_REPLY: usize = 512;

/// What an OPT record says about the size of messages (RFC 6891, section 6.2.5): the gate's own.
const EDNS_SIZE: u16 = MAX_QUERY as u16;

/// Response codes (RFC 1035, section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    /// Its upper bits are in the OPT record (RFC 6891, section 9).
    BadVers = 16,
}

#[cfg(test)]
mod tests;
