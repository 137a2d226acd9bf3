//! See `cofferdam_fuzz::trace_parent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::trace_parent::check(bytes));
