//! `bindgen IN.wasm OUT_DIR`: writes the JavaScript glue, its types and the module for `<script type="module">`.

use std::error::Error;
use std::path::Path;
use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(out_dir)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bindgen IN.wasm OUT_DIR".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(input).web(true)?.typescript(true).remove_name_section(true).remove_producers_section(true);
    // Every browser with WebAssembly reference types, which the module uses, has `encodeInto`.
    bindgen.encode_into(EncodeInto::Always);
    let glue = Path::new(&out_dir).join(format!("{}.js", bindgen.stem()?));
    let mut output = bindgen.generate_output()?;
    let mut renamed = Vec::new();
    for (number, import) in output.wasm_mut().imports.iter_mut().enumerate() {
        let short = format!("i{number}");
        renamed.push((std::mem::replace(&mut import.name, short.clone()), short));
    }
    output.emit(&out_dir)?;
    let script = std::fs::read_to_string(&glue)?;
    Ok(std::fs::write(&glue, shorten(script, &renamed)?)?)
}

/// Gives the imports their short names in the glue, too: the long ones end in hashes, which do not compress.
fn shorten(mut script: String, renamed: &[(String, String)]) -> Result<String, Box<dyn Error>> {
    for (long, short) in renamed {
        let key = format!("        {long}: ");
        if script.matches(&key).count() != 1 {
            return Err(format!("the glue does not have the import {long} once").into());
        }
        script = script.replace(&key, &format!("        {short}: "));
    }
    Ok(script)
}
