//! Replays the fuzzing corpora: inputs that caused failures, and inputs that reach much of the code.

mod arbitrary;
mod calls;
mod descriptions;
mod media;
mod relay;
mod script;
mod sip_messages;
mod sip_values;
mod targets;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

#[test]
fn corpora_do_not_panic() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, fuzz) in targets::TARGETS {
        let folder = corpora.join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for file in files {
            let path = file.expect("an entry").path();
            let data = std::fs::read(&path).expect("a file");
            if let Err(panic) = std::panic::catch_unwind(|| fuzz(&data)) {
                println!("{} panics", path.display());
                std::panic::resume_unwind(panic);
            }
            count += 1;
        }
        assert!(count > 0, "an empty corpus: {}", folder.display());
    }
    let folders = std::fs::read_dir(&corpora).expect("corpora").count();
    assert_eq!(folders, targets::TARGETS.len(), "every corpus has a target");
}

#[test]
fn random_script_ends_every_call_once() {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let scripts = vec(any::<u8>(), 0..400);
    let run = TestRunner::new(config).run(&scripts, |script| {
        calls::fuzz_calls(&script);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn random_relay_script_leaves_no_state() {
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let scripts = vec(any::<u8>(), 0..1500);
    let run = TestRunner::new(config).run(&scripts, |script| {
        relay::fuzz_relay(&script);
        Ok(())
    });
    run.unwrap();
}
