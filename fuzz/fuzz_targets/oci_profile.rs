//! See `cofferdam_fuzz::oci_profile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cofferdam_fuzz::oci_profile::check(bytes));
