//! A network read where its file is, such as flash memory: the matrices of its LSTMs, nearly all of its weights, are not copied.

use super::file::{Shape, check_values, expect_shape, fill, infer, unknown_tensor};
use super::stored::{self, SCALE};
use super::tensors::Tensors;
use super::{Architecture, Family};
use crate::error::Result;
use crate::kernels::StoredMatrix;
use crate::layers::{Attention, BatchNorm, Linear, RunningLstm};
use crate::params::{Parameters, Path};
use crate::prelude::*;

/// What [`StreamingModel`](super::StreamingModel) is built from, before the first frame.
pub(super) struct StoredNetwork {
    pub shape: Shape,
    /// LSTM1 and its batch norm.
    pub residual: Option<(RunningLstm<f32>, BatchNorm<f32>)>,
    pub lstm: RunningLstm<f32>,
    pub attention: Attention<f32>,
    pub bn: BatchNorm<f32>,
    pub fc: Linear<f32>,
}

impl StoredNetwork {
    /// The network of these tensors, all of them.
    pub(super) fn read(tensors: &Tensors<'static>) -> Result<Self> {
        let shape = infer(tensors)?;
        let (architecture, inputs, classes) = shape;
        let (hidden, vectors) = (architecture.hidden(), architecture.vectors());
        let mut reader = Reader { tensors, unread: tensors.keys().map(String::as_str).collect() };
        let has_residual = architecture.family() == Family::ResLstmSa;
        let residual = has_residual.then(|| {
            let lstm = reader.lstm("lstm1", inputs, inputs)?;
            Ok((lstm, reader.layer("bn_residual", BatchNorm::init(inputs))?))
        });
        let network = StoredNetwork {
            shape,
            residual: residual.transpose()?,
            lstm: reader.lstm(if has_residual { "lstm2" } else { "lstm" }, inputs, hidden)?,
            attention: reader.layer("", Attention::zeros(hidden, vectors))?,
            bn: reader.layer("bn", BatchNorm::init(hidden))?,
            fc: reader.layer("fc", Linear::zeros(hidden, classes))?,
        };
        reader.finish(architecture)?;
        Ok(network)
    }
}

struct Reader<'t> {
    tensors: &'t Tensors<'static>,
    /// Names of tensors that were not read yet.
    unread: Vec<&'t str>,
}

impl Reader<'_> {
    fn has_read(&mut self, name: &str) {
        self.unread.retain(|other| *other != name && other.strip_suffix(SCALE) != Some(name));
    }

    /// Fills a small layer.
    fn layer<L: Parameters<f32>>(&mut self, name: &str, mut layer: L) -> Result<L> {
        let mut done = Ok(());
        layer.visit_mut(&Path::ROOT.child(name), &mut |path, _, shape, values| {
            if done.is_ok() {
                let name = path.to_string();
                self.has_read(&name);
                done = fill(self.tensors, &name, shape, values).and_then(|()| check_values(&name, shape, 0, values));
            }
        });
        done.map(|()| layer)
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<StoredMatrix> {
        expect_shape(self.tensors, name, &shape)?;
        self.has_read(name);
        let matrix = stored::matrix(self.tensors, name)?;
        for row in 0..shape[0] {
            check_values(name, &shape, row * shape[1], &matrix.row(row))?;
        }
        Ok(matrix)
    }

    fn lstm(&mut self, name: &str, inputs: usize, hidden: usize) -> Result<RunningLstm<f32>> {
        let ih = self.matrix(&format!("{name}.weight_ih_l0"), [4 * hidden, inputs])?;
        let hh = self.matrix(&format!("{name}.weight_hh_l0"), [4 * hidden, hidden])?;
        let mut bias = |which: &str| self.layer(&format!("{name}.bias_{which}_l0"), vec![0.0; 4 * hidden]);
        let (mut sum, bias_hh) = (bias("ih")?, bias("hh")?);
        sum.iter_mut().zip(bias_hh).for_each(|(sum, bias)| *sum += bias);
        Ok(RunningLstm::in_place(ih, hh, sum))
    }

    fn finish(self, architecture: Architecture) -> Result<()> {
        self.unread.first().map_or(Ok(()), |name| Err(unknown_tensor(name, architecture)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FeatureSettings;
    use crate::error::Kind;
    use crate::matrix::Matrix;
    use crate::models::{LivePredictor, Metadata, Model, ModelFile, Precision, TrainingClips};
    use crate::rng::RandomStream;

    const RATE: u32 = 8_000;

    fn files() -> Vec<Vec<u8>> {
        let features = FeatureSettings { n_fft: 512, hop: 256, mel_bands: 16, mfcc: 3, ..FeatureSettings::default() };
        let labels = ["calm", "cross", "fed up"].map(String::from).to_vec();
        let metadata = |name: &str| {
            let mut metadata = Metadata::new(name.into(), labels.clone().try_into().unwrap(), RATE, features.clone());
            metadata.mean = (0..15).map(|column| f64::from(column) - 40.3).collect();
            metadata.std = (0..15).map(|column| 1.7 + f64::from(column)).collect();
            metadata
        };
        let model = |name: &str, inputs: usize| {
            Model::init(name.parse().unwrap(), inputs, 3, &mut RandomStream::new(2, name, inputs as u64))
        };
        let plain = |name: &str| ModelFile::new(model(name, 15), Some(metadata(name))).unwrap();
        let mut of_branches = metadata("lstm-sa-h5 + reslstm-sa-h4-2vectors");
        of_branches.branches = "mfcc,chroma".parse().unwrap();
        let networks = vec![model("lstm-sa-h5", 3), model("reslstm-sa-h4-2vectors", 12)];
        // With training clips from which the temperature grows.
        (of_branches.temperature, of_branches.temperature_growth) = (Some(1.2), Some(0.7));
        let mut stream = RandomStream::new(6, "clips", 0);
        let clip = |_| Matrix::from_vec(2, 15, (0..30).map(|_| stream.normal() as f32).collect());
        let clips: Vec<Matrix<f32>> = (0..9).map(clip).collect();
        let branches = ModelFile::with_branches(networks, of_branches).unwrap();
        let branches = branches.with_training_clips(TrainingClips::fit(&clips)).unwrap();
        let files = [plain("lstm-sa-h5"), plain("reslstm-sa-h18"), branches];
        let bytes =
            |file: &ModelFile| [file.to_bytes(), file.to_bytes_with(Precision::F16), file.to_bytes_with(Precision::I8)];
        files.iter().flat_map(bytes).collect()
    }

    /// A file at an odd address.
    fn unaligned(bytes: &[u8]) -> &'static [u8] {
        let mut moved = vec![0; 8 + bytes.len()];
        let first = 1 + moved.as_ptr().align_offset(4);
        moved[first..first + bytes.len()].copy_from_slice(bytes);
        &moved.leak()[first..first + bytes.len()]
    }

    #[test]
    fn a_model_in_place_predicts_what_its_copy_predicts() {
        let mut stream = RandomStream::new(9, "noise", 0);
        let samples: Vec<f32> = (0..4_000).map(|_| (0.1 * stream.normal()) as f32).collect();
        for bytes in files() {
            let mut copied = LivePredictor::new(&ModelFile::from_bytes(&bytes).unwrap()).unwrap();
            let mut in_place = LivePredictor::from_static(unaligned(&bytes)).unwrap();
            assert_eq!(in_place.labels(), copied.labels());
            // Twice: the second recording must not depend on the first.
            for _ in 0..2 {
                let [mut expected, mut got] = [&mut copied, &mut in_place].map(|live| live.push(&samples).unwrap());
                expected.extend(copied.finish().unwrap());
                got.extend(in_place.finish().unwrap());
                assert_eq!((got.len(), expected.len()), (16, 16));
                for (got, expected) in got.iter().zip(&expected) {
                    for (got, expected) in got.prediction.probabilities.iter().zip(&expected.prediction.probabilities) {
                        approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-6);
                    }
                }
            }
        }
    }

    /// What [`ModelFile::from_bytes`] refuses is refused in place, and nothing else, without a panic.
    fn assert_same_verdict(bytes: &[u8]) {
        let copied = ModelFile::from_bytes(bytes).and_then(|file| LivePredictor::new(&file));
        match (LivePredictor::from_static(unaligned(bytes)), copied) {
            (Ok(_), Ok(_)) => {}
            (Err(got), Err(expected)) => {
                assert_eq!((got.kind(), expected.kind()), (Kind::Model, Kind::Model), "{got}, {expected}");
            }
            (got, expected) => panic!("{:?} in place, {:?} as a copy", got.err(), expected.err()),
        }
    }

    #[test]
    fn files_cut_off_or_with_flipped_bits_are_refused_as_their_copies_are() {
        let mut stream = RandomStream::new(3, "flips", 0);
        for bytes in files() {
            for length in (0..bytes.len()).step_by(1 + bytes.len() / 150) {
                assert_same_verdict(&bytes[..length]);
            }
            for place in 0..600 {
                // The header is a small part of the file, and most that can be wrong is there.
                let header = 8 + usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
                let place = stream.below(if place % 3 == 0 { bytes.len() } else { header });
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << stream.below(8);
                assert_same_verdict(&flipped);
            }
        }
    }

    #[test]
    fn weights_that_are_not_finite_are_named_with_their_place() {
        let bytes = &files()[4];
        let file = crate::models::tensors::read(bytes).unwrap().0;
        let data = file["lstm2.weight_hh_l0"].data.as_ptr() as usize - bytes.as_ptr() as usize;
        let mut damaged = bytes.clone();
        damaged[data + 2 * (2 * 18 + 5)..][..2].copy_from_slice(&0x7c00u16.to_le_bytes());
        let in_place = LivePredictor::from_static(damaged.clone().leak()).err().unwrap().to_string();
        assert!(
            in_place.contains("tensor lstm2.weight_hh_l0: expected finite values, got inf in row 2, column 5"),
            "{in_place}"
        );
        assert_eq!(in_place, ModelFile::from_bytes(&damaged).unwrap_err().to_string());
    }
}
