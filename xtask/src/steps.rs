//! Runs and reports the steps of a task.

use crate::tool::Failure;
use std::time::Instant;

/// Counts the steps of a task.
#[derive(Default)]
pub(crate) struct Steps {
    passed: usize,
    failed: Option<String>,
}

impl Steps {
    /// Runs one step and prints its name, result and duration.
    pub(crate) fn step(&mut self, name: &str, act: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        println!("==> {name}");
        let started = Instant::now();
        let outcome = act();
        let seconds = started.elapsed().as_secs_f32();
        match &outcome {
            Ok(()) => {
                self.passed += 1;
                println!("<== {name}: ok, {seconds:.1} s");
            }
            Err(_) => {
                self.failed = Some(name.to_owned());
                println!("<== {name}: FAILED, {seconds:.1} s");
            }
        }
        outcome
    }

    /// Prints the summary of a task.
    pub(crate) fn summarize(&self, task: &str) {
        match &self.failed {
            Some(name) => println!("{task}: {} passed, 1 failed ({name})", self.passed),
            None if self.passed > 0 => println!("{task}: {} passed, 0 failed", self.passed),
            None => {}
        }
    }
}
