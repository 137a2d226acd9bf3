//! Decisions against a naive reading of the rules.

#[path = "../../crates/egress/tests/oracle/mod.rs"]
mod oracle;

/// One input.
pub fn check(bytes: &[u8]) {
    if let Some(case) = oracle::Case::new(bytes) {
        case.check();
    }
}
