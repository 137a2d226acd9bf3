//! See `cofferdam_fuzz::units`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::units::check(bytes));
