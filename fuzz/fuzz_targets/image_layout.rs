//! See `cofferdam_fuzz::image_layout`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::image_layout::check(bytes));
