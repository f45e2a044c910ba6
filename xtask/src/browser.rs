//! Runs the browser suites, two files at a time.

use crate::tool::{Failure, command, root, target_dir};
use crate::wasm;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The number of files that run concurrently. Each of them mostly waits for media, so that two share a processor without slowing each other.
const LANES: usize = 2;

/// The files that take more than a minute.
const LONGEST: [&str; 3] = ["stock.test.mjs", "calls.test.mjs", "bundlers.test.mjs"];

/// Runs the suites in `files`, or in all `*.test.mjs` files if there are none.
///
/// Every file has its own network namespace and sound server. Files that measure frame rates run afterwards, one at a time.
pub(crate) fn suites(files: &[String]) -> Result<(), Failure> {
    let dir = root().join("tests/browser");
    let mut files = if files.is_empty() { suite_files(&dir)? } else { files.to_vec() };
    // The longest ones first, so that both lanes end at about the same time.
    files.sort_by_key(|file| !LONGEST.contains(&file.as_str()));
    let (alone, concurrent): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.contains("video"));
    let mut failed = run_all(&dir, &concurrent, LANES);
    failed.extend(run_all(&dir, &alone, 1));
    if failed.is_empty() { Ok(()) } else { Err(Failure(failed.join("\n"))) }
}

/// Runs files on a number of threads and returns the failures.
fn run_all(dir: &Path, files: &[String], lanes: usize) -> Vec<String> {
    let waiting = Mutex::new(files.iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(file) = waiting.lock().unwrap_or_else(PoisonError::into_inner).next() {
                    if let Err(Failure(reason)) = run_file(dir, file) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(reason);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one file, and then prints its output as a whole.
fn run_file(dir: &Path, file: &str) -> Result<(), Failure> {
    let started = Instant::now();
    let output = node_test(dir, file).output()?;
    let seconds = started.elapsed().as_secs_f32();
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    println!("--- {file}: {}, {seconds:.1} s\n{out}{err}", output.status);
    if output.status.success() {
        Ok(())
    } else {
        Err(Failure(format!("{file}: node --test ended with {}", output.status)))
    }
}

/// Returns the command that runs a file with the packed package, the relay and the phone page that were built.
fn node_test(dir: &Path, file: &str) -> Command {
    let mut test = command(dir.join("bin/with-net"));
    test.arg(dir.join("bin/with-pulse")).args(["node", "--test", file]);
    test.current_dir(dir)
        .env("OFFHOOK_RELAY", target_dir().join("debug/offhook-relay"))
        .env("OFFHOOK_TARBALL", wasm::tarball())
        .env("OFFHOOK_PAGE", root().join("demo-phone/dist"));
    test
}

/// Returns the names of the `*.test.mjs` files of a folder, sorted.
fn suite_files(dir: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            files.push(name);
        }
    }
    files.sort();
    if files.is_empty() { Err(Failure(format!("no *.test.mjs in {}", dir.display()))) } else { Ok(files) }
}
