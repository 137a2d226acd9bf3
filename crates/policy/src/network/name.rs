//! Names of hosts, and patterns of them.

use super::segments::{Segments, WILDCARD};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The longest name as text, without the trailing dot (RFC 1035 section 2.3.4: 255 bytes on the
/// wire, of which two are the first length and the root).
const LONGEST_NAME: usize = 253;

/// The longest label (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A host's name in its one form: ASCII lower case, without a trailing dot, each label 1 to 63
/// letters, digits, `-` or `_`, 253 bytes in all, and no way of writing an address (the last label
/// is neither a number nor hexadecimal, as the WHATWG URL standard's "ends in a number" has it).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// Which names a rule means: each label a name's own, or `*`. A `*` in front stands for one label
/// or more, one elsewhere for exactly one; `*` alone means every name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePattern(Box<str>);

/// Why a text is no host name or no pattern of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum HostNameError {
    #[error("the name is empty; write one such as example.com")]
    Empty,
    #[error("the name has {length} bytes, and no name has more than {LONGEST_NAME}; shorten it")]
    TooLong { length: usize },
    #[error("`{name}` has an empty label; write one dot between two labels and none in front")]
    EmptyLabel { name: String },
    #[error(
        "the label `{label}` is longer than the {LONGEST_LABEL} bytes of any label; shorten it"
    )]
    LongLabel { label: String },
    #[error(
        "{name:?} is not ASCII; write the name in the form that is looked up, in which each such \
         label begins with `xn--` (RFC 5891)"
    )]
    NotAscii { name: String },
    #[error(
        "{name:?} contains {character:?}; a name is made of letters, digits, `-` and `_` with dots \
         between"
    )]
    Character { name: String, character: char },
    #[error("`{name}` is a way of writing the address {address}; write that")]
    Address { name: String, address: Ipv4Addr },
    #[error(
        "`{name}` ends in a number, which is no name and no address either; write a name, or an \
         address in full"
    )]
    Number { name: String },
    #[error("`{name}` is a pattern; here only one name can be meant: write it without `*`")]
    Wildcard { name: String },
    #[error(
        "`{label}` mixes `*` with other characters; a `*` stands for whole labels: write it alone"
    )]
    PartialWildcard { label: String },
}

impl HostName {
    /// Reads a name, in any case and with or without one trailing dot.
    ///
    /// # Errors
    /// [`HostNameError`]; names beyond ASCII are written in their `xn--` form.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let name = read(text)?;
        match name.contains(WILDCARD) {
            true => Err(HostNameError::Wildcard { name: name.into() }),
            false => Ok(HostName(name)),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NamePattern {
    /// Reads a pattern, in any case and with or without one trailing dot.
    ///
    /// # Errors
    /// [`HostNameError`].
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        read(text).map(NamePattern)
    }

    /// The pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this name.
    #[must_use]
    pub fn matches(&self, name: &HostName) -> bool {
        self.segments()
            .covers(&Segments::new(name.0.rsplit('.'), false))
    }

    /// Whether it means every name that `other` means.
    #[must_use]
    pub fn covers(&self, other: &NamePattern) -> bool {
        self.segments().covers(&other.segments())
    }

    /// The pattern of the names that both mean, where there are any.
    #[must_use]
    pub fn intersection(&self, other: &NamePattern) -> Option<NamePattern> {
        let both = self.segments().intersection(&other.segments())?;
        let labels: Vec<&str> = both.into_iter().rev().collect();
        let text = labels.join(".");
        // A name is at least as long as its pattern, so no name is that long.
        (text.len() <= LONGEST_NAME).then(|| NamePattern(text.into()))
    }

    /// Whether there is a `*` that is not in front.
    pub(crate) fn has_inner_wildcard(&self) -> bool {
        self.0.contains(".*")
    }

    /// The patterns without an inner `*` that may mean every name that this one means: a `*` in front
    /// of each shorter rest of its labels, and alone.
    pub(crate) fn above(&self) -> impl Iterator<Item = NamePattern> + '_ {
        let dots = self.0.match_indices('.').map(|(at, _)| &self.0[at..]);
        dots.chain([""])
            .map(|rest| NamePattern(format!("{WILDCARD}{rest}").into()))
    }

    /// The labels from the last to the first; a `*` in front is one label, and open to more.
    fn segments(&self) -> Segments<impl Iterator<Item = &str> + Clone> {
        Segments::new(self.0.rsplit('.'), self.0.starts_with(WILDCARD))
    }
}

impl From<HostName> for NamePattern {
    fn from(name: HostName) -> Self {
        NamePattern(name.0)
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        HostName::parse(text)
    }
}

impl FromStr for NamePattern {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NamePattern::parse(text)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The one form of a name or pattern.
fn read(text: &str) -> Result<Box<str>, HostNameError> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(HostNameError::Empty);
    }
    if name.len() > LONGEST_NAME {
        return Err(HostNameError::TooLong { length: name.len() });
    }
    if !name.is_ascii() {
        return Err(HostNameError::NotAscii { name: name.into() });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
    if let Some(character) = name.chars().find(|c| !allowed(*c)) {
        let name = name.into();
        return Err(HostNameError::Character { name, character });
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(HostNameError::EmptyLabel { name: name.into() });
        }
        if label.len() > LONGEST_LABEL {
            let label = label.into();
            return Err(HostNameError::LongLabel { label });
        }
        if label.contains(WILDCARD) && label != WILDCARD {
            let label = label.into();
            return Err(HostNameError::PartialWildcard { label });
        }
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|byte| byte.is_ascii_digit()) || number(last).is_some() {
        let name = name.to_owned();
        return Err(match address(&name) {
            Some(address) => HostNameError::Address { name, address },
            None => HostNameError::Number { name },
        });
    }
    Ok(name.to_ascii_lowercase().into())
}

/// The address that a text stands for where programs read addresses as inet_aton(3) and the WHATWG
/// URL standard's IPv4 parser do: up to four numbers, the last of which fills what is left.
fn address(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = name.split('.').map(number).collect::<Option<_>>()?;
    let (last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|part| *part > 255) {
        return None;
    }
    let left = 8 * (4 - front.len());
    if *last >= 1 << left {
        return None;
    }
    let high = front.iter().fold(0, |sum, part| (sum << 8) | part);
    // Three parts of one byte and the rest, or fewer and more: 32 bits.
    u32::try_from((high << left) | last)
        .ok()
        .map(Ipv4Addr::from)
}

/// A number as those parsers read it: hexadecimal after `0x`, octal after `0`, else decimal. One
/// too large for any address is still a number.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.is_empty() {
        return (radix == 16).then_some(0);
    }
    digits.chars().try_fold(0u64, |sum, digit| {
        let digit = u64::from(digit.to_digit(radix)?);
        Some(sum.saturating_mul(u64::from(radix)).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).expect(text)
    }

    fn pattern(text: &str) -> NamePattern {
        NamePattern::parse(text).expect(text)
    }

    #[test]
    fn names_have_one_form() {
        for (given, form) in [
            ("example.com", "example.com"),
            ("EXAMPLE.Com", "example.com"),
            ("example.com.", "example.com"),
            ("localhost", "localhost"),
            ("_srv.a-b.test", "_srv.a-b.test"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.2.3.4.example", "1.2.3.4.example"),
            ("0x7f.example", "0x7f.example"),
            ("1.0xg", "1.0xg"),
            ("a.08b", "a.08b"),
        ] {
            assert_eq!(name(given).as_str(), form);
            assert_eq!(pattern(given).as_str(), form);
        }
        let long = [
            &*"a".repeat(63),
            &"b".repeat(63),
            &"c".repeat(63),
            &"d".repeat(61),
        ]
        .join(".");
        assert_eq!(name(&long).as_str().len(), LONGEST_NAME);
        assert_eq!(name(&format!("{long}.")).as_str(), long);
        let longer = long + "d";
        assert_eq!(
            HostName::parse(&longer),
            Err(HostNameError::TooLong { length: 254 })
        );
    }

    #[test]
    fn an_address_in_no_spelling_is_a_name() {
        for (text, meant) in [
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0X7F000001", "127.0.0.1"),
            ("0177.1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("0x", "0.0.0.0"),
            ("4294967295", "255.255.255.255"),
            ("10.0x10203", "10.1.2.3"),
        ] {
            let address: Ipv4Addr = meant.parse().expect("an address");
            let error = HostName::parse(text).expect_err(text);
            assert!(
                matches!(&error, HostNameError::Address { address: found, .. } if *found == address),
                "{text}: {error}"
            );
            assert_eq!(NamePattern::parse(text), Err(error));
        }
        for text in [
            "4294967296",
            "256.1",
            "1.2.3.4.5",
            "example.1",
            "a.0x1f",
            "a.08",
            "*.5",
            "1.2.3.256",
            "99999999999999999999999999",
            "0x100000000",
        ] {
            let error = HostName::parse(text).expect_err(text);
            assert!(
                matches!(error, HostNameError::Number { .. }),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_name() {
        for text in [
            "a\0.example.com",
            "user@example.com",
            "example.com#x",
            "a/b",
            "a\\b",
            "a b",
            " a",
            "a:1",
            "a%2e",
            "a?b",
            "[::1]",
            "a,b",
            "a\n",
            "a;b",
            "http://a",
        ] {
            let error = HostName::parse(text).expect_err(text);
            assert!(
                matches!(error, HostNameError::Character { .. }),
                "{text}: {error}"
            );
            assert_eq!(NamePattern::parse(text), Err(error));
        }
        for text in [
            "１２７.0.0.1",
            "bücher.example",
            "example。com",
            "a\u{ad}b.test",
            "\u{212a}.test",
        ] {
            let error = HostName::parse(text).expect_err(text);
            assert!(error.to_string().contains("xn--"), "{error}");
        }
        for text in [".", "", "a..b", ".a", "a.."] {
            let error = HostName::parse(text).expect_err(text);
            assert!(matches!(
                error,
                HostNameError::Empty | HostNameError::EmptyLabel { .. }
            ));
        }
        let label = "a".repeat(64);
        assert_eq!(
            HostName::parse(&label),
            Err(HostNameError::LongLabel { label })
        );
    }

    #[test]
    fn stars_stand_for_whole_labels() {
        for text in ["*a.test", "a*.test", "**.test", "a.b*"] {
            let error = NamePattern::parse(text).expect_err(text);
            assert!(matches!(error, HostNameError::PartialWildcard { .. }));
        }
        assert!(matches!(
            HostName::parse("*.test"),
            Err(HostNameError::Wildcard { .. })
        ));
        for (rule, yes, no) in [
            ("*", vec!["a", "a.b.c"], vec![]),
            (
                "*.a.test",
                vec!["b.a.test", "c.b.a.test"],
                vec!["a.test", "ba.test", "a.test.b", "xa.test"],
            ),
            (
                "a.*.test",
                vec!["a.b.test"],
                vec!["a.test", "a.b.c.test", "b.a.test"],
            ),
            ("*.*.test", vec!["a.b.test", "a.b.c.test"], vec!["a.test"]),
            ("a.*", vec!["a.test"], vec!["a", "a.b.test"]),
            (
                "a.test",
                vec!["a.test", "A.TEST."],
                vec!["b.a.test", "a.test.b", "test"],
            ),
        ] {
            for one in yes {
                assert!(pattern(rule).matches(&name(one)), "{rule} {one}");
            }
            for one in no {
                assert!(!pattern(rule).matches(&name(one)), "{rule} {one}");
            }
        }
    }
}
