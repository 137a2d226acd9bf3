//! Sizes, processors and times: what is read is written and read again, and means what plain
//! arithmetic says.

use cofferdam_policy::{Bytes, Cpus, format_duration, parse_duration};
use std::time::Duration;

/// One input.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(size) = text.parse::<Bytes>() {
        assert_eq!(size.to_string().parse(), Ok(size), "{text:?}");
        assert_eq!(Some(u128::from(size.get())), size_of(text), "{text:?}");
    }
    if let Ok(cpus) = text.parse::<Cpus>()
        && let Some(milli) = cpus.milli()
    {
        assert_eq!(cpus.to_string().parse(), Ok(cpus), "{text:?}");
        assert_eq!(Cpus::from_milli(milli), cpus);
        let read: f64 = text.trim().parse().expect("it is a number");
        assert!((read * 1000.0 - milli as f64).abs() <= 0.5, "{text:?}");
    }
    if let Ok(time) = parse_duration(text) {
        assert_eq!(
            parse_duration(&format_duration(time)),
            Ok(time),
            "{text:?}"
        );
        assert_eq!(time_of(text), time.as_nanos(), "{text:?}");
    }
    // Every time has a text.
    let mut input = crate::input::Input::new(bytes);
    let time = Duration::new(input.u64(), input.u32() % 1_000_000_000);
    assert_eq!(parse_duration(&format_duration(time)), Ok(time));
    let size = Bytes::new(input.u64());
    assert_eq!(size.to_string().parse(), Ok(size));
}

/// The number and the factor of its unit's letters.
fn size_of(text: &str) -> Option<u128> {
    let text = text.trim().to_ascii_lowercase();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = text[digits.len()..].trim();
    let first = unit.chars().next().unwrap_or('b');
    let power = "bkmgt".find(first)? as u32;
    let base: u128 = match unit.len() {
        2 => 1000,
        _ => 1024,
    };
    Some(digits.parse::<u128>().ok()? * base.pow(power))
}

/// The sum of each number times its unit, in nanoseconds.
fn time_of(text: &str) -> u128 {
    let mut sum = 0;
    let mut number = 0_u128;
    let mut unit = String::new();
    for c in text.trim().chars().chain(['0']) {
        if !c.is_ascii_digit() {
            unit.push(c);
            continue;
        }
        if !unit.is_empty() {
            sum += number
                * match unit.trim() {
                    "d" => 86_400_000_000_000,
                    "h" => 3_600_000_000_000,
                    "m" => 60_000_000_000,
                    "s" => 1_000_000_000,
                    "ms" => 1_000_000,
                    "us" => 1_000,
                    _ => 1,
                };
            unit.clear();
            number = 0;
        }
        number = number * 10 + u128::from(c.to_digit(10).unwrap_or(0));
    }
    sum
}
