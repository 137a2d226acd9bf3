//! Sizes, times and processor counts as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{ParseBytesError, ParseCpusError, ParseDurationError};

/// A number of bytes.
///
/// Read from text: a whole number and a unit. `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` are
/// powers of 1024; `KB`, `MB`, `GB`, `TB` are powers of 1000; without a unit, or with `B`, it is
/// bytes. Case does not matter. Written as text, the largest power of 1024 that divides it exactly
/// is used, so that reading gives the same number back.
///
/// ```
/// use cofferdam_policy::Bytes;
/// assert_eq!("512MiB".parse(), Ok(Bytes::mib(512)));
/// assert_eq!("2G".parse(), Ok(Bytes::gib(2)));
/// assert_eq!("1KB".parse(), Ok(Bytes::new(1000)));
/// assert_eq!(Bytes::new(3 << 20).to_string(), "3MiB");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Bytes = Bytes(0);

    /// `count` bytes.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Bytes(count)
    }

    /// `count` times 1024 bytes; what is too large for 64 bits becomes the largest size, which
    /// validation refuses.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Bytes(count.saturating_mul(1 << 10))
    }

    /// `count` times 1024² bytes, saturating like [`Bytes::kib`].
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Bytes(count.saturating_mul(1 << 20))
    }

    /// `count` times 1024³ bytes, saturating like [`Bytes::kib`].
    #[must_use]
    pub const fn gib(count: u64) -> Self {
        Bytes(count.saturating_mul(1 << 30))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Bytes {
    fn from(count: u64) -> Self {
        Bytes(count)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (digits, unit) = split_number(text);
        if digits.is_empty() {
            return Err(ParseBytesError::NoNumber { text: text.into() });
        }
        let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "t" | "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            fraction if fraction.starts_with(['.', ',']) => {
                return Err(ParseBytesError::Fraction { text: text.into() });
            }
            _ => return Err(ParseBytesError::Unit { unit: unit.into() }),
        };
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Bytes)
            .ok_or_else(|| ParseBytesError::TooLarge { text: text.into() })
    }
}

/// Processors' worth of time, in thousandths of a processor.
///
/// Keeps a number that is no such count (negative, NaN, too large to hold), so that validation can
/// report it; such a value sorts below every count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(Count);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Count {
    /// The bits of a float, which unlike the float itself can be compared and hashed.
    Unusable(u64),
    Milli(u64),
}

impl Cpus {
    /// The most that validation lets through: 8192 processors, the most that Linux is built for
    /// (`CONFIG_NR_CPUS`).
    pub const MAX: Cpus = Cpus(Count::Milli(8_192_000));

    /// `milli` thousandths of a processor.
    #[must_use]
    pub const fn from_milli(milli: u64) -> Self {
        Cpus(Count::Milli(milli))
    }

    /// `cpus` processors, rounded to the nearest thousandth.
    #[must_use]
    pub fn from_f64(cpus: f64) -> Self {
        let milli = (cpus * 1000.0).round();
        // 2^53: above it a float does not hold every whole number.
        if (0.0..9_007_199_254_740_992.0).contains(&milli) && cpus >= 0.0 {
            Cpus(Count::Milli(milli as u64))
        } else {
            Cpus(Count::Unusable(cpus.to_bits()))
        }
    }

    /// Thousandths of a processor; `None` where this is no such count.
    #[must_use]
    pub const fn milli(self) -> Option<u64> {
        match self.0 {
            Count::Milli(milli) => Some(milli),
            Count::Unusable(_) => None,
        }
    }

    /// The number of processors.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Count::Milli(milli) => milli as f64 / 1000.0,
            Count::Unusable(bits) => f64::from_bits(bits),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_f64().fmt(f)
    }
}

impl FromStr for Cpus {
    type Err = ParseCpusError;

    /// Reads a decimal number such as `1.5`. Numbers out of range are kept, as by
    /// [`Cpus::from_f64`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim()
            .parse()
            .map(Cpus::from_f64)
            .map_err(|source| ParseCpusError::NotANumber {
                text: text.into(),
                source,
            })
    }
}

/// The units of time, longest first, with their length in nanoseconds.
const TIMES: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a time such as `250ms`, `30s`, `10m` or `1h30m`: whole numbers, each with one of the units
/// `d h m s ms us ns`, the longer unit first and each at most once.
///
/// # Errors
///
/// [`ParseDurationError`] says which part is wrong. A number without a unit is refused: `10` could
/// be seconds or minutes.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let text = text.trim();
    let too_large = || ParseDurationError::TooLarge { text: text.into() };
    let mut rest = text;
    let mut total: u128 = 0;
    let mut units = TIMES.iter();
    if rest.is_empty() {
        return Err(ParseDurationError::NoNumber { text: text.into() });
    }
    while !rest.is_empty() {
        let (digits, after) = split_number(rest);
        if digits.is_empty() {
            return Err(ParseDurationError::NoNumber { text: text.into() });
        }
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = unit.trim();
        if unit.is_empty() {
            return Err(ParseDurationError::NoUnit { text: text.into() });
        }
        if !TIMES.iter().any(|(name, _)| *name == unit) {
            return Err(ParseDurationError::Unit { unit: unit.into() });
        }
        // The iterator is not rewound, so a unit that comes too late is not found.
        let Some((_, length)) = units.find(|(name, _)| *name == unit) else {
            return Err(ParseDurationError::Order { text: text.into() });
        };
        let number: u64 = digits.parse().map_err(|_| too_large())?;
        total += u128::from(number) * length;
        rest = after;
    }
    let seconds = u64::try_from(total / 1_000_000_000).map_err(|_| too_large())?;
    Ok(Duration::new(seconds, (total % 1_000_000_000) as u32))
}

/// Writes a time in the form that [`parse_duration`] reads, without loss.
#[must_use]
pub fn format_duration(time: Duration) -> String {
    if time.is_zero() {
        return "0s".into();
    }
    let mut left = time.as_nanos();
    let mut text = String::new();
    for (unit, length) in TIMES {
        if left >= length {
            text += &format!("{}{unit}", left / length);
            left %= length;
        }
    }
    text
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

#[cfg(feature = "serde")]
mod text {
    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
    use serde::ser::{Error as _, Serialize, Serializer};

    use super::{Bytes, Cpus};

    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Size;
            impl Visitor<'_> for Size {
                type Value = Bytes;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a size such as \"512MiB\" or a number of bytes")
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                    text.parse().map_err(E::custom)
                }

                fn visit_u64<E: Error>(self, number: u64) -> Result<Bytes, E> {
                    Ok(Bytes::new(number))
                }

                fn visit_i64<E: Error>(self, number: i64) -> Result<Bytes, E> {
                    u64::try_from(number)
                        .map(Bytes::new)
                        .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
                }
            }
            deserializer.deserialize_any(Size)
        }
    }

    impl Serialize for Cpus {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.milli() {
                Some(_) => serializer.serialize_f64(self.as_f64()),
                None => Err(S::Error::custom(format_args!("cpus cannot be {self}"))),
            }
        }
    }

    impl<'de> Deserialize<'de> for Cpus {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Number;
            impl Visitor<'_> for Number {
                type Value = Cpus;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a number of processors such as 1.5")
                }

                fn visit_f64<E: Error>(self, number: f64) -> Result<Cpus, E> {
                    Ok(Cpus::from_f64(number))
                }

                fn visit_u64<E: Error>(self, number: u64) -> Result<Cpus, E> {
                    Ok(Cpus::from_f64(number as f64))
                }

                fn visit_i64<E: Error>(self, number: i64) -> Result<Cpus, E> {
                    Ok(Cpus::from_f64(number as f64))
                }
            }
            deserializer.deserialize_any(Number)
        }
    }
}
