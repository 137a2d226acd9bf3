//! See `cofferdam_fuzz::rule_parser`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::rule_parser::check(bytes));
