//! The networks against PyTorch, in f64: every number of every case under `tests/golden/network`, or under
//! `$RESLSTM_GOLDEN_DIR/network`, to 1e-9 scaled error.

use reslstm::audit::scaled_error;
use reslstm::data::batch::{Batch, Example};
use reslstm::layers::softmax_cross_entropy as cross_entropy;
use reslstm::matrix::Matrix;
use reslstm::models::{Architecture, Family, Model, Tape};
use reslstm::optim::{Adam, CosineWarmRestarts};
use reslstm::packed::Padding;
use reslstm::params::{Parameters, Path, Role};
use safetensors::{Dtype, SafeTensors};
use std::path::PathBuf;

/// Both sides compute in f64, in different orders: rounding is some 1e-14, and twenty Adam steps amplify it.
const TOLERANCE: f64 = 1e-9;

struct Golden<'a>(SafeTensors<'a>);

impl Golden<'_> {
    fn shape(&self, key: &str) -> Vec<usize> {
        self.0.tensor(key).unwrap_or_else(|e| panic!("{key}: {e}")).shape().to_vec()
    }
    fn f64s(&self, key: &str) -> Vec<f64> {
        let tensor = self.0.tensor(key).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(tensor.dtype(), Dtype::F64, "{key}");
        tensor.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
    }
    fn usizes(&self, key: &str) -> Vec<usize> {
        let tensor = self.0.tensor(key).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(tensor.dtype(), Dtype::I64, "{key}");
        tensor.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as usize).collect()
    }
}

/// Collects what disagrees, so that a failure names the first wrong quantity and says how many follow.
#[derive(Default)]
struct Check {
    compared: usize,
    worst: f64,
    failures: Vec<String>,
}

impl Check {
    fn equal(&mut self, case: &str, key: &str, got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len(), "{case}: {key}");
        let (index, error) = scaled_error(got, expected);
        self.compared += 1;
        self.worst = self.worst.max(error);
        if error > TOLERANCE {
            self.failures.push(format!(
                "{case}: {key}[{index}]: got {}, PyTorch {} (scaled error {error:.1e})",
                got[index], expected[index]
            ));
        }
    }
}

#[test]
fn golden_network_cases_are_reproduced() {
    let root = std::env::var_os("RESLSTM_GOLDEN_DIR").map_or("tests/golden".into(), PathBuf::from);
    let dir = root.join("network");
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    assert!(!files.is_empty(), "no case in {}", dir.display());
    let mut check = Check::default();
    for file in &files {
        let before = check.compared;
        reproduce(file, &mut check);
        println!("{}: {} tensors", file.file_name().unwrap().display(), check.compared - before);
    }
    println!("{} cases, {} tensors, largest scaled error {:.1e}", files.len(), check.compared, check.worst);
    assert!(
        check.failures.is_empty(),
        "{} of {} tensors differ:\n{}",
        check.failures.len(),
        check.compared,
        check.failures.join("\n")
    );
}

fn reproduce(file: &std::path::Path, check: &mut Check) {
    let bytes = std::fs::read(file).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().expect("the case says what it is");
    let golden = Golden(SafeTensors::deserialize(&bytes).unwrap());
    let case = &file.file_stem().unwrap().display().to_string();

    let family = match metadata["arch"].as_str() {
        "lstm-sa" => Family::LstmSa,
        "reslstm-sa" => Family::ResLstmSa,
        other => panic!("{case}: unknown arch {other}"),
    };
    let padding = match metadata["padding"].as_str() {
        "ignored" => Padding::Ignored,
        "counted" => Padding::Counted,
        other => panic!("{case}: unknown padding {other}"),
    };
    let vectors = metadata.get("vectors").map_or(1, |v| v.parse().unwrap());
    let architecture = Architecture::new(family, metadata["hidden"].parse().unwrap(), vectors).unwrap();

    let [clips, steps, inputs] = golden.shape("in.x")[..] else { panic!("{case}: in.x is [N,T,D]") };
    let classes = golden.shape("out.logits")[1];
    let (x, lengths, labels) = (golden.f64s("in.x"), golden.usizes("in.lengths"), golden.usizes("in.labels"));
    let examples: Vec<Example<f64>> = (0..clips)
        .map(|n| {
            let frames = x[n * steps * inputs..][..lengths[n] * inputs].to_vec();
            Example { frames: Matrix::from_vec(lengths[n], inputs, frames), label: labels[n] }
        })
        .collect();
    let mut batch = Batch::default();
    batch.fill(&examples, &(0..clips).collect::<Vec<_>>(), padding);

    let mut model = Model::<f64>::zeros(architecture, inputs, classes);
    model.visit_mut(&Path::ROOT, &mut |path, _, shape, values| {
        let key = format!("param.{path}");
        assert_eq!(golden.shape(&key), shape, "{case}: {key}");
        values.copy_from_slice(&golden.f64s(&key));
    });
    // Logits and attention of our packed order, back in the golden's.
    let logits = |batch: &Batch<f64>, tape: &Tape<f64>| {
        let mut logits = Matrix::zeros(clips, classes);
        for (n, &clip) in batch.order.iter().enumerate() {
            logits.row_mut(clip).copy_from_slice(tape.top.logits.row(n));
        }
        logits.as_slice().to_vec()
    };
    let real_frames = |batch: &Batch<f64>, of: &dyn Fn(usize, &mut Vec<f64>)| {
        let mut values = Vec::new();
        for (clip, &length) in lengths.iter().enumerate() {
            let n = batch.order.iter().position(|&c| c == clip).unwrap();
            (0..length).for_each(|t| of(batch.layout.row(t, n), &mut values));
        }
        values
    };
    let golden_frames = |key: &str, width: usize| {
        let all = golden.f64s(key);
        let clip = |n: usize| all[n * steps * width..][..lengths[n] * width].to_vec();
        (0..clips).flat_map(clip).collect::<Vec<_>>()
    };

    let mut tape = Tape::default();
    model.forward_eval(&batch.layout, &batch.x, &mut tape);
    check.equal(case, "eval.logits", &logits(&batch, &tape), &golden.f64s("eval.logits"));
    let attention = real_frames(&batch, &|row, out| out.push(tape.top.attention.alpha[row]));
    check.equal(case, "eval.attention", &attention, &golden_frames("eval.attention", 1));

    // Training: scratch is reused from step to step, and begins filled with NaN.
    let mut tape = Tape::default();
    let (mut p, mut dlogits) = (Matrix::default(), Matrix::default());
    let mut dx = Matrix::from_vec(1, 1, vec![f64::NAN]);
    tape.top.mask = Matrix::from_vec(clips, architecture.hidden(), vec![1.0; clips * architecture.hidden()]);
    let mut grads = Model::zeros(architecture, inputs, classes);
    let mut adam = Adam::new(model.parameter_count(), 1e-2);
    let schedule = CosineWarmRestarts { lr: 1e-2, eta_min: 1e-4, t0: 3, t_mult: 2 };
    let rates: Vec<f64> = (0..20).map(|step| schedule.rate(step)).collect();
    check.equal(case, "adam.lr", &rates, &golden.f64s("adam.lr"));
    for step in 1..=20 {
        model.forward_train(&batch.layout, &batch.x, &mut tape);
        let loss = cross_entropy::forward(&tape.top.logits, &batch.labels, &mut p);
        cross_entropy::backward(&p, &batch.labels, &mut dlogits);
        grads.set_zero();
        model.backward(&batch.layout, &batch.x, &mut tape, &dlogits, &mut grads, Some(&mut dx));
        if step == 1 {
            check.equal(case, "out.loss", &[loss], &golden.f64s("out.loss"));
            check.equal(case, "out.logits", &logits(&batch, &tape), &golden.f64s("out.logits"));
            let attention = real_frames(&batch, &|row, out| out.push(tape.top.attention.alpha[row]));
            check.equal(case, "out.attention", &attention, &golden_frames("out.attention", 1));
            let dx = real_frames(&batch, &|row, out| out.extend_from_slice(dx.row(row)));
            check.equal(case, "grad.in.x", &dx, &golden_frames("grad.in.x", inputs));
            compare_tensors(case, "grad", &golden, &grads, Role::Parameter, check);
            let mut after = model.clone();
            after.update_running(&tape);
            compare_tensors(case, "after", &golden, &after, Role::Buffer, check);
        }
        model.update_running(&tape);
        adam.step(&mut model, &grads, rates[step - 1]);
        if [1, 5, 20].contains(&step) {
            compare_tensors(case, &format!("adam.{step}"), &golden, &model, Role::Parameter, check);
        }
    }
}

fn compare_tensors(case: &str, prefix: &str, golden: &Golden<'_>, model: &Model<f64>, wanted: Role, check: &mut Check) {
    model.visit(&Path::ROOT, &mut |path, role, _, values| {
        if role == wanted {
            let key = format!("{prefix}.{path}");
            check.equal(case, &key, values, &golden.f64s(&key));
        }
    });
}
