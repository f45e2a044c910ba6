//! Measures the download size of the SDK.

use crate::steps::Steps;
use crate::tool::{Failure, command, output, root};
use crate::wasm;

/// A script that prints one line of `raw gzip brotli` sizes for each file.
const MEASURE: &str = "\
const z = require('zlib');
for (const file of process.argv.slice(1)) {
  const raw = require('fs').readFileSync(file);
  const brotli = z.brotliCompressSync(raw, { params: { [z.constants.BROTLI_PARAM_SIZE_HINT]: raw.length } });
  console.log(raw.length, z.gzipSync(raw, { level: 9 }).length, brotli.length);
}";

/// An entry point of the package: the files that a web page downloads, and their size limit.
struct Delivery {
    name: &'static str,
    files: &'static [&'static str],
    /// Maximum size after brotli compression in octets, slightly above the current size, so that growth is noticed.
    limit: u64,
}

const DELIVERIES: [Delivery; 3] = [
    Delivery { name: "offhook", files: &["npm/dist/index.js"], limit: 53_000 },
    Delivery { name: "offhook/slim", files: &["npm/dist/offhook.js", "npm/dist/offhook_bg.wasm"], limit: 50_000 },
    Delivery { name: "classic script", files: &["npm/dist/flashphoner.js"], limit: 53_000 },
];

/// Builds the package and measures it.
pub(crate) fn size(steps: &mut Steps) -> Result<(), Failure> {
    wasm::package(steps)?;
    measure(steps)
}

/// Measures the package that was built last.
pub(crate) fn measure(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("size", || {
        println!("{:<38}{:>10}{:>10}{:>10}", "octets", "minified", "gzip", "brotli");
        let mut over = Vec::new();
        for Delivery { name, files, limit } in DELIVERIES {
            let mut total = [0; 3];
            for file in files {
                let sizes = sizes(file)?;
                print_row(&format!("  {file}"), sizes);
                total.iter_mut().zip(sizes).for_each(|(sum, size)| *sum += size);
            }
            print_row(name, total);
            let [_, _, brotli] = total;
            if brotli > limit {
                over.push(format!("{name}: {brotli} octets after brotli, the limit is {limit}"));
            }
        }
        if over.is_empty() { Ok(()) } else { Err(Failure(over.join("\n"))) }
    })
}

fn sizes(file: &str) -> Result<[u64; 3], Failure> {
    let path = root().join(file);
    if !path.is_file() {
        return Err(Failure(format!("{file} is missing: run `cargo xtask npm`")));
    }
    let line = output(command("node").args(["-e", MEASURE]).arg(path))?;
    let mut sizes = line.split_whitespace().map(str::parse);
    let mut next =
        || sizes.next().and_then(Result::ok).ok_or_else(|| Failure(format!("cannot measure {file}: {line}")));
    Ok([next()?, next()?, next()?])
}

fn print_row(name: &str, [raw, gzip, brotli]: [u64; 3]) {
    println!("{name:<38}{raw:>10}{gzip:>10}{brotli:>10}");
}
