//! The C interface, called as a C program calls it.

use crate::c_interface as c;
use std::ptr::null_mut;
use std::sync::LazyLock;

struct Model(*mut c::reslstm_model);
// SAFETY: the interface may be called from several threads.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

/// The model that sounds are given to, of short windows.
static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join(if path.ends_with("fuzz") { "seeds" } else { "../../fuzz/seeds" });
    let bytes = std::fs::read(path.join("model/telephone.safetensors")).expect("a seed");
    Model(load(&bytes).expect("a model"))
});

fn load(bytes: &[u8]) -> Option<*mut c::reslstm_model> {
    let mut model = null_mut();
    // SAFETY: the bytes and the place are there.
    let status = unsafe { c::reslstm_model_load(bytes.as_ptr(), bytes.len(), &mut model) };
    assert_eq!(status == c::reslstm_status::Ok, !model.is_null());
    assert_ne!(status, c::reslstm_status::Internal, "a fault of the library");
    (!model.is_null()).then_some(model)
}

/// Bytes of sound that are looked at: more are more of the same.
const SOUND: usize = 768;

/// The first byte says what the others are: a model file, a WAV file, or samples and the sizes of their portions.
pub fn c(bytes: &[u8]) {
    let [kind, bytes @ ..] = bytes else { return };
    let sound = &bytes[..bytes.len().min(SOUND)];
    match kind % 3 {
        0 => {
            if let Some(model) = load(bytes) {
                wav(model, &small_wav());
                // SAFETY: it is not used any more.
                unsafe { c::reslstm_model_free(model) };
            }
        }
        1 => wav(MODEL.0, &with_common_rate(sound)),
        _ => stream(sound),
    }
}

/// A WAV file whose rate, if it is one, is of whole kilohertz or common: the filter from another one is long to compute.
fn with_common_rate(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    if let Some(place) = file.get_mut(24..28) {
        let rate = u32::from_le_bytes([place[0], place[1], place[2], place[3]]);
        let is_common = rate <= 48_000 && rate % 50 == 0;
        if (1_000..=1_000_000).contains(&rate) && !is_common {
            place.copy_from_slice(&(1_000 + rate % 191_000 / 1_000 * 1_000).to_le_bytes());
        }
    }
    file
}

/// Eight milliseconds at 8 kHz.
fn small_wav() -> Vec<u8> {
    let mut file =
        b"RIFF\xa4\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\0\0\0".to_vec();
    file.extend((0..64i16).flat_map(|n| (n * n * 7).to_le_bytes()));
    file
}

fn wav(model: *mut c::reslstm_model, file: &[u8]) {
    // SAFETY: the model is alive.
    let classes = unsafe { c::reslstm_model_classes(model) };
    let mut probabilities = vec![f32::NAN; classes];
    let mut sound = c::reslstm_sound::default();
    // SAFETY: all places are there, with their lengths.
    let status = unsafe {
        let places = probabilities.as_mut_ptr();
        c::reslstm_predict_wav(model, file.as_ptr(), file.len(), places, classes, &mut sound)
    };
    check(status, &probabilities);
}

fn stream(bytes: &[u8]) {
    let [portion, bytes @ ..] = bytes else { return };
    // Every other one at the rate of the model: resampling takes most of the time.
    let rate = if portion % 2 == 0 { 8_000 } else { 1_000 + 200 * u32::from(*portion) };
    let samples: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&it| f32::from_le_bytes(it)).collect();
    let mut stream = null_mut();
    // SAFETY: the model is alive, and the place is there.
    let status = unsafe { c::reslstm_stream_new(MODEL.0, rate, &mut stream) };
    assert_eq!(status, c::reslstm_status::Ok);
    // SAFETY: the stream is alive until it is freed; samples and places have the lengths that are given.
    unsafe {
        for portion in samples.chunks(1 + usize::from(*portion)) {
            assert_ne!(c::reslstm_stream_push(stream, portion.as_ptr(), portion.len()), c::reslstm_status::Internal);
        }
        assert_ne!(c::reslstm_stream_finish(stream), c::reslstm_status::Internal);
        let mut probabilities = vec![f32::NAN; c::reslstm_stream_classes(stream)];
        let (places, classes) = (probabilities.as_mut_ptr(), probabilities.len());
        let status = c::reslstm_stream_latest(stream, null_mut(), places, classes, null_mut());
        check(status, &probabilities);
        c::reslstm_stream_free(stream);
    }
}

fn check(status: c::reslstm_status, probabilities: &[f32]) {
    assert_ne!(status, c::reslstm_status::Internal, "a fault of the library");
    if status == c::reslstm_status::Ok {
        assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "{probabilities:?}");
    }
}
