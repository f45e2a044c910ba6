//! Fuzzing with libFuzzer on stable Rust. New inputs are added to the corpora, which the test suites replay.

use crate::steps::Steps;
use crate::tool::{Failure, cargo, command, root, run, target_dir};
use std::fs;
use std::path::{Path, PathBuf};

/// Compiler flags for the coverage instrumentation of libFuzzer.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Maximum length of an input in octets: a SIP message, a description with two media, or a script of some hundred steps.
const LONGEST: u32 = 600;

/// `cargo xtask fuzz TARGET [SECONDS]`: inputs that reach new code are kept in `tests/fuzz/corpus/TARGET`, inputs that cause
/// a panic in `target/fuzz`.
pub(crate) fn fuzz(arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    let corpora = root().join("tests/fuzz/corpus");
    let Some(target) = arguments.first().filter(|target| corpora.join(target).is_dir()) else {
        let names: Vec<_> = names(&corpora)?.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure(format!("cargo xtask fuzz TARGET [SECONDS]; the targets: {}", names.join(", "))));
    };
    let seconds = arguments.get(1).map_or("60", String::as_str);
    let kept = corpora.join(target);
    let host = host()?;
    let built = target_dir().join("fuzz");
    steps.step("fuzzer: build", || {
        // With an explicit target, build scripts are built without these flags.
        let mut build = cargo(["build", "--release", "--manifest-path", "tests/fuzz/Cargo.toml", "--target", &host]);
        run(build.arg("--target-dir").arg(&built).env("RUSTFLAGS", COVERAGE))
    })?;
    let program = built.join(&host).join("release/fuzz");
    let found = built.join("corpus").join(target);
    fs::create_dir_all(&found)?;
    steps.step(&format!("fuzzing {target}: {seconds} s"), || {
        let mut fuzz = command(&program);
        fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LONGEST}"));
        fuzz.arg(format!("-artifact_prefix={}/", built.display())).arg("-print_final_stats=1");
        run(fuzz.arg(&found).arg(&kept).env("OFFHOOK_FUZZ", target))
    })?;
    steps.step("fuzzer: merge the inputs that reach new code", || {
        let mut merge = command(&program);
        // Keeps a minimal set of inputs that covers all reached code, regardless of hit counts.
        merge.args(["-set_cover_merge=1", "-use_counters=0"]).arg(format!("-max_len={LONGEST}"));
        run(merge.arg(&kept).arg(&found).env("OFFHOOK_FUZZ", target))
    })
}

fn names(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut names: Vec<_> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.file_name().into())).collect();
    names.sort();
    Ok(names)
}

/// Returns the target triple of this machine.
fn host() -> Result<String, Failure> {
    let output = command("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure("rustc -vV names no host".to_owned()))
}
