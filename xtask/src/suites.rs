//! Runs the test suites and the benchmarks.

use crate::steps::Steps;
use crate::tool::{Failure, cargo, command, npm, root, run, target_dir};
use crate::{check, demo, setup, size};

/// Runs all test suites.
pub(crate) fn all(steps: &mut Steps) -> Result<(), Failure> {
    setup::for_testing(steps)?;
    check::rules(steps)?;
    unit(steps)?;
    simulation(&["4000".to_owned()], steps)?;
    demo::page(steps)?;
    steps.step("relay: build", demo::relay)?;
    size::measure(steps)?;
    packaging(steps)?;
    wasm_suites(steps)?;
    conformance_suites(steps)?;
    floods(steps)?;
    browser_suites(&[], steps)
}

/// Runs the Rust unit tests.
pub(crate) fn unit(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("unit tests", || {
        setup::build_tools()?;
        run(&mut cargo([
            "test",
            "--workspace",
            "--exclude",
            "offhook-tests",
            "--exclude",
            "xtask-bindgen",
            "--no-fail-fast",
        ]))
    })
}

/// Runs the simulations of SIP user agents on a lossy network, and of a relay with a SIP server, compiled with optimization;
/// then that of a relay with browsers, phones, a SIP server and media workers.
/// A failing seed is printed; with `OFFHOOK_SIM_SEED`, the unit test `replay` of the user agents runs only that seed and
/// prints its events.
pub(crate) fn simulation(arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    let runs = arguments.first().map_or("10000", String::as_str);
    steps.step(&format!("simulation: {runs} runs each"), || {
        let mut test = cargo(["test", "--package", "offhook-sip", "--package", "offhook-b2bua", "--lib"]);
        // Only these two crates are compiled again, in addition to their unoptimized builds.
        for optimised in ["offhook-sip", "offhook-b2bua"] {
            test.arg("--config").arg(format!("profile.dev.package.{optimised}.opt-level=2"));
        }
        run(test.args(["simulation::", "--", "--nocapture"]).env("OFFHOOK_SIM_RUNS", runs))
    })?;
    // A run with media and DTLS takes about fifty times as long.
    let runs = (runs.parse().unwrap_or(10_000_u32) / 50).max(1).to_string();
    steps.step(&format!("simulation with media: {runs} runs"), || {
        let mut test = cargo(["test", "--package", "offhook-tests", "--test", "sim", "media_flow", "--"]);
        run(test.arg("--nocapture").env("OFFHOOK_SIM_RUNS", runs))
    })
}

/// Runs the suites of sdk-wasm in browsers.
pub(crate) fn in_wasm(steps: &mut Steps) -> Result<(), Failure> {
    setup::for_testing(steps)?;
    steps.step("relay: build", demo::relay)?;
    wasm_suites(steps)
}

/// Runs the conformance suites: the real relay with third-party software.
pub(crate) fn conformance(steps: &mut Steps) -> Result<(), Failure> {
    setup::for_testing(steps)?;
    demo::page(steps)?;
    steps.step("relay: build", demo::relay)?;
    conformance_suites(steps)
}

/// Runs the flood suite against the real relay, with concurrent calls and logins.
pub(crate) fn attack(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("relay: build", demo::relay)?;
    floods(steps)
}

/// Runs the browser suites with the packed package, or only those in `files`.
pub(crate) fn browser(files: &[String], steps: &mut Steps) -> Result<(), Failure> {
    setup::for_testing(steps)?;
    demo::page(steps)?;
    steps.step("relay: build", demo::relay)?;
    browser_suites(files, steps)
}

/// Runs the benchmarks.
pub(crate) fn bench(arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    if !root().join("tests/bench").is_dir() {
        return Err(Failure("tests/bench is missing".to_owned()));
    }
    let run_it =
        |steps: &mut Steps| steps.step("benchmarks", || run(command(root().join("tests/bench/run")).args(arguments)));
    // These benchmarks use neither the relay nor the page.
    if arguments.first().is_some_and(|what| matches!(what.as_str(), "parser" | "media" | "audio")) {
        return run_it(steps);
    }
    setup::for_testing(steps)?;
    demo::page(steps)?;
    steps.step("relay: build for speed", || run(&mut cargo(["build", "--release", "--package", "offhook-relay"])))?;
    run_it(steps)
}

fn packaging(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("packaging tests", || run(&mut npm("npm", ["test", "--silent"])))
}

fn wasm_suites(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("WASM suites: runner", || {
        run(&mut cargo(["build", "--quiet", "--package", "xtask-bindgen", "--features", "runner"]))
    })?;
    // Compiled here, where crates can be fetched; the browsers run in a network namespace without outside access.
    steps.step("WASM suites: build", || run(wasm_test(&mut cargo(["test", "--no-run"]))))?;
    steps.step("WASM suites: Chromium", || in_browser("CHROMEDRIVER", "chromedriver".as_ref()))?;
    let geckodriver = setup::geckodriver()?;
    steps.step("WASM suites: Firefox", || in_browser("GECKODRIVER", geckodriver.as_os_str()))
}

fn wasm_test(test: &mut std::process::Command) -> &mut std::process::Command {
    test.args(["--package", "offhook-sdk-wasm", "--target", "wasm32-unknown-unknown"])
}

/// Runs the suites in one browser. `driver` is the environment variable with the driver's path for wasm-bindgen's runner.
fn in_browser(driver: &str, program: &std::ffi::OsStr) -> Result<(), Failure> {
    let bin = root().join("tests/browser/bin");
    let mut test = command(bin.join("with-net"));
    test.args([bin.join("with-pulse"), bin.join("with-relay")]);
    test.arg(cargo([]).get_program()).args(["test", "--offline"]);
    wasm_test(&mut test).env("OFFHOOK_RELAY", target_dir().join("debug/offhook-relay"));
    for other in ["CHROMEDRIVER", "GECKODRIVER", "SAFARIDRIVER"] {
        test.env_remove(other);
    }
    test.env(driver, program)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", target_dir().join("debug/bindgen-test-runner"))
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", root().join("xtask/webdriver.json"))
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "30");
    run(&mut test)
}

fn conformance_suites(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("conformance suites", || run(&mut cargo(["test", "--package", "offhook-tests", "--no-fail-fast"])))
}

/// Runs the flood suite. It is a separate step, because it loads all cores and must not run concurrently with others.
fn floods(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("floods", || run(&mut cargo(["test", "--quiet", "--package", "offhook-tests", "--test", "attack"])))
}

fn browser_suites(files: &[String], steps: &mut Steps) -> Result<(), Failure> {
    // The suites install the packed package, which must be built first.
    steps.step("browser suites: npm packages", || setup::npm_packages("tests/browser"))?;
    steps.step("browser suites", || crate::browser::suites(files))
}
