//! Tests of the fuzz target with random scripts.

use crate::user_agent::fuzz_calls;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn random_script_ends_every_call_once() {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(any::<u8>(), 0..400), |script| {
            fuzz_calls(&script);
            Ok(())
        })
        .unwrap();
}
