//! See `cofferdam_fuzz::secrets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::secrets::check(bytes));
