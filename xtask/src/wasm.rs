//! Builds the SDK: WASM module, JavaScript bindings and npm package.

use crate::setup;
use crate::steps::Steps;
use crate::tool::{Failure, cargo, command, fingerprint, npm, root, run, target_dir};
use std::path::{Path, PathBuf};

/// Returns the path of the packed npm package.
pub(crate) fn tarball() -> PathBuf {
    root().join(concat!("npm/offhook-", env!("CARGO_PKG_VERSION"), ".tgz"))
}

/// Compiles the SDK and writes module, bindings and types to `npm/pkg`.
pub(crate) fn module(steps: &mut Steps) -> Result<(), Failure> {
    setup::for_building(steps)?;
    compile(steps)
}

/// Builds the module and then `npm/offhook-VERSION.tgz`.
pub(crate) fn package(steps: &mut Steps) -> Result<(), Failure> {
    module(steps)?;
    steps.step("npm: build", || run(&mut npm("npm", ["run", "--silent", "build"])))?;
    steps.step("npm: pack", pack)
}

fn compile(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("WASM: compile", || {
        run(&mut cargo([
            "build",
            "--profile",
            "wasm",
            "--package",
            "offhook-sdk-wasm",
            "--target",
            "wasm32-unknown-unknown",
        ]))
    })?;
    let compiled = target_dir().join("wasm32-unknown-unknown/wasm/offhook_sdk_wasm.wasm");
    let out_dir = root().join("npm/pkg");
    let stamp = target_dir().join("wasm-packed");
    let tools = ["xtask/bindgen/Cargo.toml", "xtask/bindgen/src/bindgen.rs", "xtask/src/wasm.rs"];
    let tools = tools.map(|file| root().join(file));
    let now = fingerprint(core::iter::once(compiled.as_path()).chain(tools.iter().map(PathBuf::as_path)));
    let optimized = out_dir.join("offhook_sdk_wasm_bg.wasm");
    if optimized.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|then| then == now) {
        return Ok(());
    }
    steps.step("WASM: bindgen", || {
        let mut bindgen = cargo(["run", "--quiet", "--package", "xtask-bindgen", "--bin", "bindgen", "--"]);
        run(bindgen.arg(&compiled).arg(&out_dir))
    })?;
    steps.step("WASM: optimize", || optimize(&optimized))?;
    Ok(std::fs::write(stamp, now)?)
}

fn optimize(module: &Path) -> Result<(), Failure> {
    let mut wasm_opt = command(root().join("npm/node_modules/.bin/wasm-opt"));
    wasm_opt.args(["-Oz", "--converge", "--strip-debug", "--strip-producers"]);
    run(wasm_opt.arg(module).arg("-o").arg(module))
}

fn pack() -> Result<(), Failure> {
    run(&mut npm("npm", ["pack", "--silent"]))?;
    let tarball = tarball();
    if tarball.is_file() { Ok(()) } else { Err(Failure(format!("npm pack did not create {}", tarball.display()))) }
}
