//! The engine's types as Python sees them. `python/reslstm/__init__.py` turns whatever arrays a caller has into the contiguous
//! `float32` that is taken here, and results into its classes. Long work releases the interpreter's lock.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use reslstm::audio::{FrontEnd, Recording, Resampler, check_sample_rate, check_samples, resample};
use reslstm::audit::flow::{Connection, gradient_flow};
use reslstm::audit::{cast, recast};
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind};
use reslstm::labels::Labels;
use reslstm::matrix::Matrix;
use reslstm::models::trace::Trace;
use reslstm::models::{LivePredictor, ModelFile, Moment, Prediction, Predictor, Profile};
use reslstm::train::{Identity, Inputs, Settings, Task, Training, TrainingData, model_file};

/// Trained on all speakers of RAVDESS; CC BY-NC-SA 4.0.
const BUNDLED: [(&str, &[u8]); 2] = [
    ("speech", include_bytes!("../../../app/data/speech-ravdess.safetensors")),
    ("paper", include_bytes!("../../../app/data/reslstm-sa-h64-ravdess.safetensors")),
];

/// A problem as Python has it: what a caller can mend is a `ValueError`.
fn raised(error: Error) -> PyErr {
    match error.kind() {
        Kind::Diverged | Kind::Io | Kind::Interrupted => PyRuntimeError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// Label, probabilities `[K]`, level, share of speech and whether somebody speaks, which are none for features, and how unlike the
/// training clips, which some models cannot say.
type Parts = (String, Vec<f32>, Option<f64>, Option<f64>, Option<bool>, Option<f32>);

fn parts(prediction: Prediction) -> Parts {
    let label = prediction.label_name().to_string();
    let sound = prediction.sound;
    (
        label,
        prediction.probabilities,
        sound.map(|sound| sound.level),
        sound.map(|sound| sound.speech),
        sound.map(|sound| sound.has_speech),
        prediction.unlike,
    )
}

fn array<'py>(py: Python<'py>, matrix: &Matrix<f32>) -> PyResult<Bound<'py, PyArray2<f32>>> {
    PyArray1::from_slice(py, matrix.as_slice()).reshape(matrix.shape())
}

fn matrix(array: &PyReadonlyArray2<'_, f32>) -> PyResult<Matrix<f32>> {
    let [rows, columns] = [array.as_array().nrows(), array.as_array().ncols()];
    Ok(Matrix::from_vec(rows, columns, array.as_slice()?.to_vec()))
}

/// `samples` at another rate.
fn resampled(samples: &[f32], from: u32, to: u32) -> reslstm::error::Result<Vec<f32>> {
    check_sample_rate(from)?;
    check_samples(0, samples)?;
    Ok(resample(samples, from, to))
}

/// A trained model.
#[pyclass(module = "reslstm._engine")]
struct Model {
    file: ModelFile,
    predictor: Predictor,
    /// Of the enrolled speaker.
    profile: Option<Profile>,
}

#[pymethods]
impl Model {
    /// From the bytes of a model file.
    #[new]
    fn new(data: &[u8]) -> PyResult<Self> {
        Self::of(ModelFile::from_bytes(data).map_err(raised)?)
    }

    /// The bundled model of this name, or none.
    #[staticmethod]
    fn bundled(name: &str) -> PyResult<Option<Self>> {
        BUNDLED.iter().find(|(known, _)| *known == name).map(|(_, bytes)| Self::new(bytes)).transpose()
    }

    /// Predicts the speaker of a profile, given the bytes of its file, from now on; without them, any speaker.
    fn enrol(&mut self, profile: Option<&[u8]>) -> PyResult<()> {
        let profile = profile.map(Profile::from_json).transpose().map_err(raised)?;
        self.predictor.set_profile(profile.as_ref()).map_err(raised)?;
        self.profile = profile;
        Ok(())
    }

    /// The bytes of its file.
    fn to_bytes(&self) -> Vec<u8> {
        self.file.to_bytes()
    }

    fn labels(&self) -> Vec<String> {
        self.file.labels().iter().cloned().collect()
    }

    /// The description in the file as JSON, or none.
    fn metadata(&self) -> Option<String> {
        self.file.metadata().map(|metadata| serde_json::to_string(metadata).expect("a description is JSON"))
    }

    fn predict(&mut self, py: Python<'_>, samples: PyReadonlyArray1<'_, f32>, rate: u32) -> PyResult<Parts> {
        let samples = samples.as_slice()?.to_vec();
        py.detach(|| {
            let sample_rate = self.predictor.sample_rate()?;
            let samples = resampled(&samples, rate, sample_rate)?;
            self.predictor.predict_recording(&Recording { sample_rate, samples })
        })
        .map(parts)
        .map_err(raised)
    }

    fn predict_features(&mut self, py: Python<'_>, features: PyReadonlyArray2<'_, f32>) -> PyResult<Parts> {
        let features = matrix(&features)?;
        py.detach(|| self.predictor.predict_features(&features)).map(parts).map_err(raised)
    }

    /// Features `[T,D]` of samples, as the model reads them, not normalised.
    fn features<'py>(
        &mut self,
        py: Python<'py>,
        samples: PyReadonlyArray1<'_, f32>,
        rate: u32,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let samples = samples.as_slice()?.to_vec();
        let features = py.detach(|| {
            let sample_rate = self.predictor.sample_rate()?;
            self.predictor.features(&resampled(&samples, rate, sample_rate)?)
        });
        array(py, &features.map_err(raised)?)
    }

    /// Everything between features `[T,D]` and the probabilities of branch `branch`, from 1, and the gradients of the loss of class
    /// `label`, as a dict of arrays.
    fn explain<'py>(
        &mut self,
        py: Python<'py>,
        features: PyReadonlyArray2<'_, f32>,
        label: usize,
        branch: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        if label >= self.file.labels().len() {
            let expected = self.file.labels().len() - 1;
            return Err(PyValueError::new_err(format!("label: expected class 0 to {expected}, got {label}")));
        }
        let branches = self.file.branches();
        let Some(branch) = branch.checked_sub(1).and_then(|number| branches.get(number)) else {
            return Err(PyValueError::new_err(format!("branch: expected 1 to {}, got {branch}", branches.len())));
        };
        let x = branch.select(self.predictor.normalised(&matrix(&features)?).map_err(raised)?);
        let model = branch.model();
        let (trace, flow) = py.detach(|| {
            let mut precise = reslstm::models::Model::zeros(model.architecture(), model.inputs(), model.classes());
            recast(model, &mut precise);
            (Trace::new(model, &x), gradient_flow(&precise, &cast(&x), label, Connection::Residual))
        });
        let all = PyDict::new(py);
        all.set_item("x", array(py, &x)?)?;
        all.set_item("scores", array(py, &trace.scores)?)?;
        all.set_item("attention", PyArray1::from_vec(py, trace.attention))?;
        all.set_item("probabilities", array(py, &trace.probabilities)?)?;
        all.set_item("loss", flow.loss)?;
        let saliency = PyArray1::from_slice(py, flow.saliency.as_slice()).reshape(flow.saliency.shape())?;
        all.set_item("input_gradient", saliency)?;
        let lstms = PyDict::new(py);
        for (lstm, flow) in trace.lstms.iter().zip(&flow.lstms) {
            let values = PyDict::new(py);
            for (name, gate) in ["i", "f", "g", "o"].iter().zip(&lstm.tape.gates) {
                values.set_item(name, array(py, gate)?)?;
            }
            values.set_item("c", array(py, &lstm.tape.c)?)?;
            values.set_item("h", array(py, &lstm.tape.h)?)?;
            values.set_item("h_gradient_norm", PyArray1::from_slice(py, &flow.h))?;
            values.set_item("c_gradient_norm", PyArray1::from_slice(py, &flow.c))?;
            lstms.set_item(lstm.name, values)?;
        }
        all.set_item("lstms", lstms)?;
        Ok(all)
    }

    /// A stream of samples at `rate` Hz.
    fn stream(&self, rate: u32) -> PyResult<Stream> {
        check_sample_rate(rate).map_err(raised)?;
        let mut live = LivePredictor::new(&self.file).map_err(raised)?;
        if let Some(profile) = &self.profile {
            live = live.with_profile(profile).map_err(raised)?;
        }
        Ok(Stream { resampler: Resampler::new(rate, live.sample_rate()), live, has_ended: false })
    }
}

impl Model {
    fn of(file: ModelFile) -> PyResult<Self> {
        let predictor = Predictor::new(file.clone()).map_err(raised)?;
        Ok(Model { file, predictor, profile: None })
    }
}

/// A recording that is still going on.
#[pyclass(module = "reslstm._engine")]
struct Stream {
    resampler: Resampler,
    live: LivePredictor,
    has_ended: bool,
}

#[pymethods]
impl Stream {
    /// Time in seconds and prediction of every frame that these samples complete.
    fn push(&mut self, py: Python<'_>, samples: PyReadonlyArray1<'_, f32>) -> PyResult<Vec<(f64, Parts)>> {
        self.check_open()?;
        let samples = samples.as_slice()?.to_vec();
        py.detach(|| {
            check_samples(0, &samples)?;
            let mut moments = Vec::new();
            self.resampler.push(&samples, &mut |samples| {
                moments.extend(self.live.push(samples)?);
                Ok(())
            })?;
            Ok(moments)
        })
        .map(timed)
        .map_err(raised)
    }

    /// Ends the recording: its last frames.
    fn finish(&mut self) -> PyResult<Vec<(f64, Parts)>> {
        self.check_open()?;
        self.has_ended = true;
        let mut moments = Vec::new();
        let last = self.resampler.finish(&mut |samples| {
            moments.extend(self.live.push(samples)?);
            Ok(())
        });
        last.map_err(raised)?;
        moments.extend(self.live.finish().map_err(raised)?);
        Ok(timed(moments))
    }
}

impl Stream {
    fn check_open(&self) -> PyResult<()> {
        if self.has_ended {
            return Err(PyValueError::new_err("the stream has ended: begin another one"));
        }
        Ok(())
    }
}

fn timed(moments: Vec<Moment>) -> Vec<(f64, Parts)> {
    moments.into_iter().map(|moment| (moment.time, parts(moment.prediction))).collect()
}

/// Features `[T,D]` of samples at `rate` Hz, not normalised. A feature set that has its own rate is computed at that.
#[pyfunction]
fn features<'py>(
    py: Python<'py>,
    samples: PyReadonlyArray1<'_, f32>,
    rate: u32,
    inputs: &str,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let inputs = inputs.parse::<Inputs>().map_err(raised)?;
    let samples = samples.as_slice()?.to_vec();
    let features = py.detach(|| {
        let sample_rate = inputs.sample_rate().unwrap_or(rate);
        let samples = resampled(&samples, rate, sample_rate)?;
        FrontEnd::new(inputs.features(), sample_rate)?.features(&samples)
    });
    array(py, &features.map_err(raised)?)
}

/// A model trained on features `[T,D]` of clips, their class names and speakers. `settings` is JSON, as a configuration file has
/// it; the rate of the recordings and the settings' feature set tell how the features were made, as [`features`] does.
#[pyfunction]
fn train(
    py: Python<'_>,
    clips: Vec<PyReadonlyArray2<'_, f32>>,
    labels: Vec<String>,
    speakers: Vec<String>,
    rate: u32,
    settings: &str,
    on_epoch: Option<Py<PyAny>>,
) -> PyResult<Model> {
    let wrong = |error: serde_json::Error| PyValueError::new_err(format!("settings: {error}"));
    let settings = serde_json::from_str::<Settings>(settings).map_err(wrong)?.check().map_err(raised)?;
    let mut names = labels.clone();
    names.sort();
    names.dedup();
    let class = |label: &String| names.binary_search(label).expect("every label is a class");
    let clips = clips.iter().zip(&labels).zip(speakers).enumerate().map(|(n, ((features, label), speaker))| {
        Ok(Clip { name: format!("clip {n}"), label: class(label), speaker, features: matrix(features)? })
    });
    let clips = clips.collect::<PyResult<Vec<_>>>()?;
    let sample_rate = settings.inputs.sample_rate().unwrap_or(rate);
    let features = settings.features(sample_rate).map_err(raised)?;
    // The error of the caller's function, or Ctrl-C, ends the training.
    let after_epoch = |epoch: usize, loss: f64| {
        Python::attach(|py| {
            py.check_signals()?;
            on_epoch.as_ref().map_or(Ok(()), |on_epoch| on_epoch.call1(py, (epoch, loss)).map(drop))
        })
    };
    let file = py.detach(|| {
        let dataset = Dataset::new(Labels::new(names).map_err(raised)?, clips).map_err(raised)?;
        let task = Task::for_all(&dataset, &settings).map_err(raised)?;
        let mut training = Training::new(&settings, &task, Identity::new(&settings, 0, None, "").seed());
        while !training.is_finished() {
            let epoch = training.epochs_done();
            let loss = training.epoch(&|| 0.0).map_err(raised)?.loss;
            after_epoch(epoch, loss)?;
        }
        let data = TrainingData {
            dataset: &dataset,
            sample_rate,
            features: &features,
            fingerprint: "",
            content: "",
            licence: "",
        };
        model_file(&data, &settings, 0, None, &task, training.finish()).map_err(raised)
    });
    Model::of(file?)
}

#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Model>()?;
    module.add_class::<Stream>()?;
    module.add_function(wrap_pyfunction!(features, module)?)?;
    module.add_function(wrap_pyfunction!(train, module)?)
}
