//! See `cofferdam_fuzz::http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::http_head::check(bytes));
