//! See `cofferdam_fuzz::audit_report`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::audit_report::check(bytes));
