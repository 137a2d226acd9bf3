//! See `cofferdam_fuzz::overlay_changes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::overlay_changes::check(bytes));
