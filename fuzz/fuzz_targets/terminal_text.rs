//! See `cofferdam_fuzz::terminal_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::terminal_text::check(bytes));
