//! Project tasks, run as `cargo xtask TASK`. A task is a list of named steps and ends with the first failure.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints to its terminal")]

mod browser;
mod check;
mod demo;
mod fuzz;
mod image;
mod language;
mod names;
mod setup;
mod size;
mod standards;
mod steps;
mod suites;
mod tool;
mod wasm;

use std::process::ExitCode;
use steps::Steps;
use tool::Failure;

const USAGE: &str = "\
usage: cargo xtask TASK [-- ARGUMENTS]

  setup [--build]  install missing tools: WASM target, npm packages and (without --build) browsers
                   and the SIP servers and phones of the suites
  demo [-- ARGS]   build everything and start a relay that accepts any login, with the phone page
  check            format, lints, purity of core, documentation, size, file lengths
  test             everything: unit, packaging, WASM, conformance and browser suites
  unit             the Rust unit tests only
  sim [-- RUNS]    the simulations of SIP on a lossy network, 10,000 runs each by default, and 200 with media
  wasm             the SDK as a WASM module with its bindings, in npm/pkg
  npm              wasm, then the npm package: npm/offhook-VERSION.tgz
  phone            npm, then the phone page: demo-phone/dist
  image [-- TAG]   the container image, with Podman, Docker or buildah; docs/container.md
  wasm-test        the suites of sdk-wasm in headless Chromium and Firefox
  conformance      the suites of tests/ against the real relay
  attack           floods against the real relay, with measurements; less than three minutes
  browser [-- F…]  the browser suites, or the files F of them
  bench [-- ARGS]  the benchmarks
  fuzz [-- T [S]]  libFuzzer on target T for S seconds; new inputs are added to tests/fuzz/corpus
  size             the download size of the SDK, and its limit
  standards        docs/standards.md from docs/standards.toml
";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        print!("{USAGE}");
        return ExitCode::FAILURE;
    }
    let task = arguments.remove(0);
    let passed_on: Vec<String> = arguments.into_iter().filter(|argument| argument != "--").collect();
    let mut steps = Steps::default();
    let outcome = run(&task, &passed_on, &mut steps);
    if let Err(failure) = &outcome {
        eprintln!("\n{failure}");
    }
    steps.summarize(&task);
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(task: &str, arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    match task {
        "setup" if arguments.iter().any(|argument| argument == "--build") => setup::for_building(steps),
        "setup" => setup::for_testing(steps),
        "demo" => demo::demo(arguments, steps),
        "check" => check::check(steps),
        "test" => suites::all(steps),
        "unit" => suites::unit(steps),
        "sim" => suites::simulation(arguments, steps),
        "wasm" => wasm::module(steps),
        "npm" => wasm::package(steps),
        "phone" => demo::page(steps),
        "image" => image::image(arguments, steps),
        "wasm-test" => suites::in_wasm(steps),
        "conformance" => suites::conformance(steps),
        "attack" => suites::attack(steps),
        "browser" => suites::browser(arguments, steps),
        "bench" => suites::bench(arguments, steps),
        "fuzz" => fuzz::fuzz(arguments, steps),
        "size" => size::size(steps),
        "standards" => steps.step("docs/standards.md", standards::write),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure(format!("there is no task `{task}`\n\n{USAGE}"))),
    }
}
