//! See `cofferdam_fuzz::git_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::git_config::check(bytes));
