//! `cargo xtask check`: the checks that every commit must pass.

use crate::steps::Steps;
use crate::tool::{Failure, cargo, command, output, root, run};
use crate::{language, names, setup, size, standards, wasm};

const LONGEST_FILE: usize = 600;

/// Crates that no package of core may depend on, directly or indirectly.
const SHELL_ONLY: [&str; 9] =
    ["tokio", "mio", "socket2", "axum", "hyper", "web-sys", "js-sys", "wasm-bindgen", "rustls"];

/// The packages of this project that each package may depend on.
const ARROWS: [(&str, &[&str]); 9] = [
    ("offhook-clock", &[]),
    ("offhook-limits", &["offhook-clock"]),
    ("offhook-secret", &[]),
    ("offhook-signaling", &["offhook-clock", "offhook-limits"]),
    ("offhook-sdp", &["offhook-clock", "offhook-secret"]),
    ("offhook-sip", &["offhook-clock", "offhook-limits", "offhook-secret"]),
    ("offhook-media", &["offhook-sdp", "offhook-clock", "offhook-secret"]),
    (
        "offhook-b2bua",
        &[
            "offhook-signaling",
            "offhook-sdp",
            "offhook-sip",
            "offhook-media",
            "offhook-limits",
            "offhook-clock",
            "offhook-secret",
        ],
    ),
    ("offhook-sdk-wasm", &["offhook-signaling", "offhook-limits", "offhook-clock"]),
];

/// Runs format, rules, lints, documentation, package build and size checks.
pub(crate) fn check(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("format", || run(&mut cargo(["fmt", "--all", "--check"])))?;
    rules(steps)?;
    steps.step("lints", || {
        setup::build_tools()?;
        run(&mut cargo(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    steps.step("lints of the SDK in WASM", || {
        run(&mut cargo([
            "clippy",
            "--quiet",
            "--package",
            "offhook-sdk-wasm",
            "--all-targets",
            "--target",
            "wasm32-unknown-unknown",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.step("documentation", || {
        run(cargo(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    wasm::package(steps)?;
    size::measure(steps)
}

/// Checks that need no compilation: dependencies between packages, file lengths, names of types, the table of standards, language.
pub(crate) fn rules(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("purity of core", purity)?;
    steps.step("file lengths", lengths)?;
    steps.step("names of public types", names::check)?;
    steps.step("standards: what the table names exists", standards::check)?;
    steps.step("language", language::words)?;
    steps.step("commit titles", language::titles)
}

fn purity() -> Result<(), Failure> {
    let mut broken = Vec::new();
    for (package, allowed) in ARROWS {
        for used in uses(package)? {
            let is_internal = used.starts_with("offhook-") && used != package;
            if is_internal && !allowed.contains(&used.as_str()) {
                broken.push(format!("{package} depends on {used}: dependencies point inward (docs/architecture.md)"));
            }
            if package != "offhook-sdk-wasm" && SHELL_ONLY.contains(&used.as_str()) {
                broken.push(format!("{package} depends on {used}, which is only allowed in the shells"));
            }
            if package == "offhook-sdk-wasm" && used == "serde_json" {
                broken.push(format!("{package} depends on {used}: the browser parses JSON (docs/decisions/0004)"));
            }
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure(broken.join("\n"))) }
}

/// Returns the names of all dependencies of `package`.
fn uses(package: &str) -> Result<Vec<String>, Failure> {
    let mut tree = cargo(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", package]);
    if package == "offhook-sdk-wasm" {
        tree.args(["--target", "wasm32-unknown-unknown"]);
    }
    let tree = output(&mut tree)?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn lengths() -> Result<(), Failure> {
    let listed = output(command("git").args(["ls-files", "*.rs", "*.ts", "*.js", "*.mjs", "*.css", "*.html"]))?;
    let mut long = Vec::new();
    // npm/api.d.ts is a snapshot of the built declarations.
    let written = |name: &&str| !name.starts_with("tests/fixtures/") && *name != "npm/api.d.ts";
    for name in listed.lines().filter(written) {
        // A deleted file is listed until the deletion is committed.
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{name} has {lines} lines; split it before {LONGEST_FILE}"));
        }
    }
    if long.is_empty() { Ok(()) } else { Err(Failure(long.join("\n"))) }
}
