//! See `cofferdam_fuzz::http_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::http_request::check(bytes));
