//! The seeds of the fuzz targets, and of every fault that fuzzing found, go through the same functions as in `fuzz/`.

// A module of its own, as it is a part of another package.
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

/// Far more than a file may take, for machines that do other things too.
const FOR_EVER: Duration = Duration::from_secs(20);

#[test]
fn every_seed_is_read_or_refused_and_what_is_read_keeps_its_promises() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for (name, run) in targets::TARGETS {
        assert!(fuzz.join(format!("targets/{name}.rs")).is_file(), "{name} has no target");
        let folder = fuzz.join("seeds").join(name);
        let mut seeds: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} has no seed");
        let mut accepted = 0;
        for seed in &seeds {
            // Printed if the test fails.
            println!("{}", seed.display());
            let start = Instant::now();
            accepted += usize::from(run(&std::fs::read(seed).unwrap()));
            assert!(start.elapsed() < FOR_EVER, "{}: {:?}", seed.display(), start.elapsed());
        }
        // The others showed faults, or are of kinds that are refused.
        assert!(2 * accepted >= seeds.len(), "{name}: {accepted} of {} seeds are accepted", seeds.len());
    }
}

/// Also for seeds that have been cut off, or have one wrong bit.
#[test]
fn damaged_seeds_are_refused_or_read() {
    for (name, run) in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
        let seed = std::fs::read(folder.read_dir().unwrap().next().unwrap().unwrap().path()).unwrap();
        println!("{name}");
        for part in 0..=16 {
            run(&seed[..seed.len() * part / 16]);
        }
        for part in 0..64 {
            let mut damaged = seed.clone();
            let at = seed.len() * part / 64;
            damaged[at] ^= 1 << (part % 8);
            run(&damaged);
        }
    }
}

/// Writes checkpoints of the target's training, before and after each epoch, without their checksums.
#[test]
#[ignore = "writes seeds: fuzz/make-seeds runs it"]
fn make_checkpoints() {
    use reslstm::train::{Training, checkpoint};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/checkpoint");
    let (identity, task) = &*targets::model::TRAINING;
    let mut training = Training::new(&identity.settings, task, identity.seed());
    loop {
        let bytes = without_checksum(&checkpoint::to_bytes(identity, training.state()));
        std::fs::write(folder.join(format!("epoch{}", training.epochs_done())), bytes).unwrap();
        if training.is_finished() {
            break;
        }
        training.epoch(&|| 0.0).unwrap();
    }
}

/// The header ends with a line of its checksum, which files of the first version do not have.
fn without_checksum(file: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let (header, tensors) = file[8..].split_at(length);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let text = header["__metadata__"]["training"].as_str().unwrap().rsplit_once('\n').unwrap().0.to_string();
    header["__metadata__"]["training"] = text.into();
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), tensors].concat()
}
