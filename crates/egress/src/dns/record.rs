//! Kinds of records.

use std::fmt;

/// The kind of record that is asked for (RFC 1035, section 3.2.2, and later ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// An IPv4 address.
    A,
    /// An IPv6 address (RFC 3596).
    Aaaa,
    /// Any other, by its number.
    Other(u16),
}

impl From<u16> for Record {
    fn from(number: u16) -> Self {
        match number {
            1 => Record::A,
            28 => Record::Aaaa,
            other => Record::Other(other),
        }
    }
}

/// The name that the common kinds have in zone files, `TYPE` and the number for others (RFC 3597).
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Record::A => "A",
            Record::Aaaa => "AAAA",
            Record::Other(2) => "NS",
            Record::Other(5) => "CNAME",
            Record::Other(6) => "SOA",
            Record::Other(12) => "PTR",
            Record::Other(15) => "MX",
            Record::Other(16) => "TXT",
            Record::Other(33) => "SRV",
            Record::Other(64) => "SVCB",
            Record::Other(65) => "HTTPS",
            Record::Other(255) => "ANY",
            Record::Other(number) => return write!(f, "TYPE{number}"),
        };
        f.write_str(name)
    }
}
