use super::*;
use crate::audit::faults::{Fault, Planted};
use crate::audit::in_order;
use crate::audit::plain::network::{Faulty, PlainAdam, top};
use crate::layers::dropout;
use crate::params::Path;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// Random weights; clips in an order that is not that of their lengths; five steps of Adam.
fn case(name: &str, inputs: usize, classes: usize, padding: Padding) -> Case {
    let architecture: Architecture = name.parse().unwrap();
    let lengths = [3, 6, 2, 5];
    let subject = ModelSubject::new(architecture, Packed::new(&[6, 5, 3, 2], Padding::Ignored), inputs, classes, 0.0);
    let model = random_point(&subject, 3).layer;
    let mut stream = RandomStream::new(4, "clips", 0);
    let clips: Vec<Example<f64>> = lengths
        .iter()
        .enumerate()
        .map(|(n, &frames)| {
            let x = (0..frames * inputs).map(|_| stream.normal()).collect();
            Example { frames: Matrix::from_vec(frames, inputs, x), label: n % classes }
        })
        .collect();
    let Case { model, padding, form, batch, .. } = Case::new(model, &clips, padding).unwrap();
    let adam = AdamRun { rates: vec![0.02; 5], weight_decay: 0.05, snapshots: vec![1, 5], scheduled: false };
    Case::from_parts(model, padding, form, batch, Some(adam))
}

/// What a program with this fault would have computed for a case.
fn with_fault(case: &Case, planted: &Planted, mask: Option<&Matrix<f64>>) -> Case {
    let mut tensors = 0;
    case.model.visit(&Path::ROOT, &mut |_, _, _, _| tensors += 1);
    let mut adam = PlainAdam::new(&case.model, case.weight_decay(), planted.fault, vec![true; tensors]);
    let faulty = Faulty { planted, padding: case.padding, mask };
    let mut pass = |model: &_, mode| faulty.pass(model, &case.batch, mode);
    let mut theirs = case.single_pass(&mut pass);
    theirs.extend(case.adam_steps(&mut pass, |model, grads, rate| adam.step(model, grads, rate)));
    let theirs = theirs.into_iter().map(|tensor| (tensor.name, Theirs { values: tensor.values, single: false }));
    Case { theirs: theirs.collect(), ..case.clone() }
}

/// Inputs as wide as the hidden layer and as many classes, so that every weight can be transposed.
fn square_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for padding in [Padding::Ignored, Padding::Counted] {
        for name in ["lstm-sa-h4", "reslstm-sa-h4-2vectors", "reslstm-sa-h4"] {
            cases.push(case(name, 4, 4, padding));
        }
    }
    cases
}

#[test]
fn the_plain_network_without_a_fault_is_the_engines() {
    for case in square_cases() {
        for row in with_fault(&case, &Planted::NOWHERE, None).compare() {
            assert!(row.scaled_error < 1e-11, "{row:?}");
        }
    }
}

#[test]
fn every_fault_that_changes_a_result_is_named() {
    let mut named: Vec<Planted> = Vec::new();
    for case in square_cases() {
        for planted in Planted::all(case.model.architecture()) {
            let faulty = with_fault(&case, &planted, None);
            let wrong = faulty.compare().iter().filter(|row| !row.passes()).count();
            let diagnosis = faulty.diagnose(&faulty.compare(), in_order);
            if wrong == 0 {
                assert_eq!(diagnosis, Diagnosis::default(), "{planted}");
                continue;
            }
            let [explanation] = &diagnosis.explanations[..] else { panic!("{planted}: {diagnosis:?}") };
            assert!(explanation.faults.contains(&planted), "{planted}: {diagnosis:?}");
            assert_eq!(explanation.tensors.len(), wrong, "{planted}: {diagnosis:?}");
            assert!(explanation.faults.len() <= 3, "{planted}: {diagnosis:?}");
            named.push(planted);
        }
    }
    for family in ["lstm-sa-h4", "reslstm-sa-h4"] {
        for planted in Planted::all(family.parse().unwrap()) {
            assert!(named.contains(&planted), "{family}: {planted} changes nothing in any case");
        }
    }
}

#[test]
fn dropout_is_recognised_by_its_mask_with_its_probability() {
    // By clip, where subsets of the features are few; by feature, where those of the clips are.
    let left_on = Fault::DropoutLeftOn;
    for (name, fault) in [
        ("lstm-sa-h5", left_on),
        ("reslstm-sa-h5-2vectors", left_on),
        ("lstm-sa-h20", left_on),
        ("lstm-sa-h5", Fault::MaskNotScaled),
    ] {
        let case = case(name, 3, 3, Padding::Counted);
        let mut mask = Matrix::default();
        let mut stream = RandomStream::new(1, "dropout", 0);
        dropout::draw_mask(0.4, case.clips(), case.model.architecture().hidden(), &mut stream, &mut mask);
        let planted = Planted::new(fault, "");
        let faulty = with_fault(&case, &planted, Some(&mask));
        let wrong = faulty.compare().iter().filter(|row| !row.passes()).count();
        let diagnosis = faulty.diagnose(&faulty.compare(), in_order);
        let [explanation] = &diagnosis.explanations[..] else { panic!("{name}: {diagnosis:?}") };
        assert_eq!((&explanation.faults, explanation.tensors.len()), (&vec![planted], wrong), "{name}");
        approx::assert_abs_diff_eq!(explanation.dropout.unwrap(), 0.4, epsilon = 1e-9);
    }
}

#[test]
fn a_weight_without_a_gradient_is_not_decayed_as_in_pytorch() {
    let case = case("lstm-sa-h4", 3, 3, Padding::Ignored);
    let planted = Planted::new(Fault::AttentionDetached, "");
    let mut faulty = with_fault(&case, &planted, None);
    let start = Theirs { values: top(&case.model).attention.vector.as_slice().to_vec(), single: false };
    faulty.theirs.retain(|key, _| !key.starts_with("adam.5.") && key != "grad.attention_vector");
    faulty.theirs.insert("adam.1.attention_vector".into(), start);
    let diagnosis = faulty.diagnose(&faulty.compare(), in_order);
    assert_eq!((&diagnosis.explanations[0].faults, diagnosis.unexplained.len()), (&vec![planted], 0), "{diagnosis:?}");
    assert!(diagnosis.explanations[0].tensors.contains(&"adam.1.attention_vector".to_string()));
}

#[test]
fn independent_faults_are_named_one_after_the_other_and_what_is_left_is_said() {
    let case = case("reslstm-sa-h4", 3, 3, Padding::Ignored);
    let mut faulty = with_fault(&case, &Planted::new(Fault::AttentionDetached, ""), None);
    let variance = with_fault(&case, &Planted::new(Fault::BiasedRunningVariance, "bn"), None);
    let key = "after.bn.running_var";
    faulty.theirs.insert(key.into(), variance.theirs[key].clone());
    faulty.theirs.get_mut("eval.grad.fc.bias").unwrap().values[1] *= 1.001;
    let diagnosis = faulty.diagnose(&faulty.compare(), in_order);
    let faults: Vec<Fault> = diagnosis.explanations.iter().map(|it| it.faults[0].fault).collect();
    assert_eq!(faults, [Fault::AttentionDetached, Fault::BiasedRunningVariance], "{diagnosis:?}");
    assert_eq!(diagnosis.explanations[1].tensors, [key]);
    assert_eq!(diagnosis.unexplained, ["eval.grad.fc.bias"]);
}

#[test]
fn a_written_case_is_read_back_and_passes() {
    for padding in [Padding::Ignored, Padding::Counted] {
        for form in [Form::Padded { steps: 6 }, Form::Packed] {
            let Case { model, padding, batch, adam, .. } = case("reslstm-sa-h3-2vectors", 4, 3, padding);
            let written = Case::from_parts(model, padding, form, batch, adam);
            let read = Case::read(&written.to_bytes()).unwrap();
            assert!(read.ignored().is_empty(), "{:?}", read.ignored());
            let rows = read.compare();
            assert_eq!(rows.len(), written.ours.len());
            assert!(rows.iter().all(|row| row.scaled_error == 0.0), "{rows:?}");
            assert_eq!(read.to_bytes(), written.to_bytes());
        }
    }
}

/// A case's file with a change in its tensors and metadata.
fn changed(case: &Case, change: impl FnOnce(&mut Vec<Stored>, &mut Metadata)) -> Vec<u8> {
    let bytes = case.to_bytes();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<Stored> = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut metadata = header.metadata().clone().unwrap();
    change(&mut tensors, &mut metadata);
    let views =
        tensors.iter().map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, Some(metadata)).unwrap()
}

type Stored = (String, Dtype, Vec<usize>, Vec<u8>);
type Metadata = HashMap<String, String>;

fn find<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
    tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap_or_else(|| panic!("{name}"))
}

fn to_f32(tensor: &mut Stored) {
    tensor.1 = Dtype::F32;
    let values = tensor.3.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32);
    tensor.3 = values.flat_map(f32::to_le_bytes).collect();
}

#[test]
fn a_case_in_f32_with_int32_and_the_least_keys_passes_with_its_own_bound() {
    let case = case("lstm-sa-h3", 4, 3, Padding::Ignored);
    let bytes = changed(&case, |tensors, metadata| {
        metadata.clear();
        tensors.retain(|tensor| !tensor.0.starts_with("adam.") && !tensor.0.contains("running"));
        for tensor in tensors {
            if tensor.1 == Dtype::F64 {
                to_f32(tensor);
            } else {
                tensor.1 = Dtype::I32;
                tensor.3 = tensor.3.chunks_exact(8).flat_map(|value| value[..4].to_vec()).collect();
            }
            if tensor.0 == "out.loss" {
                tensor.2.clear();
            }
        }
    });
    let read = Case::read(&bytes).unwrap();
    for row in read.compare().iter().filter(|row| !row.name.starts_with("eval.")) {
        assert!(row.passes() && row.bound == SINGLE_BOUND && row.scaled_error > 0.0, "{row:?}");
    }
    // Running statistics that are not given are 0 and 1; those of the case were others.
    assert!(read.compare().iter().any(|row| row.name == "eval.logits" && !row.passes()));
}

#[test]
fn a_wrong_element_is_named_with_its_place_and_a_nan_is_never_right() {
    let case = case("lstm-sa-h3", 4, 3, Padding::Ignored);
    let element = |index: usize, value: f64| {
        let bytes = changed(&case, |tensors, _| {
            find(tensors, "grad.in.x").3[8 * index..][..8].copy_from_slice(&value.to_le_bytes());
        });
        let rows = Case::read(&bytes).unwrap().compare();
        rows.into_iter().find(|row| row.name == "grad.in.x").unwrap()
    };
    // Clip 1 of 6 frames, frame 4, feature 2; then a padded frame of clip 0, which has 3.
    let wrong = element((6 + 4) * 4 + 2, 9.0);
    assert_eq!((&wrong.at[..], wrong.theirs, wrong.passes()), (&[1, 4, 2][..], 9.0, false));
    assert_eq!(element((6 + 4) * 4 + 2, f64::NAN).scaled_error, f64::INFINITY);
    assert!(element(3 * 4, f64::NAN).passes());
}

#[test]
fn damaged_cases_end_in_an_error_that_names_key_and_cause() {
    let case = case("reslstm-sa-h3", 4, 3, Padding::Counted);
    let refuses = |parts: &[&str], change: &dyn Fn(&mut Vec<Stored>, &mut Metadata)| {
        let error = Case::read(&changed(&case, |tensors, metadata| change(tensors, metadata))).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        for part in parts {
            assert!(error.to_string().contains(part), "expected `{part}` in: {error}");
        }
    };
    let without = |name: &'static str| move |tensors: &mut Vec<Stored>| tensors.retain(|tensor| tensor.0 != name);
    refuses(&["in.x", "expected this tensor", "docs/audit.md"], &|tensors, _| without("in.x")(tensors));
    refuses(&["param.*", "fc.weight", "expected this tensor"], &|tensors, _| without("param.fc.weight")(tensors));
    refuses(&["param.bn.bias", "expected this tensor"], &|tensors, _| without("param.bn.bias")(tensors));
    refuses(&["adam.lr", "expected this tensor"], &|tensors, _| without("adam.lr")(tensors));
    refuses(&["at least one result"], &|tensors, _| {
        tensors.retain(|tensor| tensor.0.starts_with("in.") || tensor.0.starts_with("param."));
    });
    refuses(&["grad.fc.bias: expected shape [3], got [1, 3]"], &|tensors, _| {
        find(tensors, "grad.fc.bias").2 = vec![1, 3]
    });
    refuses(&["in.x: expected shape [N,T,D], got [24, 4]"], &|tensors, _| find(tensors, "in.x").2 = vec![24, 4]);
    refuses(&["in.x: expected frames of 4 features", "[4, 8, 3]"], &|tensors, _| {
        find(tensors, "in.x").2 = vec![4, 8, 3]
    });
    refuses(&["grad.fc.bias: expected numbers", "I64"], &|tensors, _| find(tensors, "grad.fc.bias").1 = Dtype::I64);
    refuses(&["in.labels: expected integers", "F64"], &|tensors, _| find(tensors, "in.labels").1 = Dtype::F64);
    for (name, value, expected) in [
        ("in.labels", 3i64, "in.labels: expected 0 to 2, got 3 at place 0"),
        ("in.labels", -1, "got -1"),
        ("in.lengths", 7, "in.lengths: expected 0 to 6, got 7"),
        ("in.lengths", 0, "in.lengths: expected 1 to 6 frames, got 0 for clip 0"),
    ] {
        refuses(&[expected], &|tensors, _| find(tensors, name).3[..8].copy_from_slice(&value.to_le_bytes()));
    }
    for name in ["in.x", "param.fc.weight", "adam.lr"] {
        refuses(&[name, "expected finite numbers, got inf at place 0"], &|tensors, _| {
            find(tensors, name).3[..8].copy_from_slice(&f64::INFINITY.to_le_bytes());
        });
    }
    refuses(&["param.bn.running_var: expected variances of 0 or more"], &|tensors, _| {
        find(tensors, "param.bn.running_var").3[..8].copy_from_slice(&(-1.0f64).to_le_bytes());
    });
    for (key, value, expected) in [
        ("arch", "gru-sa", "metadata arch: expected reslstm-sa, as the tensors param.* say, got gru-sa"),
        ("hidden", "4", "metadata hidden: expected 3"),
        ("padding", "some", "metadata padding: expected ignored or counted, got some"),
        ("adam", "weight_decay=0.1", "metadata adam: expected lr=NUMBER"),
        ("adam", "lr=0.1 betas=0.8,0.9", "expected betas=0.9,0.999"),
        ("adam", "lr=0.1 T_0=2.5", "expected T_0 to be a whole number, got 2.5"),
        ("adam", "lr=fast", "expected lr=NUMBER, 0 or more, got \"fast\""),
    ] {
        refuses(&[expected], &|_, metadata| drop(metadata.insert(key.into(), value.into())));
    }
    refuses(&["adam.1001.*: expected steps 1 to 1000"], &|tensors, _| {
        tensors.push(("adam.1001.x".into(), Dtype::F64, vec![1], vec![0; 8]));
    });
    let known = Case::read(&changed(&case, |tensors, _| {
        tensors.push(("grad.bn.wieght".into(), Dtype::F64, vec![1], vec![0; 8]));
    }))
    .unwrap();
    assert_eq!(known.ignored(), ["grad.bn.wieght"]);
    for cut in [0, 7, 100, case.to_bytes().len() - 1] {
        let error = Case::read(&case.to_bytes()[..cut]).unwrap_err();
        assert!(error.to_string().contains("expected a safetensors file"), "{error}");
    }
}

#[test]
fn one_clip_has_results_in_evaluation_alone() {
    let model = case("lstm-sa-h3", 4, 3, Padding::Ignored).model;
    let clips = [Example { frames: Matrix::from_vec(2, 4, vec![0.5; 8]), label: 2 }];
    let alone = Case::new(model.clone(), &clips, Padding::Ignored).unwrap();
    assert!(alone.ours.iter().all(|tensor| tensor.name.starts_with("eval.")));
    assert!(Case::read(&alone.to_bytes()).unwrap().compare().iter().all(Compared::passes));
    let bytes = changed(&alone, |tensors, _| find(tensors, "eval.logits").0 = "out.logits".into());
    let error = Case::read(&bytes).unwrap_err().to_string();
    assert!(error.contains("out.logits: expected at least 2 clips"), "{error}");
    let bad = [Example { frames: Matrix::from_vec(2, 4, vec![0.5; 8]), label: 3 }];
    assert!(Case::new(model, &bad, Padding::Ignored).unwrap_err().to_string().contains("label below 3, got 3"));
}
