//! libFuzzer on the target in `OFFHOOK_FUZZ`. See `cargo xtask fuzz`.
#![no_main]

mod calls;
mod descriptions;
mod media;
mod relay;
mod script;
mod sip_messages;
mod sip_values;
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn target() -> fn(&[u8]) {
    let name = std::env::var("OFFHOOK_FUZZ").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("OFFHOOK_FUZZ names no target: {name:?}")).1
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(target)(data));
