//! Arbitrary scripts, as the fuzzer writes them.

use crate::relay::fuzz_relay;
use proptest::prelude::{ProptestConfig, any, proptest};

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_left(script in proptest::collection::vec(any::<u8>(), 0..1500)) {
        fuzz_relay(&script);
    }
}
