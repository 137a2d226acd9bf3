//! Sizes, times and processor counts.

use std::time::Duration;

use cofferdam_policy::{
    Bytes, Cpus, ParseBytesError, ParseDurationError, format_duration, parse_duration,
};
use proptest::prelude::*;

#[test]
fn sizes() {
    for (text, bytes) in [
        ("0", 0),
        ("1048576", 1 << 20),
        ("100B", 100),
        ("512MiB", 512 << 20),
        ("2G", 2 << 30),
        ("2 gib", 2 << 30),
        ("1k", 1024),
        ("1kB", 1000),
        ("3TB", 3_000_000_000_000),
        (" 7T ", 7 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
    }
    let refused = |text: &str| text.parse::<Bytes>().expect_err(text);
    assert!(matches!(refused(""), ParseBytesError::NoNumber { .. }));
    assert!(matches!(refused("-1"), ParseBytesError::NoNumber { .. }));
    assert!(matches!(refused("MiB"), ParseBytesError::NoNumber { .. }));
    assert!(matches!(refused("1.5G"), ParseBytesError::Fraction { .. }));
    assert!(matches!(refused("1X"), ParseBytesError::Unit { .. }));
    assert!(matches!(refused("1PiB"), ParseBytesError::Unit { .. }));
    assert!(matches!(
        refused("18446744073709551616"),
        ParseBytesError::TooLarge { .. }
    ));
    assert!(matches!(
        refused("99999999T"),
        ParseBytesError::TooLarge { .. }
    ));
}

#[test]
fn times() {
    for (text, time) in [
        ("250ms", Duration::from_millis(250)),
        ("30s", Duration::from_secs(30)),
        ("10m", Duration::from_secs(600)),
        ("1h30m", Duration::from_secs(5400)),
        ("1h 30m", Duration::from_secs(5400)),
        ("2d", Duration::from_secs(172_800)),
        ("1s1ms1us1ns", Duration::new(1, 1_001_001)),
        ("0s", Duration::ZERO),
        ("1500ms", Duration::from_millis(1500)),
    ] {
        assert_eq!(parse_duration(text), Ok(time), "{text}");
    }
    let refused = |text: &str| parse_duration(text).expect_err(text);
    assert!(matches!(refused(""), ParseDurationError::NoNumber { .. }));
    assert!(matches!(refused("s"), ParseDurationError::NoNumber { .. }));
    assert!(matches!(
        refused("-1s"),
        ParseDurationError::NoNumber { .. }
    ));
    assert!(matches!(refused("10"), ParseDurationError::NoUnit { .. }));
    assert!(matches!(refused("1h30"), ParseDurationError::NoUnit { .. }));
    assert!(matches!(refused("1w"), ParseDurationError::Unit { .. }));
    assert!(matches!(refused("1.5s"), ParseDurationError::Unit { .. }));
    assert!(matches!(refused("30m1h"), ParseDurationError::Order { .. }));
    assert!(matches!(refused("1s1s"), ParseDurationError::Order { .. }));
    assert!(matches!(
        refused("18446744073709551615d"),
        ParseDurationError::TooLarge { .. }
    ));
    assert!(matches!(
        refused("99999999999999999999s"),
        ParseDurationError::TooLarge { .. }
    ));
}

proptest! {
    #[test]
    fn sizes_round_trip(bytes: u64, shift in 0u32..50) {
        for size in [Bytes::new(bytes), Bytes::new(bytes >> 14 << shift)] {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn times_round_trip(seconds: u64, nanos in 0u32..1_000_000_000, coarse in 0u64..1_000_000) {
        for time in [Duration::new(seconds, nanos), Duration::from_secs(coarse * 60)] {
            prop_assert_eq!(parse_duration(&format_duration(time)), Ok(time));
        }
    }

    #[test]
    fn cpus_round_trip(milli in 0u64..10_000_000) {
        let cpus = Cpus::from_milli(milli);
        prop_assert_eq!(Cpus::from_f64(cpus.as_f64()), cpus);
        prop_assert_eq!(cpus.to_string().parse(), Ok(cpus));
    }

    #[test]
    fn no_text_makes_them_panic(text in "\\PC{0,12}", number in "[0-9]{1,25}[a-zA-Z .]{0,4}") {
        for text in [text, number] {
            let _ = text.parse::<Bytes>();
            let _ = parse_duration(&text);
            let _ = text.parse::<Cpus>();
        }
    }
}
