//! Builds the phone page, and runs a relay that serves it.

use crate::steps::Steps;
use crate::tool::{Failure, cargo, command, npm, root, run, shown, target_dir};
use crate::{setup, wasm};
use std::os::unix::process::CommandExt;

/// Builds the phone page from the packed npm package, as with one from the registry.
pub(crate) fn page(steps: &mut Steps) -> Result<(), Failure> {
    wasm::package(steps)?;
    steps.step("phone page: npm packages", || setup::npm_packages("demo-phone"))?;
    steps.step("phone page: bundle", || run(&mut npm("demo-phone", ["run", "--silent", "build"])))
}

/// Builds everything and replaces this process by the relay, which runs until Ctrl-C.
pub(crate) fn demo(arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    page(steps)?;
    steps.step("relay: build", relay)?;
    println!(
        "\nOpen http://localhost:8080/?login=alice&callee=bob in one window and \
         http://localhost:8080/?login=bob&callee=alice in another,\npress Connect in both and Call in one. \
         Ctrl-C ends the relay. (Another address given after `--` goes instead of localhost:8080.)\n"
    );
    let mut relay = command(target_dir().join("debug/offhook-relay"));
    relay.arg("--demo").arg("--page").arg(root().join("demo-phone/dist")).args(arguments);
    let error = relay.exec();
    Err(Failure(format!("{} cannot be started: {error}", shown(&relay))))
}

/// Builds the relay for the demo and the suites, with the dev profile, which compiles faster than the release profile.
pub(crate) fn relay() -> Result<(), Failure> {
    setup::build_tools()?;
    run(&mut cargo(["build", "--package", "offhook-relay"]))
}
