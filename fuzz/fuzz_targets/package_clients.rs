//! See `cofferdam_fuzz::package_clients`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::package_clients::check(bytes));
