//! Sets of TCP ports.

use super::segments::WILDCARD;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of TCP ports: every port, or ranges of them (sorted, apart from each other).
///
/// As text `443`, `80,443`, `8000-8100`, or `*` for every port. Port 0, which nothing can connect
/// to, is in no set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports(Option<Vec<(u16, u16)>>);

/// Why a text is no set of ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum PortsError {
    #[error("{text:?} is no port; write numbers from 1 to 65535 such as 443, 80,443 or 8000-8100")]
    Port { text: String },
    #[error("port 0 is none that can be connected to; write one from 1 to 65535")]
    Zero,
    #[error("the ports {first}-{last} run backwards; write {last}-{first}")]
    Backwards { first: u16, last: u16 },
}

impl Ports {
    /// Every port; the default.
    pub const ANY: Ports = Ports(None);

    /// These ports.
    #[must_use]
    pub fn of(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        let mut ranges: Vec<(u16, u16)> = ranges
            .into_iter()
            .map(|range| (*range.start().max(&1), *range.end()))
            .filter(|(first, last)| first <= last)
            .collect();
        ranges.sort_unstable();
        let mut apart: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match apart.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => apart.push((first, last)),
            }
        }
        match apart[..] {
            [(1, u16::MAX)] => Ports::ANY,
            _ => Ports(Some(apart)),
        }
    }

    /// This port.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Ports::of([port..=port])
    }

    /// Whether the port is one of them.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        port != 0 && self.ranges().any(|range| range.contains(&port))
    }

    /// Whether there is no port in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// The ports as ranges, from the lowest on and apart from each other.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> + '_ {
        const EVERY: &[(u16, u16)] = &[(1, u16::MAX)];
        let ranges = self.0.as_deref().unwrap_or(EVERY);
        ranges.iter().map(|(first, last)| *first..=*last)
    }

    /// Whether every one of `other`'s ports is one of these.
    #[must_use]
    pub fn covers(&self, other: &Ports) -> bool {
        self.0.is_none() || other.difference(self).is_empty()
    }

    /// The ports of both.
    #[must_use]
    pub fn intersection(&self, other: &Ports) -> Ports {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            _ => self.difference(&self.difference(other)),
        }
    }

    /// The ports of either.
    #[must_use]
    pub fn union(&self, other: &Ports) -> Ports {
        Ports::of(self.ranges().chain(other.ranges()))
    }

    /// The ports that are not `other`'s.
    #[must_use]
    pub fn difference(&self, other: &Ports) -> Ports {
        let mut left = Vec::new();
        for range in self.ranges() {
            // What of the range has not been looked at; wider than a port, to end beyond the last.
            let (mut first, last) = (u32::from(*range.start()), u32::from(*range.end()));
            for taken in other.ranges() {
                let (start, end) = (u32::from(*taken.start()), u32::from(*taken.end()));
                if end < first || start > last {
                    continue;
                }
                if start > first {
                    left.push((first, start - 1));
                }
                first = end + 1;
            }
            if first <= last {
                left.push((first, last));
            }
        }
        let narrow = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
        Ports::of(
            left.into_iter()
                .map(|(first, last)| narrow(first)..=narrow(last)),
        )
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Ports::one(port)
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == WILDCARD {
            return Ok(Ports::ANY);
        }
        let ranges = text.split(',').map(|range| match range.split_once('-') {
            None => port(range, text).map(|port| port..=port),
            Some((first, last)) => {
                let (first, last) = (port(first, text)?, port(last, text)?);
                match first <= last {
                    true => Ok(first..=last),
                    false => Err(PortsError::Backwards { first, last }),
                }
            }
        });
        ranges.collect::<Result<Vec<_>, _>>().map(Ports::of)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_none() {
            return f.write_str(WILDCARD);
        }
        for (index, range) in self.ranges().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match range.start() == range.end() {
                true => write!(f, "{}", range.start())?,
                false => write!(f, "{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

/// One number of the whole text. A sign or leading zeros are not read.
pub(super) fn port(number: &str, text: &str) -> Result<u16, PortsError> {
    if number == "0" {
        return Err(PortsError::Zero);
    }
    number
        .parse()
        .ok()
        .filter(|_| number.starts_with(|c: char| matches!(c, '1'..='9')))
        .ok_or_else(|| PortsError::Port { text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ports_read_back_in_one_form() {
        for (given, form) in [
            ("443", "443"),
            ("443,80", "80,443"),
            ("8000-8100", "8000-8100"),
            ("1-5,3-9,10,12", "1-10,12"),
            ("7,7", "7"),
            ("*", "*"),
            ("1-65535", "*"),
            ("65535,65534", "65534-65535"),
        ] {
            let ports: Ports = given.parse().expect(given);
            assert_eq!(ports.to_string(), form);
            assert_eq!(form.parse(), Ok(ports));
        }
        for text in [
            "", "a", "+1", "01", "65536", "1,", ",1", "1-", "-1", "1--2", " 1", "1 ", "1-2-3", "**",
        ] {
            let error = text.parse::<Ports>().expect_err(text);
            assert!(matches!(error, PortsError::Port { .. }), "{text}: {error}");
        }
        assert_eq!("0".parse::<Ports>(), Err(PortsError::Zero));
        assert_eq!("0-9".parse::<Ports>(), Err(PortsError::Zero));
        let error = "9-3".parse::<Ports>().expect_err("backwards");
        assert!(error.to_string().ends_with("write 3-9"));
        assert!(Ports::of([0..=0]).is_empty() && Ports::of([]).is_empty());
        assert!(!Ports::ANY.is_empty() && !Ports::ANY.contains(0));
        assert!(Ports::ANY.contains(1) && Ports::ANY.contains(65_535));
    }

    fn ports() -> impl Strategy<Value = Ports> {
        let edge = prop_oneof![0u16..12, 65_530u16..=65_535];
        prop_oneof![
            1 => Just(Ports::ANY),
            4 => proptest::collection::vec((edge.clone(), edge), 0..4)
                .prop_map(|all| Ports::of(all.into_iter().map(|(a, b)| a..=b))),
        ]
    }

    proptest! {
        #[test]
        fn the_sets_are_sets(a in ports(), b in ports()) {
            let mut covered = true;
            for port in (0..16).chain(65_525..=65_535) {
                let (in_a, in_b) = (a.contains(port), b.contains(port));
                prop_assert_eq!(a.intersection(&b).contains(port), in_a && in_b);
                prop_assert_eq!(a.union(&b).contains(port), in_a || in_b);
                prop_assert_eq!(a.difference(&b).contains(port), in_a && !in_b);
                covered &= in_a || !in_b;
            }
            prop_assert_eq!(a.covers(&b), covered);
            prop_assert_eq!(a.covers(&b) && b.covers(&a), a == b);
            if !a.is_empty() {
                prop_assert_eq!(a.to_string().parse(), Ok(a));
            }
        }
    }
}
