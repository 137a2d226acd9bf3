//! See `cofferdam_fuzz::image_layers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::image_layers::check(bytes));
