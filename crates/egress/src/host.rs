//! A host as a program names it.

use cofferdam_policy::{HostName, HostNameError};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host as a program names it: by name, or by an address in any spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By name.
    Name(HostName),
    /// By address; an IPv4-mapped IPv6 address is the IPv4 address.
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum HostError {
    #[error("an IPv4 address with a part that is out of range, empty or no number")]
    Ipv4,
    #[error("no IPv6 address (zones cannot be named)")]
    Ipv6,
    #[error(transparent)]
    Name(#[from] HostNameError),
}

impl Host {
    /// Reads a host as the host parser of the WHATWG URL standard does, so that each spelling of an
    /// address (decimal, octal, hexadecimal, of one to four parts) is that address and never a
    /// name. What that parser would decode (percent signs, full-width letters) is refused.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Ipv6)?;
            return ipv6(inner);
        }
        if text.contains(':') {
            return ipv6(text);
        }
        if ends_in_number(text) {
            let address = ipv4(text).ok_or(HostError::Ipv4)?;
            return Ok(Host::Address(address.into()));
        }
        Ok(Host::Name(HostName::parse(text)?))
    }

    /// The host with this address.
    pub fn from_address(address: IpAddr) -> Self {
        Host::Address(address.to_canonical())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name.as_str()),
            Host::Address(address) => address.fmt(f),
        }
    }
}

fn ipv6(text: &str) -> Result<Host, HostError> {
    let address: Ipv6Addr = text.parse().map_err(|_| HostError::Ipv6)?;
    Ok(Host::from_address(address.into()))
}

/// Whether the URL standard's host parser takes the text for an IPv4 address, be it a right one or
/// not.
fn ends_in_number(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or(text);
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    digits || number(last).is_some()
}

/// The URL standard's IPv4 parser: the last part fills all bytes that the ones before it leave.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut parts = [0; 4];
    let mut count = 0;
    for part in text.split('.') {
        *parts.get_mut(count)? = number(part)?;
        count += 1;
    }
    let (last, before) = parts[..count].split_last()?;
    let mut address = u32::try_from(*last).ok()?;
    if count > 1 && u64::from(address) >> (8 * (5 - count)) != 0 {
        return None;
    }
    for (index, part) in before.iter().enumerate() {
        let byte = u8::try_from(*part).ok()?;
        address |= u32::from(byte) << (24 - 8 * index);
    }
    Some(address.into())
}

/// The URL standard's IPv4 number parser: `0x` in front is hexadecimal (alone, zero), `0` octal.
fn number(part: &str) -> Option<u64> {
    let (digits, radix) = match part.as_bytes() {
        [] => return None,
        [b'0', b'x' | b'X', ..] => (&part[2..], 16),
        [b'0', _, ..] => (&part[1..], 8),
        _ => (part, 10),
    };
    // from_str_radix would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match digits {
        "" => Some(0),
        _ => {
            let significant = digits.trim_start_matches('0');
            match significant {
                "" => Some(0),
                _ => u64::from_str_radix(significant, radix).ok(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Option<IpAddr> {
        match Host::parse(text) {
            Ok(Host::Address(address)) => Some(address),
            _ => None,
        }
    }

    #[test]
    fn addresses_in_every_spelling() {
        for text in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "0177.0.0.1",
            "017700000001",
            "0x7f.0x0.0x0.0x1",
            "00000177.0.0.1",
            "127.0.0.1.",
            "::ffff:127.0.0.1",
            "[::ffff:7f00:1]",
            "[::FFFF:127.0.0.1]",
        ] {
            assert_eq!(address(text), Some(IpAddr::from([127, 0, 0, 1])), "{text}");
        }
        assert_eq!(address("0x"), Some(IpAddr::from([0, 0, 0, 0])));
        assert_eq!(address("0"), Some(IpAddr::from([0, 0, 0, 0])));
        assert_eq!(address("[::1]"), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(address("::1"), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(address("10.1.2.3"), Some(IpAddr::from([10, 1, 2, 3])));
    }

    #[test]
    fn near_addresses_are_neither_addresses_nor_names() {
        for text in [
            "256.0.0.1",
            "1.2.3.4.5",
            "127.0.0.08",
            "127..1",
            "1.2.3.0x100",
            "4294967296",
            ".1",
            "a.0x1",
            "example.1",
            "0xg.1",
            "1.2.256.3",
            "1.256.1",
            "+1.2.3.4",
            "１２７.0.0.1",
            "fe80::1%eth0",
            "[fe80::1%251]",
            "[::1",
            "::1]",
            "[127.0.0.1]",
            "1:2:3",
            "[]",
            "",
            ".",
            "127.0.0.1..",
            "user@127.0.0.1",
            "0x1ffffffff",
            "1.0x7fffffffffffffffff",
        ] {
            let read = Host::parse(text);
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }

    #[test]
    fn names() {
        for (text, name) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com.", "example.com"),
            ("0x7f.example", "0x7f.example"),
            ("127.0.0.1.example.com", "127.0.0.1.example.com"),
            ("08a", "08a"),
        ] {
            let host = Host::parse(text).unwrap();
            assert!(
                matches!(&host, Host::Name(read) if read.as_str() == name),
                "{text}"
            );
            assert_eq!(host.to_string(), name);
        }
        for text in [
            "exa%6dple.com",
            "a@example.com",
            "example.com\0.evil.test",
            "ex ample.com",
            "a..b",
            "example.com#x",
            "ｅxample.com",
            "example.com..",
            "a/b",
            "a\\b",
            "example.com:80",
        ] {
            let read = Host::parse(text);
            assert!(read.is_err(), "{text:?}: {read:?}");
        }
    }

    fn part(value: u64, radix: u8, zeros: usize, upper: bool) -> String {
        let zeros = "0".repeat(zeros);
        match (radix, upper) {
            (0, _) => value.to_string(),
            (1, _) => format!("0{zeros}{value:o}"),
            (_, false) => format!("0x{zeros}{value:x}"),
            (_, true) => format!("0X{zeros}{value:X}"),
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_an_address_is_a_name(
            bits: u32,
            count in 1usize..5,
            radices in proptest::array::uniform4((0u8..3, 0usize..20, any::<bool>())),
            dot: bool,
        ) {
            let octets = bits.to_be_bytes();
            let mut values: Vec<u64> = octets[..count - 1].iter().map(|o| u64::from(*o)).collect();
            let rest = octets[count - 1..].iter().fold(0, |sum, o| sum << 8 | u64::from(*o));
            values.push(rest);
            let parts: Vec<String> = values
                .iter()
                .zip(radices)
                .map(|(value, (radix, zeros, upper))| part(*value, radix, zeros, upper))
                .collect();
            let mut text = parts.join(".");
            if dot {
                text.push('.');
            }
            prop_assert_eq!(Host::parse(&text), Ok(Host::Address(IpAddr::from(octets))), "{}", text);
        }

        #[test]
        fn what_is_read_reads_itself(text in "[a-z0-9.x:\\[\\]_-]{0,20}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host));
            }
        }
    }
}
