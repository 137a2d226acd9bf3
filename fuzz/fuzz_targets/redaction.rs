//! See `cofferdam_fuzz::redaction`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::redaction::check(bytes));
