//! See `cofferdam_fuzz::snapshot_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::snapshot_file::check(bytes));
