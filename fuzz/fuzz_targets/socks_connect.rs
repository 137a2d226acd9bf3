//! See `cofferdam_fuzz::socks_connect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::socks_connect::check(bytes));
