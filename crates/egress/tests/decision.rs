//! Decisions against a second reading of the rules.

mod oracle;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn rules_decide_as_a_naive_reading_does(bytes in proptest::collection::vec(any::<u8>(), 50)) {
        oracle::Case::new(&bytes).expect("enough bytes").check();
    }
}
