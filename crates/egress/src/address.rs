//! Addresses that no name may lead to unless a rule names them.

use cofferdam_policy::AddressRange;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of a special address. Ranges for documentation are none: nothing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`Special::name` says what each is")]
pub enum Special {
    Unspecified,
    Loopback,
    Private,
    Shared,
    LinkLocal,
    Metadata,
    UniqueLocal,
    SiteLocal,
    Multicast,
    Broadcast,
    Protocol,
    Benchmarking,
    Translation,
    Discard,
    Reserved,
}

impl Special {
    /// What it is, in words.
    pub fn name(self) -> &'static str {
        match self {
            Special::Unspecified => "unspecified",
            Special::Loopback => "loopback",
            Special::Private => "private",
            Special::Shared => "shared address space of a carrier",
            Special::LinkLocal => "link-local",
            Special::Metadata => "metadata service of a cloud",
            Special::UniqueLocal => "unique local",
            Special::SiteLocal => "site-local",
            Special::Multicast => "multicast",
            Special::Broadcast => "broadcast",
            Special::Protocol => "IETF protocol assignments",
            Special::Benchmarking => "benchmarking",
            Special::Translation => "local-use IPv4/IPv6 translation",
            Special::Discard => "discard-only",
            Special::Reserved => "reserved",
        }
    }

    /// The RFC that sets it apart; metadata services are apart by the custom of clouds alone.
    pub fn rfc(self) -> Option<u16> {
        Some(match self {
            Special::Unspecified => 1122,
            Special::Loopback => 1122,
            Special::Private => 1918,
            Special::Shared => 6598,
            Special::LinkLocal => 3927,
            Special::Metadata => return None,
            Special::UniqueLocal => 4193,
            Special::SiteLocal => 3879,
            Special::Multicast => 5771,
            Special::Broadcast => 919,
            Special::Protocol => 6890,
            Special::Benchmarking => 2544,
            Special::Translation => 8215,
            Special::Discard => 6666,
            Special::Reserved => 1112,
        })
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the address is special, and how. An IPv6 address that carries a special IPv4 address
/// (mapped, compatible, translated, 6to4, Teredo, NAT64) is special as that is.
pub fn special(address: IpAddr) -> Option<Special> {
    row(address).map(|(_, special)| special)
}

/// Whether a rule about a range means this address although it is special: the range lies within
/// the one that makes the address special. `0.0.0.0/0` so opens neither loopback nor private
/// addresses, `169.254.0.0/16` no metadata service, and `::/0` nothing that carries an IPv4 address.
pub(crate) fn names(range: &AddressRange, address: IpAddr) -> bool {
    range.contains(address) && row(address).is_none_or(|(prefix, _)| range.prefix() >= prefix)
}

/// IPv4: the first address, the bits of the prefix. What lies in another comes before it.
const V4: &[([u8; 4], u8, Special)] = &[
    ([169, 254, 169, 254], 32, Special::Metadata),
    ([168, 63, 129, 16], 32, Special::Metadata),
    ([100, 100, 100, 200], 32, Special::Metadata),
    ([0, 0, 0, 0], 8, Special::Unspecified),
    ([10, 0, 0, 0], 8, Special::Private),
    ([100, 64, 0, 0], 10, Special::Shared),
    ([127, 0, 0, 0], 8, Special::Loopback),
    ([169, 254, 0, 0], 16, Special::LinkLocal),
    ([172, 16, 0, 0], 12, Special::Private),
    ([192, 0, 0, 0], 24, Special::Protocol),
    ([192, 168, 0, 0], 16, Special::Private),
    ([198, 18, 0, 0], 15, Special::Benchmarking),
    ([224, 0, 0, 0], 4, Special::Multicast),
    ([255, 255, 255, 255], 32, Special::Broadcast),
    ([240, 0, 0, 0], 4, Special::Reserved),
];

/// IPv6, likewise.
const V6: &[([u16; 8], u8, Special)] = &[
    (
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
        128,
        Special::Metadata,
    ),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, Special::Metadata),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Special::Unspecified),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Special::Loopback),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Special::Translation),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Special::Discard),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Special::Benchmarking),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Special::UniqueLocal),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Special::LinkLocal),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Special::SiteLocal),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Special::Multicast),
];

/// The prefix of the range that makes an address special; of one that carries another, all its bits.
fn row(address: IpAddr) -> Option<(u8, Special)> {
    match address.to_canonical() {
        IpAddr::V4(address) => V4
            .iter()
            .find(|(first, prefix, _)| {
                let differ = u32::from(address) ^ u32::from_be_bytes(*first);
                differ.leading_zeros() >= u32::from(*prefix)
            })
            .map(|(_, prefix, special)| (*prefix, *special)),
        IpAddr::V6(address) => V6
            .iter()
            .find(|(first, prefix, _)| {
                let differ = u128::from(address) ^ u128::from(Ipv6Addr::from(*first));
                differ.leading_zeros() >= u32::from(*prefix)
            })
            .map(|(_, prefix, special)| (*prefix, *special))
            .or_else(|| {
                let special = carried(address)
                    .into_iter()
                    .flatten()
                    .find_map(|carried| special(carried.into()))?;
                Some((128, special))
            }),
    }
}

/// The IPv4 addresses that an IPv6 address carries, to which a translator or tunnel would lead.
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let segments = address.segments();
    let at = |index: usize| {
        let [a, b] = segments[index].to_be_bytes();
        let [c, d] = segments[index + 1].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // IPv4-compatible (RFC 4291, section 2.5.5.1), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            [Some(at(6)), None]
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => [Some(at(1)), None],
        // Teredo (RFC 4380): the server's address, and the client's with every bit turned.
        [0x2001, 0, ..] => [Some(at(2)), Some((!u32::from(at(6))).into())],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<Special> {
        special(text.parse().unwrap())
    }

    #[test]
    fn ranges_end_where_they_end() {
        use Special::*;
        for (before, first, last, after, what) in [
            ("", "0.0.0.0", "0.255.255.255", "1.0.0.0", Unspecified),
            (
                "9.255.255.255",
                "10.0.0.0",
                "10.255.255.255",
                "11.0.0.0",
                Private,
            ),
            (
                "100.63.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "100.128.0.0",
                Shared,
            ),
            (
                "126.255.255.255",
                "127.0.0.0",
                "127.255.255.255",
                "128.0.0.0",
                Loopback,
            ),
            (
                "169.253.255.255",
                "169.254.0.0",
                "169.254.255.255",
                "169.255.0.0",
                LinkLocal,
            ),
            (
                "172.15.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "172.32.0.0",
                Private,
            ),
            (
                "191.255.255.255",
                "192.0.0.0",
                "192.0.0.255",
                "192.0.1.0",
                Protocol,
            ),
            (
                "192.167.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "192.169.0.0",
                Private,
            ),
            (
                "198.17.255.255",
                "198.18.0.0",
                "198.19.255.255",
                "198.20.0.0",
                Benchmarking,
            ),
            (
                "168.63.129.15",
                "168.63.129.16",
                "168.63.129.16",
                "168.63.129.17",
                Metadata,
            ),
            (
                "223.255.255.255",
                "224.0.0.0",
                "239.255.255.255",
                "",
                Multicast,
            ),
            ("", "240.0.0.0", "255.255.255.254", "", Reserved),
            ("", "255.255.255.255", "255.255.255.255", "", Broadcast),
            (
                "64:ff9b:0:ffff:ffff:ffff:ffff:ffff",
                "64:ff9b:1::",
                "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
                "64:ff9b:2::",
                Translation,
            ),
            (
                "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "100::",
                "100::ffff:ffff:ffff:ffff",
                "100:0:0:1::",
                Discard,
            ),
            (
                "2001:1:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001:2::",
                "2001:2:0:ffff:ffff:ffff:ffff:ffff",
                "2001:2:1::",
                Benchmarking,
            ),
            (
                "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "fc00::",
                "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "fe00::",
                UniqueLocal,
            ),
            (
                "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "fe80::",
                "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "",
                LinkLocal,
            ),
            (
                "",
                "fec0::",
                "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "",
                SiteLocal,
            ),
            (
                "",
                "ff00::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "",
                Multicast,
            ),
            ("", "::", "::", "", Unspecified),
            ("", "::1", "::1", "", Loopback),
        ] {
            assert_eq!(kind(first), Some(what), "{first}");
            assert_eq!(kind(last), Some(what), "{last}");
            for outside in [before, after].into_iter().filter(|text| !text.is_empty()) {
                assert_eq!(kind(outside), None, "{outside}");
            }
        }
    }

    #[test]
    fn metadata_within_other_ranges() {
        for text in [
            "169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert_eq!(kind(text), Some(Special::Metadata), "{text}");
        }
        assert_eq!(kind("169.254.169.253"), Some(Special::LinkLocal));
        assert_eq!(kind("100.100.100.201"), Some(Special::Shared));
        assert_eq!(kind("fd00:ec2::255"), Some(Special::UniqueLocal));
    }

    #[test]
    fn public_addresses_and_those_of_documentation_are_not_special() {
        for text in [
            "8.8.8.8",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "2001:db8::1",
            "2606:4700::1",
            "2002:c000:201::1",
            "64:ff9b::192.0.2.1",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
            "2001:0:c000:201::3fff:fdfe",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn carried_addresses() {
        for (text, what) in [
            ("::ffff:127.0.0.1", Special::Loopback),
            ("::127.0.0.1", Special::Loopback),
            ("::ffff:0:127.0.0.1", Special::Loopback),
            ("64:ff9b::169.254.169.254", Special::Metadata),
            ("2002:7f00:1::", Special::Loopback),
            ("2002:a9fe:a9fe::1", Special::Metadata),
            // The server, then the client (10.0.0.1 with its bits turned).
            ("2001:0:a00:1::", Special::Private),
            ("2001:0:c000:201::f5ff:fffe", Special::Private),
        ] {
            assert_eq!(kind(text), Some(what), "{text}");
        }
    }

    #[test]
    fn kinds_say_where_they_come_from() {
        for (_, _, special) in V4 {
            assert!(special.rfc().is_some() || *special == Special::Metadata);
        }
        assert_eq!(Special::Shared.rfc(), Some(6598));
    }
}
