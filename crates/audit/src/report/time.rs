//! Times of records as numbers.

/// Microseconds since 1970 of an RFC 3339 time in UTC, as records have it; `None` if it is none.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = three(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = three(time, ':')?;
    let real = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && year <= 9999
        && hour < 24
        && minute < 60
        && second <= 60;
    if !real || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000_000 + micros)
}

fn three(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(|part| {
        let digits =
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

/// Days from 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Days before each month of such a year: 0, 31, 61, 92, 122, 153 and so on.
    let before_month = (153 * month + 2) / 5;
    365 * year + leap_days + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn times_are_counted_from_1970() {
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            micros("2000-02-29T12:00:00.000001999Z"),
            Some(951_825_600_000_001)
        );
        assert_eq!(
            micros("2026-11-28T15:17:44.5Z"),
            Some(1_795_879_064_500_000)
        );
        assert_eq!(micros("1969-12-31T23:59:59.000000000Z"), Some(-1_000_000));
    }

    #[test]
    fn other_text_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-11-28T15:17:44",
            "2026-11-28T15:17:44.\u{e9}Z",
            "2026-11-28T15:17:44.5+01:00",
            "-1-1-1T0:0:0Z",
            "2026-11-28-1T00:00:00Z",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
