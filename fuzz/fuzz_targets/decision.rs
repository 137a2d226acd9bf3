//! Decisions against a naive reading of the rules.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/egress/tests/oracle/mod.rs"]
mod oracle;

fuzz_target!(|bytes: &[u8]| {
    if let Some(case) = oracle::Case::new(bytes) {
        case.check();
    }
});
