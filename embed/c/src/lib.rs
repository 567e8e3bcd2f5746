//! The engine for programs in C: model files and samples in, labels and probabilities out.
//!
//! `reslstm.h` is made from this file. Whatever a caller does, short of using a handle after freeing it, gives a status and
//! a text: pointers are checked for NULL, lengths against what is needed, and no panic leaves a function.

#![allow(non_camel_case_types)]
#![deny(unsafe_op_in_unsafe_fn, missing_docs)]

use std::cell::RefCell;
use std::ffi::{c_char, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null;
use std::sync::{Mutex, MutexGuard};

use engine::audio::{Recording, Resampler, Sound};
use engine::error::{Error, Kind};
use engine::models::{LivePredictor, ModelFile, Moment, Prediction, Predictor, Profile};

/// What came of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum reslstm_status {
    /// Done.
    Ok = 0,
    /// A pointer is NULL that must not be.
    Null = 1,
    /// An array has not one place per class.
    Size = 2,
    /// The model file is damaged, or of another kind; or the model or the profile does not allow what was asked for.
    Model = 3,
    /// The sound cannot be decoded, is empty, or has samples that are not finite.
    Audio = 4,
    /// The stream has ended, or has no prediction yet.
    State = 5,
    /// A fault of the library. Please report it.
    Internal = 6,
}

use reslstm_status as Status;

/// Level of a sound, whether somebody speaks in it, and how unlike the sounds of the training it is. Where nobody speaks, the most
/// probable label says nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct reslstm_sound {
    /// Mean level in dB of full scale; minus infinity for digital silence.
    pub level: f64,
    /// Share of the sound in which a voice is heard, 0 to 1.
    pub speech: f64,
    /// Whether somebody speaks.
    pub has_speech: bool,
    /// How unlike the clips of the training: near 1 for one of them, larger the less the model knows such sounds; NaN for a
    /// model that cannot say it.
    pub unlike: f32,
}

/// A trained model.
pub struct reslstm_model {
    file: ModelFile,
    labels: Vec<CString>,
    sample_rate: u32,
    state: Mutex<State>,
}

struct State {
    predictor: Predictor,
    /// Of the enrolled speaker.
    profile: Option<Profile>,
}

/// A recording that is still going on.
pub struct reslstm_stream {
    classes: usize,
    state: Mutex<Stream>,
}

struct Stream {
    resampler: Resampler,
    live: LivePredictor,
    latest: Option<Moment>,
    has_ended: bool,
}

/// Why a call failed.
struct Failure(Status, String);

type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Model | Kind::Data | Kind::Features => Status::Model,
            Kind::Audio => Status::Audio,
            _ => Status::Internal,
        };
        Failure(status, error.to_string())
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs `work`, keeps the text of its failure for [`reslstm_last_error`].
fn status(work: impl FnOnce() -> Outcome) -> Status {
    // What a panic leaves half-changed is behind a mutex, which it poisons: no later call uses that.
    let outcome = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure(Status::Internal, "a fault of the library: please report it".into())));
    let (status, text) = match outcome {
        Ok(()) => (Status::Ok, String::new()),
        Err(Failure(status, text)) => (status, text),
    };
    LAST_ERROR.with_borrow_mut(|last| *last = c_string(&text));
    status
}

/// Text without its zero bytes, of which C would see the end.
fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).expect("no zero bytes are left")
}

fn is_null(name: &str) -> Failure {
    Failure(Status::Null, format!("{name}: expected a pointer, got NULL"))
}

/// The state of a handle, unless a panic has left it half-changed.
fn locked<T>(state: &Mutex<T>) -> Outcome<MutexGuard<'_, T>> {
    let problem = "a fault of the library in an earlier call: free this model or stream, and make another one";
    state.lock().map_err(|_| Failure(Status::Internal, problem.into()))
}

/// # Safety
/// `pointer` is NULL or points to a value that lives, and is not written, for `'a`.
unsafe fn reference<'a, T>(name: &str, pointer: *const T) -> Outcome<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| is_null(name))
}

/// # Safety
/// `pointer` is NULL, or may be written.
unsafe fn place<'a, T>(name: &str, pointer: *mut T) -> Outcome<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| is_null(name))
}

/// # Safety
/// `pointer` is NULL or points to `length` values that live, and are not written, for `'a`.
unsafe fn slice<'a, T>(name: &str, pointer: *const T, length: usize) -> Outcome<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(is_null(name));
    }
    if length > isize::MAX as usize / size_of::<T>() {
        return Err(Failure(Status::Size, format!("{name}: no memory holds {length} values")));
    }
    // SAFETY: neither NULL nor longer than memory can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// Writes a prediction to the caller's places.
///
/// # Safety
/// `probabilities` is NULL or has `classes` places; `sound` is NULL or may be written.
unsafe fn write_prediction(
    prediction: &Prediction,
    probabilities: *mut f32,
    classes: usize,
    sound: *mut reslstm_sound,
) -> Outcome {
    if classes != prediction.probabilities.len() {
        let expected = prediction.probabilities.len();
        return Err(Failure(Status::Size, format!("classes: expected {expected}, got {classes}")));
    }
    if probabilities.is_null() {
        return Err(is_null("probabilities"));
    }
    // SAFETY: not NULL, and of `classes` places by the caller's promise; the two cannot overlap, ours is on the heap.
    unsafe { std::ptr::copy_nonoverlapping(prediction.probabilities.as_ptr(), probabilities, classes) };
    // SAFETY: the caller's promise. Callers who do not need it pass NULL.
    if let (Some(place), Some(Sound { level, speech, has_speech, .. })) = (unsafe { sound.as_mut() }, prediction.sound)
    {
        *place = reslstm_sound { level, speech, has_speech, unlike: prediction.unlike.unwrap_or(f32::NAN) };
    }
    Ok(())
}

/// Why the last call of this thread that returns a status failed: what, where, expected, got, what to do. Empty if it did not.
/// Valid until the thread's next call.
#[no_mangle]
pub extern "C" fn reslstm_last_error() -> *const c_char {
    LAST_ERROR.with_borrow(|last| last.as_ptr())
}

/// The version of the library, such as "0.1.0".
#[no_mangle]
pub extern "C" fn reslstm_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Reads a model from the bytes of its file. They are copied. The model is written to `model`; free it with reslstm_model_free.
///
/// # Safety
/// `bytes` is NULL or has `length` bytes; `model` is NULL or may be written.
#[no_mangle]
pub unsafe extern "C" fn reslstm_model_load(
    bytes: *const u8,
    length: usize,
    model: *mut *mut reslstm_model,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promises.
        let (place, bytes) = unsafe { (place("model", model)?, slice("bytes", bytes, length)?) };
        *place = std::ptr::null_mut();
        let file = ModelFile::from_bytes(bytes)?;
        let labels = file.labels().iter().map(|label| c_string(label)).collect();
        let predictor = Predictor::new(file.clone())?;
        let sample_rate = predictor.sample_rate()?;
        let state = Mutex::new(State { predictor, profile: None });
        let model = reslstm_model { file, labels, sample_rate, state };
        *place = Box::into_raw(Box::new(model));
        Ok(())
    })
}

/// Frees a model. NULL is ignored.
///
/// # Safety
/// `model` is NULL or comes from reslstm_model_load, and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn reslstm_model_free(model: *mut reslstm_model) {
    if !model.is_null() {
        // SAFETY: made by `Box::into_raw`, and given up by the caller.
        drop(unsafe { Box::from_raw(model) });
    }
}

/// Enrols a speaker: from now on, predictions and new streams are of the speaker whose profile these bytes are, a file that
/// `reslstm enrol` wrote. With a `length` of 0, they are of any speaker again. The status is RESLSTM_STATUS_MODEL for a model that
/// was not trained with enrolment, and for a profile of other features.
///
/// # Safety
/// `model` is NULL or comes from reslstm_model_load; `profile` is NULL or has `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn reslstm_model_enrol(
    model: *const reslstm_model,
    profile: *const u8,
    length: usize,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promises.
        let (model, bytes) = unsafe { (reference("model", model)?, slice("profile", profile, length)?) };
        let profile = (length > 0).then(|| Profile::from_json(bytes)).transpose()?;
        let mut state = locked(&model.state)?;
        state.predictor.set_profile(profile.as_ref())?;
        state.profile = profile;
        Ok(())
    })
}

/// Number of classes; 0 for NULL.
///
/// # Safety
/// `model` is NULL or comes from reslstm_model_load.
#[no_mangle]
pub unsafe extern "C" fn reslstm_model_classes(model: *const reslstm_model) -> usize {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(0, |model| model.labels.len())
}

/// Name of class `index`, from 0, in UTF-8; NULL for NULL and for a class that there is not. Valid as long as the model.
///
/// # Safety
/// `model` is NULL or comes from reslstm_model_load.
#[no_mangle]
pub unsafe extern "C" fn reslstm_model_label(model: *const reslstm_model, index: usize) -> *const c_char {
    // SAFETY: the caller's promise.
    let label = unsafe { model.as_ref() }.and_then(|model| model.labels.get(index));
    label.map_or(null(), |label| label.as_ptr())
}

/// The sample rate of the model's training recordings, Hz; 0 for NULL. Sound at other rates is resampled to it.
///
/// # Safety
/// `model` is NULL or comes from reslstm_model_load.
#[no_mangle]
pub unsafe extern "C" fn reslstm_model_sample_rate(model: *const reslstm_model) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(0, |model| model.sample_rate)
}

/// Predicts the emotion of a recording: `length` samples of one channel, full scale -1 to 1, at `sample_rate` Hz. Writes the
/// probability of each class, and level and speech of the sound to `sound`, which may be NULL.
///
/// # Safety
/// `model` comes from reslstm_model_load; `samples` has `length` values, `probabilities` has `classes` places; each, and
/// `sound`, may be NULL.
#[no_mangle]
pub unsafe extern "C" fn reslstm_predict(
    model: *const reslstm_model,
    samples: *const f32,
    length: usize,
    sample_rate: u32,
    probabilities: *mut f32,
    classes: usize,
    sound: *mut reslstm_sound,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promises.
        let (model, samples) = unsafe { (reference("model", model)?, slice("samples", samples, length)?) };
        let prediction = model.predict(samples, sample_rate)?;
        // SAFETY: the caller's promises.
        unsafe { write_prediction(&prediction, probabilities, classes, sound) }
    })
}

/// Predicts the emotion of a WAV file, given its bytes; several channels become their mean. As reslstm_predict otherwise.
///
/// # Safety
/// As reslstm_predict; `wav` is NULL or has `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn reslstm_predict_wav(
    model: *const reslstm_model,
    wav: *const u8,
    length: usize,
    probabilities: *mut f32,
    classes: usize,
    sound: *mut reslstm_sound,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promises.
        let (model, wav) = unsafe { (reference("model", model)?, slice("wav", wav, length)?) };
        let Recording { sample_rate, samples } = Recording::from_wav(wav)?;
        let prediction = model.predict(&samples, sample_rate)?;
        // SAFETY: the caller's promises.
        unsafe { write_prediction(&prediction, probabilities, classes, sound) }
    })
}

/// Begins a recording at `sample_rate` Hz whose samples come in portions. The stream is written to `stream`; free it with
/// reslstm_stream_free. The model may be freed before.
///
/// # Safety
/// `model` is NULL or comes from reslstm_model_load; `stream` is NULL or may be written.
#[no_mangle]
pub unsafe extern "C" fn reslstm_stream_new(
    model: *const reslstm_model,
    sample_rate: u32,
    stream: *mut *mut reslstm_stream,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promises.
        let (place, model) = unsafe { (place("stream", stream)?, reference("model", model)?) };
        *place = std::ptr::null_mut();
        let mut live = LivePredictor::new(&model.file)?;
        if let Some(profile) = &locked(&model.state)?.profile {
            live = live.with_profile(profile)?;
        }
        let resampler = model.resampler(sample_rate)?;
        let state = Mutex::new(Stream { resampler, live, latest: None, has_ended: false });
        *place = Box::into_raw(Box::new(reslstm_stream { classes: model.labels.len(), state }));
        Ok(())
    })
}

/// Takes the next `length` samples of a stream, full scale -1 to 1. Memory does not grow.
///
/// # Safety
/// `stream` is NULL or comes from reslstm_stream_new; `samples` is NULL or has `length` values.
#[no_mangle]
pub unsafe extern "C" fn reslstm_stream_push(
    stream: *const reslstm_stream,
    samples: *const f32,
    length: usize,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promises.
        let (stream, samples) = unsafe { (reference("stream", stream)?, slice("samples", samples, length)?) };
        engine::audio::check_samples(0, samples)?;
        stream.advance(|Stream { resampler, live, latest, .. }| {
            resampler.push(samples, &mut |samples| keep(live.push(samples)?, latest))
        })
    })
}

/// Ends a stream: the last frames are read. Nothing can be pushed after it.
///
/// # Safety
/// `stream` is NULL or comes from reslstm_stream_new.
#[no_mangle]
pub unsafe extern "C" fn reslstm_stream_finish(stream: *const reslstm_stream) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promise.
        let stream = unsafe { reference("stream", stream)? };
        stream.advance(|Stream { resampler, live, latest, has_ended }| {
            *has_ended = true;
            resampler.finish(&mut |samples| keep(live.push(samples)?, latest))?;
            keep(live.finish()?, latest)
        })
    })
}

/// The latest prediction of a stream: of all of it so far. Writes the time of its last frame, in seconds from the beginning, to
/// `seconds` and level and speech to `sound`, both of which may be NULL, and the probability of each class. The status is
/// RESLSTM_STATUS_STATE as long as there is none.
///
/// # Safety
/// `stream` comes from reslstm_stream_new; `probabilities` has `classes` places; each, `seconds` and `sound` may be NULL.
#[no_mangle]
pub unsafe extern "C" fn reslstm_stream_latest(
    stream: *const reslstm_stream,
    seconds: *mut f64,
    probabilities: *mut f32,
    classes: usize,
    sound: *mut reslstm_sound,
) -> reslstm_status {
    status(|| {
        // SAFETY: the caller's promise.
        let stream = unsafe { reference("stream", stream)? };
        let state = locked(&stream.state)?;
        let Some(Moment { time, prediction, .. }) = &state.latest else {
            return Err(Failure(Status::State, "the stream has no prediction yet: push more samples".into()));
        };
        // SAFETY: the caller's promises.
        unsafe {
            write_prediction(prediction, probabilities, classes, sound)?;
            if let Some(place) = seconds.as_mut() {
                *place = *time;
            }
        }
        Ok(())
    })
}

/// Number of classes of a stream's model; 0 for NULL.
///
/// # Safety
/// `stream` is NULL or comes from reslstm_stream_new.
#[no_mangle]
pub unsafe extern "C" fn reslstm_stream_classes(stream: *const reslstm_stream) -> usize {
    // SAFETY: the caller's promise.
    unsafe { stream.as_ref() }.map_or(0, |stream| stream.classes)
}

/// Frees a stream. NULL is ignored.
///
/// # Safety
/// `stream` is NULL or comes from reslstm_stream_new, and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn reslstm_stream_free(stream: *mut reslstm_stream) {
    if !stream.is_null() {
        // SAFETY: made by `Box::into_raw`, and given up by the caller.
        drop(unsafe { Box::from_raw(stream) });
    }
}

impl reslstm_model {
    fn resampler(&self, sample_rate: u32) -> Outcome<Resampler> {
        engine::audio::check_sample_rate(sample_rate)?;
        Ok(Resampler::new(sample_rate, self.sample_rate))
    }

    fn predict(&self, samples: &[f32], sample_rate: u32) -> Outcome<Prediction> {
        let mut resampler = self.resampler(sample_rate)?;
        engine::audio::check_samples(0, samples)?;
        let mut state = locked(&self.state)?;
        Ok(state.predictor.predict_blocks(|sink| {
            resampler.push(samples, sink)?;
            resampler.finish(sink)
        })?)
    }
}

impl reslstm_stream {
    /// Changes the state of a stream that has not ended.
    fn advance(&self, change: impl FnOnce(&mut Stream) -> engine::error::Result<()>) -> Outcome {
        let mut state = locked(&self.state)?;
        if state.has_ended {
            return Err(Failure(Status::State, "the stream has ended: begin another one".into()));
        }
        Ok(change(&mut state)?)
    }
}

/// Keeps the last of the new moments.
fn keep(moments: Vec<Moment>, latest: &mut Option<Moment>) -> engine::error::Result<()> {
    if let Some(moment) = moments.into_iter().next_back() {
        *latest = Some(moment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null_mut;

    /// Panics in the middle of a change, as a fault of the library would.
    fn fault<T>(state: &Mutex<T>) {
        let failed = status(|| {
            let _changing = locked(state)?;
            panic!("a fault, on purpose");
        });
        assert_eq!(failed, Status::Internal);
    }

    fn refused(got: Status) {
        let text = LAST_ERROR.with_borrow(|last| last.to_str().expect("text").to_string());
        assert!(got == Status::Internal && text.contains("in an earlier call: free this"), "{text}");
    }

    #[test]
    fn after_a_panic_a_handle_gives_an_error() {
        let bytes = include_bytes!("../../../fuzz/seeds/model/telephone.safetensors");
        let (mut model, mut stream) = (null_mut(), null_mut());
        let samples = [0.25f32; 4_000];
        let mut probabilities = [0.0f32; 64];
        // SAFETY: handles and arrays live, and have the lengths that are said.
        unsafe {
            assert_eq!(reslstm_model_load(bytes.as_ptr(), bytes.len(), &mut model), Status::Ok);
            assert_eq!(reslstm_stream_new(model, 8_000, &mut stream), Status::Ok);
            let classes = reslstm_model_classes(model);
            let mut predict = || {
                reslstm_predict(model, samples.as_ptr(), 4_000, 8_000, probabilities.as_mut_ptr(), classes, null_mut())
            };
            assert_eq!(predict(), Status::Ok);
            fault(&(*model).state);
            refused(predict());
            refused(reslstm_model_enrol(model, null(), 0));
            let mut other = null_mut();
            refused(reslstm_stream_new(model, 8_000, &mut other));
            assert!(other.is_null());
            // The stream has a state of its own.
            assert_eq!(reslstm_stream_push(stream, samples.as_ptr(), 4_000), Status::Ok);
            fault(&(*stream).state);
            refused(reslstm_stream_push(stream, samples.as_ptr(), 4_000));
            refused(reslstm_stream_finish(stream));
            reslstm_stream_free(stream);
            reslstm_model_free(model);
        }
    }
}
