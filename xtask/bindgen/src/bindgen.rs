//! `bindgen IN.wasm OUT_DIR`: writes the JavaScript glue, its types and the module for `<script type="module">`.

use std::error::Error;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(out_dir)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bindgen IN.wasm OUT_DIR".into());
    };
    Bindgen::new()
        .input_path(input)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out_dir)?;
    Ok(())
}
