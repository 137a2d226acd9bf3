//! See `cofferdam_fuzz::decision`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::decision::check(bytes));
