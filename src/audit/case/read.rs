//! A case from the bytes of its file.

use super::{AdamRun, Case, Form, Theirs};
use crate::data::batch::Batch;
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::models::file;
use crate::models::tensors::{self, Tensor, Tensors};
use crate::models::{Family, Model};
use crate::optim::CosineWarmRestarts;
use crate::packed::{Packed, Padding};
use crate::params::{Parameters, Path, Role};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Steps of Adam that are recomputed at most.
const MOST_STEPS: usize = 1000;

const KEYS: &str = "the keys of a case are listed in docs/audit.md";

/// A file's tensors, and the keys that were used.
struct File<'a> {
    tensors: Tensors<'a>,
    used: BTreeSet<String>,
    metadata: BTreeMap<String, String>,
}

fn wrong(key: &str, problem: impl Into<String>) -> Error {
    Error::new(Kind::Data, problem).at(key)
}

impl<'a> File<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        let unreadable =
            |problem| Error::new(Kind::Data, format!("expected a safetensors file: {problem}")).advice(KEYS);
        let (tensors, metadata) = tensors::read(bytes).map_err(unreadable)?;
        Ok(File { tensors, used: BTreeSet::new(), metadata })
    }

    fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    fn find(&mut self, key: &str) -> Result<Tensor<'a>> {
        let tensor = self.tensors.get(key).cloned();
        self.used.insert(key.to_string());
        tensor.ok_or_else(|| wrong(key, "expected this tensor, found none of the name").advice(KEYS))
    }

    /// The shape, if it has this many dimensions.
    fn shape<const R: usize>(&mut self, key: &str, letters: &str) -> Result<[usize; R]> {
        let tensor = self.find(key)?;
        let shape = &tensor.shape;
        shape[..].try_into().map_err(|_| wrong(key, format!("expected shape [{letters}], got {shape:?}")))
    }

    /// Values of an input: finite.
    fn numbers(&mut self, key: &str) -> Result<Vec<f64>> {
        let values = numbers(key, &self.find(key)?)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(wrong(key, format!("expected finite numbers, got {} at place {at}", values[at]))),
            None => Ok(values),
        }
    }

    /// `n` integers, each below `below`.
    fn integers(&mut self, key: &str, n: usize, below: usize) -> Result<Vec<usize>> {
        let tensor = self.find(key)?;
        if tensor.shape != [n] {
            return Err(wrong(key, format!("expected shape [{n}], got {:?}", tensor.shape)));
        }
        let values: Vec<i64> = match tensor.dtype {
            "I64" => tensor.data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
            "I32" => tensor.data.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes).into()).collect(),
            other => return Err(wrong(key, format!("expected integers of type I64 or I32, got {other}"))),
        };
        let integer = |(at, &value): (usize, &i64)| {
            let fits = usize::try_from(value).ok().filter(|&value| value < below);
            fits.ok_or_else(|| wrong(key, format!("expected 0 to {}, got {value} at place {at}", below - 1)))
        };
        values.iter().enumerate().map(integer).collect()
    }

    /// Weights and running statistics. Absent statistics are those PyTorch begins with: mean 0, variance 1.
    fn model(&mut self) -> Result<Model<f64>> {
        let weights: Tensors<'a> = self
            .tensors
            .iter()
            .filter_map(|(key, tensor)| Some((key.strip_prefix("param.")?.to_string(), tensor.clone())))
            .collect();
        let (architecture, inputs, classes) =
            file::infer(&weights).map_err(|error| Error::caused_by(Kind::Data, error.advice(KEYS)).at("param.*"))?;
        let mut model = Model::<f64>::zeros(architecture, inputs, classes);
        let mut filled = Ok(());
        model.visit_mut(&Path::ROOT, &mut |path, role, shape, values| {
            let key = format!("param.{path}");
            if role == Role::Buffer && !self.has(&key) {
                values.fill(if key.ends_with("running_var") { 1.0 } else { 0.0 });
            } else if filled.is_ok() {
                filled = self.fill(&key, shape, values);
            }
        });
        filled?;
        let family = match architecture.family() {
            Family::LstmSa => "lstm-sa",
            Family::ResLstmSa => "reslstm-sa",
        };
        let (hidden, vectors) = (architecture.hidden().to_string(), architecture.vectors().to_string());
        for (key, tensors) in [("arch", family), ("hidden", &hidden), ("vectors", &vectors)] {
            if let Some(stated) = self.metadata.get(key).filter(|&stated| stated != tensors) {
                let problem = format!("expected {tensors}, as the tensors param.* say, got {stated}");
                return Err(wrong(&format!("metadata {key}"), problem));
            }
        }
        Ok(model)
    }

    fn fill(&mut self, key: &str, shape: &[usize], values: &mut [f64]) -> Result<()> {
        let got = self.find(key)?.shape;
        if got != shape {
            return Err(wrong(key, format!("expected shape {shape:?} to go with the other tensors, got {got:?}")));
        }
        values.copy_from_slice(&self.numbers(key)?);
        match values.iter().find(|&&value| key.ends_with("running_var") && value < 0.0) {
            Some(negative) => Err(wrong(key, format!("expected variances of 0 or more, got {negative}"))),
            None => Ok(()),
        }
    }

    fn padding(&self) -> Result<Padding> {
        match self.metadata.get("padding").map(String::as_str) {
            None | Some("ignored") => Ok(Padding::Ignored),
            Some("counted") => Ok(Padding::Counted),
            Some(other) => Err(wrong("metadata padding", format!("expected ignored or counted, got {other}"))),
        }
    }

    fn batch(&mut self, model: &Model<f64>, padding: Padding) -> Result<(Form, Batch<f64>)> {
        if self.has("in.data") {
            return Ok((Form::Packed, self.packed_batch(model, padding)?));
        }
        let [clips, steps, _] = self.shape("in.x", "N,T,D")?;
        self.expect_features("in.x", model)?;
        let x = self.numbers("in.x")?;
        let lengths = match self.has("in.lengths") {
            true => self.integers("in.lengths", clips, steps + 1)?,
            false => vec![steps; clips],
        };
        if let Some(n) = lengths.iter().position(|&length| length == 0) {
            return Err(wrong("in.lengths", format!("expected 1 to {steps} frames, got 0 for clip {n}")));
        }
        let longest = lengths.iter().max().copied().unwrap_or(0);
        if padding == Padding::Counted && longest != steps {
            let problem = format!("expected {steps} frames, the T of in.x, got {longest}");
            return Err(wrong("in.lengths", problem).advice("counted padding ends with the longest clip: cut in.x"));
        }
        let labels = self.integers("in.labels", clips, model.classes())?;
        let mut order: Vec<usize> = (0..clips).collect();
        order.sort_by_key(|&clip| Reverse(lengths[clip]));
        let layout = Packed::new(&order.iter().map(|&clip| lengths[clip]).collect::<Vec<_>>(), padding);
        let mut packed = Matrix::zeros(layout.frames(), model.inputs());
        for t in 0..layout.steps() {
            for (n, row) in layout.rows(t).enumerate() {
                let frame = order[n] * steps + t;
                packed.row_mut(row).copy_from_slice(&x[frame * model.inputs()..][..model.inputs()]);
            }
        }
        let labels = order.iter().map(|&clip| labels[clip]).collect();
        Ok((Form::Padded { steps }, Batch { layout, x: packed, labels, order }))
    }

    /// The fields of PyTorch's `PackedSequence`.
    fn packed_batch(&mut self, model: &Model<f64>, padding: Padding) -> Result<Batch<f64>> {
        let [frames, inputs] = self.shape("in.data", "F,D")?;
        self.expect_features("in.data", model)?;
        let [steps] = self.shape("in.batch_sizes", "T")?;
        let sizes = self.integers("in.batch_sizes", steps, frames + 1)?;
        if !sizes.is_sorted_by(|a, b| a >= b) || sizes.last() == Some(&0) || sizes.iter().sum::<usize>() != frames {
            let problem = format!("expected clips at each frame, never rising, {frames} in sum as in.data has rows");
            return Err(wrong("in.batch_sizes", format!("{problem}, got {sizes:?}")));
        }
        let clips = sizes[0];
        let lengths: Vec<usize> = (0..clips).map(|n| sizes.iter().filter(|&&size| size > n).count()).collect();
        let order = match self.has("in.sorted_indices") {
            true => self.integers("in.sorted_indices", clips, clips)?,
            false => (0..clips).collect(),
        };
        if order.iter().collect::<BTreeSet<_>>().len() != clips {
            return Err(wrong("in.sorted_indices", format!("expected every clip once, got {order:?}")));
        }
        let labels = self.integers("in.labels", clips, model.classes())?;
        let x = Matrix::from_vec(frames, inputs, self.numbers("in.data")?);
        let labels = order.iter().map(|&clip| labels[clip]).collect();
        Ok(Batch { layout: Packed::new(&lengths, padding), x, labels, order })
    }

    /// Frames there are, each with the model's features.
    fn expect_features(&mut self, key: &str, model: &Model<f64>) -> Result<()> {
        let tensor = self.find(key)?;
        let shape = &tensor.shape;
        if shape.contains(&0) || shape.last() != Some(&model.inputs()) {
            let problem = format!("expected frames of {} features as the weights say, got {shape:?}", model.inputs());
            return Err(wrong(key, problem));
        }
        Ok(())
    }

    /// The steps of Adam, if weights after them are given.
    fn adam(&mut self) -> Result<Option<AdamRun>> {
        let number = |key: &String| key.strip_prefix("adam.")?.split_once('.')?.0.parse::<usize>().ok();
        let snapshots: BTreeSet<usize> = self.tensors.keys().filter_map(number).collect();
        let (Some(&first), Some(&last)) = (snapshots.first(), snapshots.last()) else { return Ok(None) };
        if first == 0 || last > MOST_STEPS {
            let step = if first == 0 { 0 } else { last };
            return Err(wrong(&format!("adam.{step}.*"), format!("expected steps 1 to {MOST_STEPS}")));
        }
        let steps = if self.has("adam.lr") { self.shape::<1>("adam.lr", "steps")?[0].max(last) } else { last };
        let stated = self.metadata.get("adam").map(|words| stated_optimiser(words, steps)).transpose()?;
        let (scheduled, (rates, weight_decay)) = match stated {
            Some(stated) => (true, stated),
            None => {
                let rates = match self.numbers("adam.lr")?[..] {
                    [rate] => vec![rate; last],
                    ref rates if rates.len() >= last => rates.to_vec(),
                    ref rates => {
                        let problem = format!("expected 1 rate or at least {last}, got {}", rates.len());
                        return Err(wrong("adam.lr", problem));
                    }
                };
                let decay = if self.has("adam.weight_decay") { self.numbers("adam.weight_decay")? } else { vec![0.0] };
                let [decay] = decay[..] else {
                    return Err(wrong("adam.weight_decay", format!("expected one number, got {}", decay.len())));
                };
                (false, (rates, decay))
            }
        };
        Ok(Some(AdamRun { rates, weight_decay, snapshots: snapshots.into_iter().collect(), scheduled }))
    }

    /// The other program's value of a result, if it is there.
    fn result(&mut self, name: &str, shape: &[usize]) -> Result<Option<Theirs>> {
        if !self.has(name) {
            return Ok(None);
        }
        let tensor = self.find(name)?;
        // One number alone may have no dimension.
        if tensor.shape != shape && !(shape == [1] && tensor.shape.is_empty()) {
            return Err(wrong(name, format!("expected shape {shape:?}, got {:?}", tensor.shape)));
        }
        Ok(Some(Theirs { values: numbers(name, &tensor)?, single: tensor.dtype == "F32" }))
    }
}

/// Learning rate of every step, and weight decay, from words such as `lr=1e-2 weight_decay=1e-2 T_0=3 T_mult=2 eta_min=1e-4`. Without
/// T_0 the rate is constant. Words without `=` are passed over.
fn stated_optimiser(words: &str, steps: usize) -> Result<(Vec<f64>, f64)> {
    let word = |name: &str| words.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str, default: Option<f64>| match word(name) {
        None => default.ok_or_else(|| wrong("metadata adam", format!("expected {name}=NUMBER, got {words:?}"))),
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => Err(wrong("metadata adam", format!("expected {name}=NUMBER, 0 or more, got {text:?}"))),
        },
    };
    if word("betas").is_some_and(|betas| betas != "0.9,0.999") || number("eps", Some(1e-8))? != 1e-8 {
        let problem = format!("expected betas=0.9,0.999 and eps=1e-8, PyTorch's defaults, got {words:?}");
        return Err(wrong("metadata adam", problem));
    }
    let (lr, eta_min) = (number("lr", None)?, number("eta_min", Some(0.0))?);
    // No case has a million steps, and longer cycles than that are all alike.
    let whole = |name: &str, default: f64| {
        let value = number(name, Some(default))?;
        if value.fract() != 0.0 {
            return Err(wrong("metadata adam", format!("expected {name} to be a whole number, got {value}")));
        }
        Ok(value.min(1e6) as usize)
    };
    let (t0, t_mult) = (whole("T_0", 0.0)?, whole("T_mult", 1.0)?);
    let schedule = CosineWarmRestarts { lr, eta_min, t0, t_mult: t_mult.max(1) };
    let rates = (0..steps).map(|step| if t0 == 0 { lr } else { schedule.rate(step) });
    Ok((rates.collect(), number("weight_decay", Some(0.0))?))
}

/// Values of type F64 or F32.
fn numbers(key: &str, tensor: &Tensor<'_>) -> Result<Vec<f64>> {
    match tensor.dtype {
        "F64" => Ok(tensor.data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()),
        "F32" => Ok(tensor.data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect()),
        other => Err(wrong(key, format!("expected numbers of type F64 or F32, got {other}"))),
    }
}

impl Case {
    /// The case in a file's bytes. Its results are recomputed here.
    ///
    /// # Errors
    /// [`Kind::Data`] if this is no safetensors file; a tensor is missing, of another shape or type; an input is not finite; a label
    /// or length is outside its range; metadata contradict the tensors; or there is no result to compare.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut file = File::new(bytes)?;
        let model = file.model()?;
        let padding = file.padding()?;
        let (form, batch) = file.batch(&model, padding)?;
        let needs_training = |key: &&String| ["out.", "grad.", "after.", "adam."].iter().any(|it| key.starts_with(it));
        if let (1, Some(key)) = (batch.layout.clips(), file.tensors.keys().find(needs_training)) {
            let problem = "expected at least 2 clips for results in training mode, got 1";
            return Err(wrong(key, problem).advice("batch norm has no batch statistics of one clip: give eval.*"));
        }
        let adam = file.adam()?;
        let mut case = Case::from_parts(model, padding, form, batch, adam);
        for ours in &case.ours {
            if let Some(theirs) = file.result(&ours.name, &ours.shape)? {
                case.theirs.insert(ours.name.clone(), theirs);
            }
        }
        if case.theirs.is_empty() {
            let problem = "expected at least one result, such as out.logits or grad.fc.weight, got inputs alone";
            return Err(Error::new(Kind::Data, problem).advice(KEYS));
        }
        case.ignored = file.tensors.into_keys().filter(|key| !file.used.contains(key)).collect();
        Ok(case)
    }
}
