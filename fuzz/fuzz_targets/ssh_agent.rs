//! See `cofferdam_fuzz::ssh_agent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::ssh_agent::check(bytes));
