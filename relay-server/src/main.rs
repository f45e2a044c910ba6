//! The `offhook-relay` program; see `offhook-relay --help` and `docs/operations.md`.

use clap::Parser;
use offhook_relay::cli::{self, Arguments};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(&Arguments::parse())
}
