//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The bits of an IPv4-mapped IPv6 address (`::ffff:0:0/96`) before those of the IPv4 address.
const MAPPED: u8 = 96;

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291), its bits beyond the prefix zero.
///
/// An IPv4-mapped IPv6 address is the IPv4 address, in ranges too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum AddressRangeError {
    #[error("{text:?} is no address; write one such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32")]
    Address { text: String },
    #[error("{text:?} has no prefix length after the `/`; write a number of bits such as /8")]
    Prefix { text: String },
    #[error("a prefix of {prefix} bits is longer than the {most} bits of {address}; shorten it")]
    LongPrefix {
        address: IpAddr,
        prefix: u8,
        most: u8,
    },
    #[error(
        "{address}/{prefix} has bits beyond its prefix; write {meant} for the range, or {address} \
         for the one address"
    )]
    HostBits {
        address: IpAddr,
        prefix: u8,
        meant: AddressRange,
    },
}

impl AddressRange {
    /// The addresses that begin with the first `prefix` bits of `address`.
    ///
    /// # Errors
    /// [`AddressRangeError`] where the prefix is longer than the address or the address has other
    /// bits set.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, AddressRangeError> {
        let most = bits(address);
        if prefix > most {
            return Err(AddressRangeError::LongPrefix {
                address,
                prefix,
                most,
            });
        }
        let (address, prefix) = match (address, address.to_canonical()) {
            // A prefix shorter than that of the mapped addresses holds others beside them.
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if prefix >= MAPPED => (v4, prefix - MAPPED),
            _ => (address, prefix),
        };
        let network = masked(address, prefix);
        let range = AddressRange {
            address: network,
            prefix,
        };
        match network == address {
            true => Ok(range),
            false => Err(AddressRangeError::HostBits {
                address,
                prefix,
                meant: range,
            }),
        }
    }

    /// The first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses share.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the address lies in it. An IPv4-mapped IPv6 address is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }

    /// Whether all of `other` lies in it.
    #[must_use]
    pub fn covers(&self, other: &AddressRange) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// The ranges that cover this one and are not it.
    pub(crate) fn above(&self) -> impl Iterator<Item = AddressRange> + '_ {
        (0..self.prefix).map(|prefix| AddressRange {
            address: masked(self.address, prefix),
            prefix,
        })
    }

    /// The addresses in both, where there are any: of two ranges that meet, one lies in the other.
    #[must_use]
    pub fn intersection(&self, other: &AddressRange) -> Option<AddressRange> {
        match (self.covers(other), other.covers(self)) {
            (true, _) => Some(*other),
            (_, true) => Some(*self),
            _ => None,
        }
    }
}

impl From<IpAddr> for AddressRange {
    /// The one address.
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        AddressRange {
            address,
            prefix: bits(address),
        }
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    /// Reads `ADDRESS` or `ADDRESS/BITS`. Only the usual spellings of addresses are read: four
    /// decimal numbers without leading zeros, and RFC 4291 section 2.2 without a zone.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| AddressRangeError::Address { text: text.into() })?;
        let Some(prefix) = prefix else {
            return Ok(address.into());
        };
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressRangeError::Prefix { text: text.into() });
        }
        // What does not fit eight bits is longer than any address.
        AddressRange::new(address, prefix.parse().unwrap_or(u8::MAX))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix == bits(self.address) {
            true => self.address.fmt(f),
            false => write!(f, "{}/{}", self.address, self.prefix),
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with the bits beyond the prefix zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let beyond = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(beyond).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(beyond).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().expect(text)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn ranges_read_back() {
        for (given, form) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("::/0", "::/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(range(given).to_string(), form);
            assert_eq!(range(form), range(given));
        }
    }

    #[test]
    fn what_is_no_range() {
        let says = |text: &str| text.parse::<AddressRange>().expect_err(text).to_string();
        assert!(says("10.0.0.1/8").contains("10.0.0.0/8"));
        assert!(says("10.0.0.1/8").contains("10.0.0.1 for the one"));
        assert!(says("2001:db8::1/32").contains("2001:db8::/32"));
        assert!(says("::ffff:0:0/95").contains("::fffe:0:0/95"));
        assert!(says("10.0.0.0/33").contains("33 bits"));
        assert!(says("::/129").contains("128 bits"));
        assert!(says("::/1000").contains("shorten"));
        for text in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/ 8"] {
            assert!(says(text).contains("prefix length"), "{text}");
        }
        for text in [
            "10.0.0",
            "010.0.0.1",
            "0x7f.1",
            "a",
            "",
            "[::1]",
            "fe80::1%eth0",
        ] {
            assert!(says(text).contains("no address"), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert!(range("10.0.0.0/8").contains(address("::ffff:10.1.2.3")));
        assert!(range("::ffff:10.0.0.0/104").contains(address("10.1.2.3")));
        assert!(!range("::/0").contains(address("::ffff:10.1.2.3")));
        assert!(range("::/0").contains(address("::fffe:10.1.2.3")));
    }

    #[test]
    fn ranges_lie_in_each_other_or_apart() {
        let (wide, tight) = (range("10.0.0.0/8"), range("10.1.0.0/16"));
        assert!(wide.covers(&tight) && !tight.covers(&wide) && wide.covers(&wide));
        assert_eq!(wide.intersection(&tight), Some(tight));
        assert_eq!(tight.intersection(&wide), Some(tight));
        assert_eq!(tight.intersection(&range("10.2.0.0/16")), None);
        assert!(!range("0.0.0.0/0").covers(&range("::/0")));
        assert_eq!(range("0.0.0.0/0").intersection(&range("::/0")), None);
        assert!(range("10.1.0.0/16").contains(address("10.1.255.255")));
        assert!(!range("10.1.0.0/16").contains(address("10.2.0.0")));
    }
}
