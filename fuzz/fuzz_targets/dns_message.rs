//! See `cofferdam_fuzz::dns_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::dns_message::check(bytes));
