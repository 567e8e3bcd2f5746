//! The networks against PyTorch, in f64: every number of every case under `tests/golden/network`, or under
//! `$RESLSTM_GOLDEN_DIR/network`, to 1e-9 scaled error.

use reslstm::audit::case::{BOUND, Case};
use reslstm::params::{Parameters, Path, Role};
use std::path::PathBuf;

#[test]
fn golden_network_cases_are_reproduced() {
    let root = std::env::var_os("RESLSTM_GOLDEN_DIR").map_or("tests/golden".into(), PathBuf::from);
    let dir = root.join("network");
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    assert!(!files.is_empty(), "no case in {}", dir.display());
    let (mut compared, mut worst, mut failures) = (0, 0.0f64, Vec::new());
    for file in &files {
        let case =
            Case::read(&std::fs::read(file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_stem().unwrap().display();
        let (mut learned, mut buffers) = (0, 0);
        case.model().visit(&Path::ROOT, &mut |_, role, _, _| match role {
            Role::Parameter => learned += 1,
            Role::Buffer => buffers += 1,
        });
        let tensors = case.compare();
        println!("{name}: {} tensors", tensors.len());
        // Loss, logits and attention in training, the last two in evaluation, the gradient of the input, the rates of Adam; the
        // gradient of every weight, and the weights after 1, 5 and 20 steps; the running statistics.
        assert_eq!(tensors.len(), 3 + 2 + 1 + 1 + 4 * learned + buffers, "{name} holds every result");
        assert!(case.ignored().is_empty(), "{name}: {:?}", case.ignored());
        for tensor in &tensors {
            assert_eq!(tensor.bound, BOUND, "{name}: {}", tensor.name);
            worst = worst.max(tensor.scaled_error);
            if !tensor.passes() {
                failures.push(format!("{name}: {tensor:?}"));
            }
        }
        compared += tensors.len();
    }
    println!("{} cases, {compared} tensors, largest scaled error {worst:.1e}", files.len());
    assert!(failures.is_empty(), "{} of {compared} tensors differ:\n{}", failures.len(), failures.join("\n"));
}
