//! See `cofferdam_fuzz::init_socket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::init_socket::check(bytes));
