//! See `cofferdam_fuzz::seccomp_compile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::seccomp_compile::check(bytes));
