//! See `cofferdam_fuzz::audit_reader`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::audit_reader::check(bytes));
