//! wasm-bindgen's test runner, as `cargo test` calls it: `bindgen-test-runner MODULE.wasm [FILTER…]`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())?;
    Ok(())
}
