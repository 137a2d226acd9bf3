//! Points in time as text: RFC 3339, UTC, nanoseconds.

use std::time::{Duration, SystemTime};

/// The length of the text: `2026-02-03T04:05:06.000000007Z`.
pub(super) const LENGTH: usize = 30;

/// Nanoseconds since 1970, not counting leap seconds; what is before is 1970, what is after 2554 is then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

const SECOND: u64 = 1_000_000_000;

/// Where the digits of each part are.
const PARTS: [(usize, usize); 7] = [(0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2), (20, 9)];

impl Stamp {
    /// The text.
    pub fn text(self) -> [u8; LENGTH] {
        let (seconds, nanoseconds) = (self.0 / SECOND, self.0 % SECOND);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let values = [
            year,
            month,
            day,
            second / 3600,
            second / 60 % 60,
            second % 60,
            nanoseconds,
        ];
        for ((at, length), mut value) in PARTS.into_iter().zip(values) {
            for digit in text[at..at + length].iter_mut().rev() {
                *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
                value /= 10;
            }
        }
        text
    }

    /// What the text says; none if it is not of exactly this form.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != LENGTH {
            return None;
        }
        let mut values = [0_u64; 7];
        for ((at, length), value) in PARTS.into_iter().zip(&mut values) {
            for digit in &text[at..at + length] {
                if !digit.is_ascii_digit() {
                    return None;
                }
                *value = *value * 10 + u64::from(digit - b'0');
            }
        }
        let [year, month, day, hour, minute, second, nanoseconds] = values;
        let days = days(year, month, day)?;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        let stamp = Self(seconds.checked_mul(SECOND)?.checked_add(nanoseconds)?);
        // Also finds separators, days and hours that do not exist.
        (stamp.text() == text).then_some(stamp)
    }

    /// How long after another; nothing if it was before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Days from 0000-03-01 to 1970-01-01: years begin in March here, so that the leap day is the last.
const TO_1970: u64 = 719_468;

/// Days of 400 years.
const ERA: u64 = 146_097;

/// Year, month and day, by days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + TO_1970;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March have 153 days in five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

/// Days since 1970; none before it, or where there is no such month or day.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, year) = (year / 400, year % 400);
    let day = (153 * month + 2) / 5 + day - 1;
    (era * ERA + year * 365 + year / 4 - year / 100 + day).checked_sub(TO_1970)
}

#[cfg(test)]
mod tests {
    use super::Stamp;
    use proptest::prelude::*;

    fn text(stamp: Stamp) -> String {
        String::from_utf8(stamp.text().to_vec()).unwrap()
    }

    #[test]
    fn known_times() {
        for (nanoseconds, right) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_709_210_096_123_456_789, "2024-02-29T12:34:56.123456789Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(text(Stamp(nanoseconds)), right);
            assert_eq!(Stamp::parse(right), Some(Stamp(nanoseconds)));
        }
    }

    #[test]
    fn other_text_is_none() {
        for other in [
            "",
            "2024-02-29T12:34:56.123456789z",
            "2023-02-29T12:34:56.123456789Z",
            "2024-02-29T24:00:00.000000000Z",
            "2024-13-01T00:00:00.000000000Z",
            "2024-00-01T00:00:00.000000000Z",
            "2024-02-29 12:34:56.123456789Z",
            "9999-12-31T23:59:59.999999999Z",
            "1969-12-31T23:59:59.999999999Z",
        ] {
            assert_eq!(Stamp::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_as_written(a in any::<u64>(), b in any::<u64>()) {
            let (a, b) = (Stamp(a), Stamp(b));
            prop_assert_eq!(Stamp::parse(&text(a)), Some(a));
            prop_assert_eq!(a.cmp(&b), text(a).cmp(&text(b)));
        }
    }
}
