use super::*;
use crate::audio::FeatureSettings;
use crate::labels::Labels;
use crate::matrix::Matrix;
use crate::normalise::ColumnSums;
use crate::rng::RandomStream;
use proptest::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};

/// 13 columns: the fewest the front end makes.
fn settings() -> FeatureSettings {
    FeatureSettings {
        n_fft: 512,
        win_length: None,
        hop: 256,
        mel_bands: 8,
        mfcc: 1,
        chroma: 12,
        ..FeatureSettings::default()
    }
}

fn model(name: &str, inputs: usize, classes: usize) -> Model<f32> {
    let mut model = Model::init(name.parse().unwrap(), inputs, classes, &mut RandomStream::new(5, "init", 0));
    // Every value different, buffers too: a swapped tensor cannot pass.
    let mut count = 0.0;
    model.visit_mut(&Path::ROOT, &mut |_, _, _, values| {
        for value in values {
            count += 1.0;
            *value += count / 1024.0;
        }
    });
    model
}

fn names(labels: &[&str]) -> Labels {
    Labels::new(labels.iter().map(|label| label.to_string()).collect()).unwrap()
}

fn metadata(architecture: &str, labels: &[&str]) -> Metadata {
    let mut it = Metadata::new(architecture.into(), names(labels), 16_000, settings());
    // No short decimal: a reader that rounds would change the last bit.
    it.mean = (0..13).map(|column| f64::from(column) / 3.0 - 1e-17).collect();
    it.std = (1..14).map(|column| f64::from(column).sqrt() * 1e-3).collect();
    it.fold = Some(3);
    it.seed = u64::MAX;
    it.best_epoch = Some(71);
    it.test_speakers = vec!["08".into(), "anna \"a\"\n".into()];
    it.scores = [("validation_uar".to_string(), 0.1 + 0.2), ("test_uar".to_string(), 2.0 / 3.0)].into();
    it.settings = serde_json::json!({ "lr": 1e-4, "batch": 16, "arch": architecture });
    it.licence = "CC BY-NC-SA 4.0".into();
    it
}

fn small() -> ModelFile {
    ModelFile::new(model("lstm-sa-h2", 13, 2), Some(metadata("lstm-sa-h2", &["calm", "cross"]))).unwrap()
}

/// The tensors of a model, to be damaged before they are written.
#[derive(Clone)]
struct Parts {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    metadata: Option<String>,
}

impl Parts {
    fn new(file: &ModelFile) -> Self {
        let bytes = file.to_bytes();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
            tensors.insert(name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
        }
        Parts { tensors, metadata: file.metadata().map(Metadata::to_json) }
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self
            .tensors
            .iter()
            .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        let metadata = self.metadata.as_ref().map(|json| HashMap::from([(METADATA_KEY.to_string(), json.clone())]));
        safetensors::serialize(views, metadata).unwrap()
    }

    fn refusal(&self) -> String {
        refusal(&self.bytes())
    }

    fn zeros(&mut self, name: &str, shape: &[usize]) {
        let length = 4 * shape.iter().product::<usize>();
        self.tensors.insert(name.into(), (Dtype::F32, shape.to_vec(), vec![0; length]));
    }
}

fn refusal(bytes: &[u8]) -> String {
    let error = ModelFile::from_bytes(bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::Model);
    error.to_string()
}

#[test]
fn what_is_written_is_read_to_the_bit_and_writes_the_same_bytes() {
    for name in ["lstm-sa-h2", "reslstm-sa-h3", "reslstm-sa-h4-2vectors"] {
        let labels = ["calm", "cross", "fed up"];
        let file = ModelFile::new(model(name, 13, 3), Some(metadata(name, &labels))).unwrap();
        let bytes = file.to_bytes();
        let read = ModelFile::from_bytes(&bytes).unwrap();
        assert_eq!(read, file, "{name}");
        assert_eq!(read.labels(), &names(&labels));
        for again in [read.to_bytes(), file.clone().to_bytes()] {
            assert!(again == bytes, "{name}: the same model gave other bytes");
        }
        let bare = ModelFile::new(model(name, 5, 2), None).unwrap();
        assert_eq!(ModelFile::from_bytes(&bare.to_bytes()).unwrap(), bare);
        assert_eq!(bare.labels(), &names(&["class 0", "class 1"]));
    }
}

#[test]
fn the_names_and_shapes_are_those_of_the_published_state_dict() {
    let tensors = Parts::new(&ModelFile::new(model("reslstm-sa-h64", 46, 8), None).unwrap()).tensors;
    let listed: Vec<String> = tensors.iter().map(|(name, (_, shape, _))| format!("{name} {shape:?}")).collect();
    let expected = [
        "attention_vector [64, 1]",
        "bn.bias [64]",
        "bn.running_mean [64]",
        "bn.running_var [64]",
        "bn.weight [64]",
        "bn_residual.bias [46]",
        "bn_residual.running_mean [46]",
        "bn_residual.running_var [46]",
        "bn_residual.weight [46]",
        "fc.bias [8]",
        "fc.weight [8, 64]",
        "lstm1.bias_hh_l0 [184]",
        "lstm1.bias_ih_l0 [184]",
        "lstm1.weight_hh_l0 [184, 46]",
        "lstm1.weight_ih_l0 [184, 46]",
        "lstm2.bias_hh_l0 [256]",
        "lstm2.bias_ih_l0 [256]",
        "lstm2.weight_hh_l0 [256, 64]",
        "lstm2.weight_ih_l0 [256, 46]",
    ];
    assert_eq!(listed, expected);
    let top = Parts::new(&small()).tensors;
    assert!(top.contains_key("lstm.weight_ih_l0") && !top.contains_key("lstm1.weight_ih_l0"));
}

#[test]
fn keys_of_the_metadata_are_sorted_at_every_depth() {
    let json = small().metadata().unwrap().to_json();
    let at = |key: &str| json.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {json}"));
    assert!(json.starts_with("{\"architecture\":"), "{json}");
    assert!(at("best_epoch") < at("labels") && at("labels") < at("mean") && at("seed") < at("settings"));
    assert!(at("arch") < at("batch") && at("batch") < at("lr"), "settings");
    assert!(!json.contains('\n'));
}

#[test]
fn a_state_dict_from_pytorch_loads() {
    let original = ModelFile::new(model("reslstm-sa-h2", 3, 8), None).unwrap();
    let mut parts = Parts::new(&original);
    for (dtype, _, data) in parts.tensors.values_mut() {
        *data = data.as_chunks().0.iter().flat_map(|&b| f64::from(f32::from_le_bytes(b)).to_le_bytes()).collect();
        *dtype = Dtype::F64;
    }
    for name in ["bn.num_batches_tracked", "bn_residual.num_batches_tracked"] {
        parts.tensors.insert(name.into(), (Dtype::I64, vec![], 900i64.to_le_bytes().to_vec()));
    }
    let read = ModelFile::from_bytes(&parts.bytes()).unwrap();
    assert_eq!(read, original);
    assert_eq!(read.labels(), &Labels::ravdess(), "eight classes are RAVDESS's");
}

#[test]
fn a_prefix_of_all_names_is_removed_and_known() {
    let original = ModelFile::new(model("reslstm-sa-h2", 3, 8), None).unwrap();
    assert_eq!(ModelFile::from_bytes(&original.to_bytes()).unwrap().prefix(), "");
    // Of torch.compile, DataParallel, both, and a module that holds the model.
    for prefix in ["_orig_mod.", "module.", "module._orig_mod.", "model.", "net.lstm."] {
        let mut parts = Parts::new(&original);
        parts.tensors.insert("bn.num_batches_tracked".into(), (Dtype::I64, vec![], vec![0; 8]));
        let named = |(name, tensor)| (format!("{prefix}{name}"), tensor);
        parts.tensors = std::mem::take(&mut parts.tensors).into_iter().map(named).collect();
        let read = ModelFile::from_bytes(&parts.bytes()).unwrap();
        assert_eq!(read.prefix(), prefix);
        assert_eq!(read.to_bytes(), original.to_bytes());
        // Errors still have the published name.
        let missing = parts.tensors.remove(&format!("{prefix}fc.bias")).unwrap();
        assert!(parts.refusal().starts_with("tensor fc.bias: expected this tensor"), "{}", parts.refusal());
        parts.tensors.insert("fc.bias".into(), missing);
        let message = parts.refusal();
        let problem = format!("tensors {prefix}*: expected {prefix} before the names of all tensors or of none");
        assert!(message.starts_with(&problem) && message.contains("got fc.bias too"), "{message}");
    }
}

#[test]
fn another_architecture_is_refused_with_the_tensor_that_it_has_more() {
    for (name, problem) in [
        ("lstm.weight_ih_l0_reverse", "expected an LSTM of one direction, got a bidirectional one"),
        ("lstm.weight_ih_l1", "a model lstm-sa-h2 has no such tensor"),
    ] {
        let mut parts = Parts::new(&small());
        parts.zeros(name, &[8, 2]);
        let message = parts.refusal();
        assert!(
            message.starts_with(&format!("tensor {name}: {problem} (the models of this program have")),
            "{message}"
        );
    }
}

#[test]
fn a_later_field_is_skipped_and_a_later_format_refused() {
    let mut parts = Parts::new(&small());
    let json = parts.metadata.clone().unwrap();
    parts.metadata = Some(json.replacen('{', "{\"mood\":1.5,", 1));
    assert_eq!(ModelFile::from_bytes(&parts.bytes()).unwrap(), small());
    parts.metadata = Some(json.replace("\"format\":1", "\"format\":2"));
    let message = parts.refusal();
    assert!(message.starts_with("metadata: expected format 1 or earlier, got 2 ("), "{message}");
    for (labels, problem) in [
        (r#"["a","a"]"#, "labels: classes 0 and 1 have one name, `a`"),
        (r#"["","b"]"#, "labels: class 0 has an empty name"),
    ] {
        parts.metadata = Some(json.replace(r#"["calm","cross"]"#, labels));
        let message = parts.refusal();
        assert!(message.starts_with(&format!("metadata: {problem}")), "{message}");
    }
    // The five that must be there, and no more.
    let minimal = r#"{"format":1,"architecture":"lstm-sa-h2","labels":["a","b"],"sample_rate":8000,
        "features":{"n_fft":512,"hop":256,"mel_bands":8,"mfcc":1,"chroma":12}}"#;
    parts.metadata = Some(minimal.into());
    assert!(!ModelFile::from_bytes(&parts.bytes()).unwrap().metadata().unwrap().has_normalisation());
    for field in ["format", "architecture", "labels", "sample_rate", "features"] {
        parts.metadata = Some(minimal.replace(&format!("\"{field}\""), "\"other\""));
        let message = parts.refusal();
        assert!(message.contains(&format!("missing field `{field}`")), "{message}");
    }
}

#[test]
fn metadata_that_contradicts_the_tensors_is_refused() {
    let refused = |change: &dyn Fn(&mut Metadata)| {
        let mut it = metadata("lstm-sa-h2", &["calm", "cross"]);
        change(&mut it);
        let error = ModelFile::new(model("lstm-sa-h2", 13, 2), Some(it)).unwrap_err();
        assert_eq!(error.kind(), Kind::Model);
        error.to_string()
    };
    for (change, expected) in [
        (
            (&|it: &mut Metadata| it.architecture = "lstm-sa-h4".into()) as &dyn Fn(&mut Metadata),
            "metadata: expected architecture lstm-sa-h2 as the tensors say, got lstm-sa-h4",
        ),
        (&|it| it.labels = names(&["a", "b", "c"]), "metadata: expected 2 labels, one per class, got 3"),
        (&|it| it.features.mfcc = 2, "metadata: expected features of 13 columns as the tensors say, got 14"),
        (&|it| it.features.hop = 0, "metadata: feature setting hop: expected 4 to 512, got 0"),
        (&|it| it.std.truncate(12), "metadata: expected mean and std of 13 columns each, or none, got [13, 12]"),
        (&|it| it.mean.clear(), "metadata: expected mean and std of 13 columns each, or none, got [0, 13]"),
        (
            &|it| it.std[4] = 0.0,
            "metadata: normalisation: column 4: expected a finite mean and a positive standard deviation, \
             got 1.3333333333333333 and 0",
        ),
        (&|it| it.mean[0] = f64::NAN, "metadata: normalisation: column 0: expected a finite mean"),
        (
            &|it| *it.scores.get_mut("test_uar").unwrap() = f64::NAN,
            "metadata: score test_uar: expected a number, got NaN",
        ),
    ] {
        let message = refused(change);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_tensor_too_many_too_few_or_of_another_shape_or_type_is_named() {
    let good = Parts::new(&small());
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = good.clone();
        change(&mut parts);
        parts.refusal()
    };
    for name in good.tensors.keys() {
        let message = with(&|parts| {
            parts.tensors.remove(name).unwrap();
        });
        assert!(message.contains(name.as_str()), "{name}: {message}");
        let message = with(&|parts| parts.tensors.get_mut(name).unwrap().1.push(1));
        assert!(message.starts_with(&format!("tensor {name}: expected ")), "{name}: {message}");
    }
    let message = with(&|parts| parts.zeros("gru.weight", &[2, 2]));
    assert!(message.starts_with("tensor gru.weight: a model lstm-sa-h2 has no such tensor ("), "{message}");
    let message = with(&|parts| parts.zeros("fc.bias", &[3]));
    assert_eq!(message, "tensor fc.bias: expected shape [2] to go with the other tensors, got [3]");
    for (dtype, name) in [(Dtype::BF16, "BF16"), (Dtype::I16, "I16"), (Dtype::U16, "U16")] {
        let message = with(&|parts| drop(parts.tensors.insert("bn.bias".into(), (dtype, vec![2], vec![0; 4]))));
        let start = format!("tensor bn.bias: expected values of type F64, F32, F16 or I8, got {name} (");
        assert!(message.starts_with(&start), "{message}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_named_with_their_place() {
    let mut damaged = model("lstm-sa-h2", 13, 2);
    damaged.visit_mut(&Path::ROOT, &mut |path, _, _, values| {
        if path.to_string() == "lstm.weight_ih_l0" {
            values[2 * 13 + 4] = f32::NAN;
        }
    });
    let error = ModelFile::new(damaged, None).unwrap_err().to_string();
    assert!(
        error.starts_with("tensor lstm.weight_ih_l0: expected finite values, got NaN in row 2, column 4 ("),
        "{error}"
    );

    let mut parts = Parts::new(&small());
    parts.tensors.get_mut("bn.running_var").unwrap().2[4..8].copy_from_slice(&(-0.5f32).to_le_bytes());
    let message = parts.refusal();
    let start = "tensor bn.running_var: expected variances that are finite and not negative, got -0.5 in place 1 (";
    assert!(message.starts_with(start), "{message}");

    // Finite in 64 bits, not in 32.
    let mut parts = Parts::new(&small());
    let large = [1.0, 1e39f64].iter().flat_map(|value| value.to_le_bytes()).collect();
    parts.tensors.insert("fc.bias".into(), (Dtype::F64, vec![2], large));
    assert!(parts.refusal().contains("got inf in place 1"));
}

#[test]
fn sizes_that_do_not_fit_together_cost_no_memory() {
    // Each tensor is small; the model they would name together has 4096 · 4 · 65,536 values and more.
    let mut parts = Parts { tensors: BTreeMap::new(), metadata: None };
    parts.zeros("lstm1.weight_ih_l0", &[1, 65_536]);
    parts.zeros("lstm2.weight_ih_l0", &[1, 65_536]);
    parts.zeros("attention_vector", &[4096, 1]);
    parts.zeros("fc.weight", &[65_536, 1]);
    let message = parts.refusal();
    assert_eq!(
        message,
        "tensor lstm2.weight_ih_l0: expected shape [16384, 65536] to go with the other tensors, got [1, 65536]"
    );
    // Empty tensors may claim any size in the other direction.
    for (name, shape, expected) in [
        ("attention_vector", [usize::MAX / 8, 0], "expected 1 to 4096 hidden units"),
        ("attention_vector", [2, 0], "expected 1 to 64 attention vectors, got 0"),
        ("lstm.weight_ih_l0", [0, usize::MAX / 8], "expected shape [8, "),
        ("lstm.weight_ih_l0", [8, 0], "expected a model of at least 1 input and 2 classes, got 0 and 2"),
        ("fc.weight", [usize::MAX / 8, 0], "expected shape ["),
        ("fc.weight", [1, 2], "expected a model of at least 1 input and 2 classes, got 13 and 1"),
    ] {
        let mut parts = Parts::new(&small());
        parts.zeros(name, &shape);
        let message = parts.refusal();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_is_no_model_file_is_told_what_one_is() {
    assert!(refusal(b"").starts_with("expected a model file, got an empty one ("));
    assert!(refusal(b"PK\x03\x04 and so on").starts_with("expected a safetensors file, got a zip archive ("));
    let wav = crate::audio::write_wav16(&[0.5; 100], 8_000);
    let message = refusal(&wav);
    assert!(message.starts_with("expected a safetensors file, got 244 bytes beginning \"RIFF"), "{message}");
    assert!(message.contains("torch.save_file"), "{message}");

    for claimed in [1 << 60, u64::MAX, 99_000_000] {
        let mut bytes = small().to_bytes();
        bytes[..8].copy_from_slice(&u64::to_le_bytes(claimed));
        let message = refusal(&bytes);
        assert!(message.starts_with("expected a whole safetensors file: "), "{message}");
    }
    let other = Parts { tensors: BTreeMap::new(), metadata: None };
    assert!(other.refusal().contains("got none"));
    let mut other = other;
    other.zeros("transformer.h.0.weight", &[3]);
    let message = other.refusal();
    assert!(message.contains("got 1 such as transformer.h.0.weight"), "{message}");
    // Nested beyond all measure: the parser stops instead of the program.
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let bytes = [&(deep.len() as u64).to_le_bytes()[..], deep.as_bytes()].concat();
    refusal(&bytes);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let bytes = small().to_bytes();
    for length in 0..bytes.len() {
        refusal(&bytes[..length]);
    }
    refusal(&[&bytes[..], b"x"].concat());
}

#[test]
fn no_changed_byte_of_the_header_panics() {
    let bytes = small().to_bytes();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for at in 0..header {
        // Every bit alone, and bytes that mean something in JSON.
        let flips = (0..8).map(|bit| bytes[at] ^ (1 << bit));
        for byte in flips.chain(*b"\0\"{}[],:-9e") {
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            // Most are refused; a changed letter of, say, the licence is another licence.
            if let Err(error) = ModelFile::from_bytes(&damaged) {
                assert_eq!(error.kind(), Kind::Model);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), as_header: bool) {
        let length = if as_header { (bytes.len() as u64).to_le_bytes().to_vec() } else { Vec::new() };
        prop_assert!(ModelFile::from_bytes(&[length, bytes].concat()).is_err());
    }
}

/// Two branches: the MFCC alone, and all 13 columns.
fn with_branches() -> ModelFile {
    let networks = vec![model("lstm-sa-h2", 1, 2), model("lstm-sa-h2", 13, 2)];
    let mut metadata = metadata("2x lstm-sa-h2", &["calm", "cross"]);
    metadata.branches = "mfcc,all".parse().unwrap();
    ModelFile::with_branches(networks, metadata).unwrap()
}

#[test]
fn a_file_with_branches_is_read_as_it_was_written() {
    let file = with_branches();
    let read = ModelFile::from_bytes(&file.to_bytes()).unwrap();
    assert_eq!((&read, read.architecture().as_str(), read.inputs()), (&file, "2x lstm-sa-h2", 13));
    assert_eq!(read.branches()[0].columns(), [0]);
    let sizes = read.branches().iter().map(|branch| branch.model().parameter_count());
    assert_eq!(read.parameter_count(), sizes.sum::<usize>());
    let names: Vec<String> = Parts::new(&file).tensors.into_keys().collect();
    assert!(names.iter().all(|name| name.starts_with("branches.0.") || name.starts_with("branches.1.")), "{names:?}");
    assert!(file.only_model().unwrap_err().to_string().contains("an ensemble with the branches mfcc,all"));
    // An ordinary file says nothing of branches.
    let ordinary = Parts::new(&small());
    assert!(!ordinary.metadata.unwrap().contains("branches"));
}

#[test]
fn training_clips_are_read_as_they_were_written_and_what_does_not_fit_is_refused() {
    let mut metadata = metadata("lstm-sa-h2", &["calm", "cross"]);
    (metadata.temperature, metadata.temperature_growth) = (Some(0.9), Some(1.6));
    let clips: Vec<Matrix<f32>> = (0..5)
        .map(|n| Matrix::from_vec(2, 13, (0..26).map(|place| ((n + 1) * (place + 2) % 7) as f32).collect()))
        .collect();
    let sums = ColumnSums::of(&clips[3]);
    let file = || ModelFile::new(model("lstm-sa-h2", 13, 2), Some(metadata.clone())).unwrap();
    let with_clips = file().with_training_clips(TrainingClips::fit(&clips)).unwrap();
    let read = ModelFile::from_bytes(&with_clips.to_bytes()).unwrap();
    assert_eq!(read, with_clips);
    for precision in [Precision::F16, Precision::I8] {
        let read = ModelFile::from_bytes(&with_clips.to_bytes_with(precision)).unwrap();
        let [got, expected] = [&read, &with_clips].map(|it| it.training_clips().unwrap().distance(&sums));
        approx::assert_relative_eq!(got, expected, max_relative = 2e-3);
    }
    let missing = "metadata: expected the training clips from which distances grow the temperature, got none";
    let of_file = file().with_training_clips(None).unwrap_err().to_string();
    let parts = Parts::new(&with_clips);
    let without = |names: &[&str]| {
        let mut parts = parts.clone();
        names.iter().for_each(|&name| assert!(parts.tensors.remove(name).is_some(), "{name}"));
        parts.refusal().to_string()
    };
    for (got, expected) in [
        (of_file, missing),
        (without(&["training.mean", "training.whitening"]), missing),
        (without(&["training.mean"]), "tensor training.mean: expected this tensor, found none of the name"),
        (without(&["training.whitening"]), "tensor training.whitening: expected this tensor"),
    ] {
        assert!(got.contains(expected), "{got}");
    }
    let narrow: Vec<Matrix<f32>> = clips.iter().map(|clip| Matrix::from_rows(&[&clip.row(0)[..3]])).collect();
    let error = file().with_training_clips(TrainingClips::fit(&narrow)).unwrap_err().to_string();
    assert!(error.contains("tensor training.mean: expected two values for each of the 13 columns, got 6"), "{error}");
    for (temperature, growth, expected) in [
        (None, 1.0, "expected a temperature, as it is to grow, got none"),
        (Some(1.0), -0.1, "expected a growth of the temperature of 0 to 10, got -0.1"),
        (Some(1.0), f64::NAN, "of 0 to 10, got NaN"),
    ] {
        (metadata.temperature, metadata.temperature_growth) = (temperature, Some(growth));
        let error = ModelFile::new(model("lstm-sa-h2", 13, 2), Some(metadata.clone())).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_damaged_list_of_columns_is_refused() {
    let parts = Parts::new(&with_branches());
    for (list, expected) in [
        ("mfcc,mfcc", "branch 1: expected 13 columns as the tensors say, got 1 of mfcc"),
        ("all,mfcc", "branch 0: expected 1 columns as the tensors say, got 13 of all"),
        ("mfcc,pitch", "expected kinds of columns that the features have (1 MFCC, 12 chroma), got pitch"),
        ("mfcc,gain", "expected all, or some of mfcc, chroma, pitch, level and deltas joined by +, got 'gain'"),
        ("mfcc", "tensor branches.1."),
        ("mfcc,all,all", "branches.2."),
        ("none", "expected a list of branches, as tensors begin with branches., got none"),
    ] {
        let mut damaged = parts.clone();
        damaged.metadata = damaged.metadata.map(|json| json.replace("\"mfcc,all\"", &format!("\"{list}\"")));
        let error = damaged.refusal();
        assert!(error.contains(expected), "{list}: {error}");
    }
    let mut without = parts.clone();
    without.metadata = None;
    assert!(without.refusal().contains("expected a list of branches"), "{}", without.refusal());
    // Branches on tensors of an ordinary file.
    let mut ordinary = Parts::new(&small());
    ordinary.metadata =
        ordinary.metadata.map(|json| json.replace("\"features\"", "\"branches\":\"all,all\",\"features\""));
    assert!(ordinary.refusal().contains("expected 2 branches"), "{}", ordinary.refusal());
}

#[test]
fn a_file_of_fewer_bits_has_the_nearest_weights_and_everything_else() {
    let file = small();
    let whole = file.to_bytes();
    for (precision, steps) in [(Precision::F16, 1.0 / 2048.0), (Precision::I8, 0.5 / 127.0)] {
        let bytes = file.to_bytes_with(precision);
        let read = ModelFile::from_bytes(&bytes).unwrap();
        assert_eq!((read.metadata(), read.labels()), (file.metadata(), file.labels()));
        let mut expected = Vec::new();
        file.model().visit(&Path::ROOT, &mut |path, _, shape, values| {
            expected.push((path.to_string(), shape.to_vec(), values.to_vec()));
        });
        let mut expected = expected.into_iter();
        read.model().visit(&Path::ROOT, &mut |path, _, _, values| {
            let (name, shape, exact) = expected.next().unwrap();
            assert_eq!(path.to_string(), name);
            // A 16-bit float is relative to the weight itself, an 8-bit integer to the largest of its row.
            let columns = if precision == Precision::I8 && shape.len() == 2 { shape[1] } else { 1 };
            for (got, exact) in values.chunks(columns).zip(exact.chunks(columns)) {
                let largest = exact.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
                let steps = if columns == 1 { 1.0 / 2048.0 } else { steps };
                for (got, exact) in got.iter().zip(exact) {
                    assert!((got - exact).abs() <= 1.001 * steps * largest, "{name}: {got} {exact}");
                }
            }
        });
        // The same again: nothing is lost twice.
        assert_eq!(read.to_bytes_with(precision), bytes);
        assert_eq!(read.to_bytes().len(), whole.len());
    }
}
