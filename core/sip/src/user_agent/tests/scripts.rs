//! Arbitrary scripts.

use crate::user_agent::fuzz_calls;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn whatever_peer_and_call_model_do_every_call_ends_once_and_leaves_nothing() {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(any::<u8>(), 0..400), |script| {
            fuzz_calls(&script);
            Ok(())
        })
        .unwrap();
}
