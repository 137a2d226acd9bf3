//! SOCKS5 (RFC 1928): CONNECT without authentication, nothing else.

use super::{Parsed, Target};
use crate::Host;
use std::net::IpAddr;

const VERSION: u8 = 5;
const CONNECT: u8 = 1;

/// Methods of authentication (RFC 1928, section 3): none, and none that is acceptable.
const WITHOUT_AUTHENTICATION: u8 = 0;
const NO_METHOD: u8 = 0xff;

/// What is sent after a greeting that offers to go without authentication.
pub const WELCOME: [u8; 2] = [5, 0];

/// The answers to a request (RFC 1928, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the RFC's names")]
pub enum Reply {
    Succeeded = 0,
    GeneralFailure = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    TtlExpired = 6,
    CommandNotSupported = 7,
    AddressTypeNotSupported = 8,
}

/// Why a greeting or a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum SocksError {
    #[error("not SOCKS5")]
    Version,
    #[error("the client insists on authentication; the proxy asks for none")]
    Method,
    #[error("SOCKS command {0}: only CONNECT is served")]
    Command(u8),
    #[error("an address of a type ({0}) that is neither IPv4, IPv6 nor a name")]
    AddressType(u8),
    #[error("a host that is neither a name nor an address")]
    Host,
    #[error("port 0")]
    Port,
}

impl Reply {
    /// The bytes of the answer; the bound address is left at zero.
    pub fn bytes(self) -> [u8; 10] {
        [5, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

impl SocksError {
    /// What to send before the connection is closed.
    pub fn reply(&self) -> Vec<u8> {
        let reply = match self {
            // Whatever it speaks, it would not understand.
            SocksError::Version => return Vec::new(),
            SocksError::Method => return vec![VERSION, NO_METHOD],
            SocksError::Command(_) => Reply::CommandNotSupported,
            SocksError::AddressType(_) => Reply::AddressTypeNotSupported,
            SocksError::Host | SocksError::Port => Reply::GeneralFailure,
        };
        reply.bytes().to_vec()
    }
}

/// Reads a greeting; [`WELCOME`] is the answer.
///
/// # Errors
/// [`SocksError`].
pub fn greeting(bytes: &[u8]) -> Result<Parsed<()>, SocksError> {
    version(bytes)?;
    let methods = match bytes {
        [_, count, rest @ ..] => rest.get(..usize::from(*count)),
        _ => None,
    };
    match methods {
        None => Ok(Parsed::NeedMore),
        Some(methods) if methods.contains(&WITHOUT_AUTHENTICATION) => Ok(Parsed::Done {
            value: (),
            consumed: 2 + methods.len(),
        }),
        Some(_) => Err(SocksError::Method),
    }
}

/// Reads the request that follows; a [`Reply`] is the answer.
///
/// # Errors
/// [`SocksError`].
pub fn request(bytes: &[u8]) -> Result<Parsed<Target>, SocksError> {
    version(bytes)?;
    if let Some(command) = bytes.get(1).filter(|command| **command != CONNECT) {
        return Err(SocksError::Command(*command));
    }
    if bytes.get(2).is_some_and(|reserved| *reserved != 0) {
        return Err(SocksError::Version);
    }
    let Some((kind, rest)) = bytes.get(3..).and_then(<[u8]>::split_first) else {
        return Ok(Parsed::NeedMore);
    };
    let (host, port) = match *kind {
        1 => match rest.split_first_chunk::<4>() {
            Some((address, port)) => (Ok(Host::from_address(IpAddr::from(*address))), port),
            None => return Ok(Parsed::NeedMore),
        },
        4 => match rest.split_first_chunk::<16>() {
            Some((address, port)) => (Ok(Host::from_address(IpAddr::from(*address))), port),
            None => return Ok(Parsed::NeedMore),
        },
        3 => match rest
            .split_first()
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
        {
            Some((name, port)) => (named(name), port),
            None => return Ok(Parsed::NeedMore),
        },
        kind => return Err(SocksError::AddressType(kind)),
    };
    let Some((port, after)) = port.split_first_chunk() else {
        return Ok(Parsed::NeedMore);
    };
    let (host, port) = (host?, u16::from_be_bytes(*port));
    if port == 0 {
        return Err(SocksError::Port);
    }
    Ok(Parsed::Done {
        value: Target { host, port },
        consumed: bytes.len() - after.len(),
    })
}

fn version(bytes: &[u8]) -> Result<(), SocksError> {
    match bytes.first() {
        Some(version) if *version != VERSION => Err(SocksError::Version),
        _ => Ok(()),
    }
}

/// A name, or an address in the place of one. A NUL within it is no end, but no name either.
fn named(name: &[u8]) -> Result<Host, SocksError> {
    let name = str::from_utf8(name).map_err(|_| SocksError::Host)?;
    Host::parse(name).map_err(|_| SocksError::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: u8, address: &[u8], port: u16) -> Vec<u8> {
        [&[5, 1, 0, kind][..], address, &port.to_be_bytes()].concat()
    }

    fn named(name: &str) -> Vec<u8> {
        asked(3, &[&[name.len() as u8], name.as_bytes()].concat(), 443)
    }

    fn host(bytes: &[u8]) -> Result<String, SocksError> {
        match request(bytes)? {
            Parsed::Done { value, consumed } => {
                assert_eq!(consumed, bytes.len());
                assert_eq!(value.port, 443);
                Ok(value.host.to_string())
            }
            Parsed::NeedMore => panic!("{bytes:?} is whole"),
        }
    }

    #[test]
    fn greetings() {
        let done = |consumed| {
            Ok(Parsed::Done {
                value: (),
                consumed,
            })
        };
        assert_eq!(greeting(&[5, 1, 0]), done(3));
        assert_eq!(greeting(&[5, 3, 2, 1, 0, 5, 1]), done(5));
        for length in 0..5 {
            assert_eq!(greeting(&[5, 3, 0, 1, 2][..length]), Ok(Parsed::NeedMore));
        }
        for (bytes, reply) in [
            (&[5, 1, 2][..], &[5, 0xff][..]),
            (&[5, 0], &[5, 0xff]),
            (&[4, 1], &[]),
        ] {
            assert_eq!(greeting(bytes).unwrap_err().reply(), reply);
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(host(&named("Example.com.")), Ok("example.com".into()));
        assert_eq!(host(&named("0x7f.1")), Ok("127.0.0.1".into()));
        assert_eq!(host(&named("::1")), Ok("::1".into()));
        assert_eq!(
            host(&asked(1, &[192, 0, 2, 1], 443)),
            Ok("192.0.2.1".into())
        );
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
        assert_eq!(host(&asked(4, &mapped, 443)), Ok("192.0.2.1".into()));
        for name in [
            "",
            "evil.test\0.example.com",
            "example.com\0",
            "user@example.com",
            "a b",
            "exämple.com",
            "example.com:443",
            "example.com/",
            "127.0.0.256",
            "*.example.com",
        ] {
            assert_eq!(host(&named(name)), Err(SocksError::Host), "{name:?}");
        }
        assert_eq!(host(&asked(3, &[1, 0xff], 443)), Err(SocksError::Host));
    }

    #[test]
    fn only_connect_is_served() {
        let good = asked(1, &[192, 0, 2, 1], 443);
        assert!(host(&good).is_ok());
        for command in [0, 2, 3, 255] {
            let mut bytes = good.clone();
            bytes[1] = command;
            let error = request(&bytes).unwrap_err();
            assert_eq!(error, SocksError::Command(command));
            assert_eq!(error.reply(), [5, 7, 0, 1, 0, 0, 0, 0, 0, 0]);
        }
        assert_eq!(
            request(&asked(2, &[1], 443)),
            Err(SocksError::AddressType(2))
        );
        assert_eq!(
            request(&asked(1, &[192, 0, 2, 1], 0)),
            Err(SocksError::Port)
        );
        let mut bytes = good.clone();
        bytes[2] = 1;
        assert_eq!(request(&bytes), Err(SocksError::Version));
        bytes[0] = 4;
        assert_eq!(request(&bytes), Err(SocksError::Version));
    }

    #[test]
    fn requests_come_in_pieces_and_data_follows() {
        for whole in [
            named("example.com"),
            asked(1, &[192, 0, 2, 1], 443),
            asked(4, &[1; 16], 443),
        ] {
            for length in 0..whole.len() {
                assert_eq!(request(&whole[..length]), Ok(Parsed::NeedMore));
            }
            let more = [&whole[..], b"data"].concat();
            assert!(
                matches!(request(&more), Ok(Parsed::Done { consumed, .. }) if consumed == whole.len())
            );
        }
    }
}
