//! Puts `memory.x` where the linker looks for it.

fn main() {
    println!("cargo:rustc-link-search={}", std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rerun-if-env-changed=RESLSTM_MODEL");
    println!("cargo:rerun-if-env-changed=RESLSTM_PCM");
    println!("cargo:rerun-if-env-changed=RESLSTM_RATE");
}
