//! Addresses that stand for names: what the gate's DNS gives out, and what a connection to one means.

use cofferdam_policy::HostName;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names that one environment can hold addresses for. Far fewer than 198.18.0.0/15 has, and far more
/// than a program needs that does not look names up for their own sake.
pub const MAX_NAMES: usize = 65_536;

/// 198.18.0.0/15.
const V4: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const V4_BITS: u32 = 15;

/// 2001:2::/48.
const V6: u128 = 0x2001_0002 << 96;
const V6_BITS: u32 = 48;

/// The number of the first name's addresses: `.0.0` is the network's own and `.0.1` by custom a
/// router's, and some programs treat them so.
const FIRST: u32 = 2;

// The last address of the range is its broadcast address and must stay out of reach.
const _: () = assert!(FIRST as usize + MAX_NAMES < (1 << (32 - V4_BITS)) - 1);

/// The names of one environment, each with two addresses that no other name ever gets.
#[derive(Clone, Debug, Default)]
pub struct SyntheticNames {
    names: Vec<HostName>,
    /// Indices in `names`.
    indices: HashMap<HostName, u32>,
}

/// The two addresses of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// In 198.18.0.0/15 (RFC 2544).
    pub v4: Ipv4Addr,
    /// In 2001:2::/48 (RFC 5180).
    pub v6: Ipv6Addr,
}

/// Every address that can be given out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_NAMES} names have been looked up; start another command or session for more")]
pub struct Full;

impl SyntheticNames {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses of a name; the same ones each time.
    ///
    /// # Errors
    /// [`Full`].
    pub fn addresses(&mut self, name: &HostName) -> Result<Synthetic, Full> {
        if let Some(index) = self.indices.get(name) {
            return Ok(synthetic(*index));
        }
        if self.names.len() >= MAX_NAMES {
            return Err(Full);
        }
        let index = u32::try_from(self.names.len()).map_err(|_| Full)?;
        self.names.push(name.clone());
        self.indices.insert(name.clone(), index);
        Ok(synthetic(index))
    }

    /// The name that an address stands for.
    pub fn name(&self, address: IpAddr) -> Option<&HostName> {
        if !is_synthetic(address) {
            return None;
        }
        let number = match address.to_canonical() {
            IpAddr::V4(address) => u128::from(u32::from(address) - V4),
            IpAddr::V6(address) => u128::from(address) - V6,
        };
        let index = number.checked_sub(u128::from(FIRST))?;
        self.names.get(usize::try_from(index).ok()?)
    }
}

/// Whether the address lies in the ranges that addresses are given out of. One that stands for no
/// name leads nowhere.
pub fn is_synthetic(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => (u32::from(address) ^ V4).leading_zeros() >= V4_BITS,
        IpAddr::V6(address) => (u128::from(address) ^ V6).leading_zeros() >= V6_BITS,
    }
}

fn synthetic(index: u32) -> Synthetic {
    Synthetic {
        v4: (V4 + FIRST + index).into(),
        v6: (V6 + u128::from(FIRST + index)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn a_name_keeps_its_addresses() {
        let mut names = SyntheticNames::new();
        let a = names.addresses(&name("a.test")).unwrap();
        let b = names.addresses(&name("b.test")).unwrap();
        assert_eq!(a.v4, Ipv4Addr::new(198, 18, 0, 2));
        assert_eq!(a.v6, Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 2));
        assert_ne!(a, b);
        assert_eq!(names.addresses(&name("A.test.")).unwrap(), a);
        assert_eq!(names.name(b.v4.into()), Some(&name("b.test")));
        assert_eq!(names.name(b.v6.into()), Some(&name("b.test")));
        assert_eq!(
            names.name(b.v4.to_ipv6_mapped().into()),
            Some(&name("b.test"))
        );
        for text in [
            "198.18.0.0",
            "198.18.0.1",
            "198.18.0.4",
            "198.19.255.255",
            "198.17.255.255",
            "198.20.0.2",
            "192.0.2.2",
            "2001:2::",
            "2001:2::4",
            "2001:2:0:1::2",
            "2001:2:1::2",
            "2001:db8::2",
        ] {
            assert_eq!(names.name(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn full_is_full_and_no_address_is_given_twice() {
        let mut names = SyntheticNames::new();
        let mut given = HashSet::new();
        for index in 0..MAX_NAMES {
            let both = names.addresses(&name(&format!("n{index}.test"))).unwrap();
            assert!(is_synthetic(both.v4.into()) && is_synthetic(both.v6.into()));
            assert!(given.insert(IpAddr::from(both.v4)) && given.insert(both.v6.into()));
        }
        assert_eq!(names.addresses(&name("more.test")), Err(Full));
        let known = names.addresses(&name("n0.test")).unwrap();
        assert_eq!(names.name(known.v4.into()), Some(&name("n0.test")));
    }

    #[test]
    fn ranges_end_where_they_end() {
        for (text, inside) in [
            ("198.17.255.255", false),
            ("198.18.0.0", true),
            ("198.19.255.255", true),
            ("198.20.0.0", false),
            ("2001:2::", true),
            ("2001:2:0:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:2:1::", false),
            ("2001:1:ffff::", false),
        ] {
            assert_eq!(is_synthetic(text.parse().unwrap()), inside, "{text}");
        }
    }
}
