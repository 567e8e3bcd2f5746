//! `bindgen INPUT.wasm OUT_DIR NAME TARGET`: writes `NAME.js`, `NAME.d.ts` and `NAME_bg.wasm` for TARGET, which is `web` (an ES
//! module) or `no-modules` (a script).

use std::error::Error;
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, out_dir, name, target] = &arguments[..] else {
        return Err("usage: bindgen INPUT.wasm OUT_DIR NAME web|no-modules".into());
    };
    let mut bindgen = Bindgen::new();
    match target.as_str() {
        "web" => bindgen.web(true)?,
        "no-modules" => bindgen.no_modules(true)?,
        _ => return Err(format!("expected web or no-modules, got {target}").into()),
    };
    bindgen.omit_default_module_path(true).remove_name_section(true).remove_producers_section(true);
    bindgen.input_path(input).out_name(name).generate(Path::new(out_dir))?;
    Ok(())
}
