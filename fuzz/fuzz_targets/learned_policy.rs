//! See `cofferdam_fuzz::learned_policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::learned_policy::check(bytes));
