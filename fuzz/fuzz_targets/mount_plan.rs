//! See `cofferdam_fuzz::mount_plan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::mount_plan::check(bytes));
