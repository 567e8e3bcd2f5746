//! The seeds of the fuzz target of this library go through the same function as in `fuzz/`.

// The name that the target gives the library.
extern crate reslstm as c_interface;

#[path = "../../../fuzz/src/c.rs"]
mod target;

#[test]
fn every_seed_gives_a_status() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/c");
    let mut seeds = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        target::c(&bytes);
        for part in 0..64 {
            let mut damaged = bytes.clone();
            let at = bytes.len() * part / 64;
            damaged[at] ^= 1 << (part % 8);
            target::c(&damaged[..bytes.len() - part]);
        }
        seeds += 1;
    }
    assert!(seeds > 0);
}
