//! Puts the model, the profile and the memory map where compiler and linker find them.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let copy = |variable: &str, file: &str| {
        println!("cargo:rerun-if-env-changed={variable}");
        let bytes = env::var_os(variable).map(|path| {
            println!("cargo:rerun-if-changed={}", path.display());
            fs::read(&path).unwrap_or_else(|error| panic!("{variable}: {}: {error}", path.display()))
        });
        let given = bytes.is_some();
        fs::write(out.join(file), bytes.unwrap_or_default()).expect("OUT_DIR can be written");
        given
    };
    assert!(copy("RESLSTM_MODEL", "model.safetensors"), "RESLSTM_MODEL: expected the path of a model file");
    copy("RESLSTM_PROFILE", "profile.json");
    fs::copy("memory.x", out.join("memory.x")).expect("OUT_DIR can be written");
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg=-Tlink.x");
}
