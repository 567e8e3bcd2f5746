//! Short-time Fourier transform (Eq. 1): the power of every frequency bin, frame by frame.
//!
//! | symbol | shape   | meaning                                                          |
//! |--------|---------|------------------------------------------------------------------|
//! | `N`    |         | length `n_fft` of the transform, samples                         |
//! | `L`    |         | window length, samples: `N`, or less                             |
//! | `B`    |         | frequency bins, `N/2 + 1`; bin `k` is `k · sample_rate / N` Hz   |
//! | `x`    | `[n]`   | samples of the clip                                              |
//! | `w`    | `[N]`   | periodic Hann window of `L` samples, zeros on both sides         |
//! | `P`    | `[T,B]` | power                                                            |
//!
//! Frames are *centred* (`librosa.stft`, `center=True`, `pad_mode="constant"`): frame `t` has sample `t·hop` in its
//! middle, and before the first and after the last sample there is silence.

use core::f64::consts::PI;

use super::FeatureSettings;
use super::fft::{Complex, Direction, Fft, Roots};
use crate::kernels::simd;
use crate::prelude::*;

/// A planned transform and its scratch: built once, used for every clip.
#[derive(Clone)]
pub(super) struct Stft {
    /// `w`, `[N]`
    window: Vec<f32>,
    /// Complex transform of `N/2` points.
    half: Fft,
    /// Of the length `N`.
    roots: Roots,
    /// A frame that reaches beyond the clip, with silence around, `[N]`; empty before the first.
    padded: Vec<f32>,
    /// `[N/2]`
    folded: Vec<Complex<f32>>,
}

impl Stft {
    /// `roots` are those of the length `N`.
    pub(super) fn new(settings: &FeatureSettings, roots: &Roots) -> Self {
        let n = settings.n_fft;
        Stft {
            window: padded_hann(settings.window(), n),
            roots: roots.clone(),
            padded: Vec::new(),
            folded: vec![Complex::default(); n / 2],
            half: Fft::new(roots, Direction::Forward),
        }
    }

    /// Power `[B]` of the one frame around sample `centre`.
    ///
    /// # Formula
    /// ```text
    /// P[t,k] = |Σ_j w[j]·x[t·hop − N/2 + j]·e^(−2πi·jk/N)|²     x = 0 outside the clip
    /// ```
    pub(super) fn frame_power(&mut self, samples: &[f32], centre: usize, power: &mut [f32]) {
        self.fold_frame(samples, centre);
        self.half.process(&mut self.folded);
        self.unfold(power);
    }

    /// The windowed frame around sample `centre`, two samples to a complex number: `folded[j] = w·x at 2j + i·(w·x at 2j+1)`.
    fn fold_frame(&mut self, samples: &[f32], centre: usize) {
        let n = self.window.len();
        // Places are counted from the frame's beginning, which may lie N/2 before that of the clip.
        let first = (n / 2).saturating_sub(centre);
        let last = (samples.len() + n / 2 - centre).min(n);
        let inside = &samples[centre + first - n / 2..centre + last - n / 2];
        let frame = if inside.len() == n {
            inside
        } else {
            self.padded.clear();
            self.padded.resize(n, 0.0);
            self.padded[first..last].copy_from_slice(inside);
            &self.padded
        };
        let (x, w) = (frame.as_chunks::<2>().0, self.window.as_chunks::<2>().0);
        for ((z, x), w) in self.folded.iter_mut().zip(x).zip(w) {
            *z = Complex::new(x[0] * w[0], x[1] * w[1]);
        }
    }

    /// Power `[B]` of the real frame whose folded transform is `folded`.
    ///
    /// # Derivation
    /// `N` real values were folded into `M = N/2` complex ones, even places real, odd places imaginary, so their transform
    /// is `Z = E + i·O`, with `E` and `O` the spectra of the even and the odd places. Those of real values are symmetric,
    /// `E[M−k] = E[k]*` and `O[M−k] = O[k]*`, which takes the two apart again:
    /// ```text
    /// 2·E[k] = Z[k] + Z[M−k]*        2i·O[k] = Z[k] − Z[M−k]*        X[k] = E[k] + W^k·O[k]
    /// ```
    /// Half the length is half the time. (So are two frames in one transform, but the rounding of a loud frame would leak
    /// into a silent one, whose chroma must be exactly zero.)
    fn unfold(&self, power: &mut [f32]) {
        let (z, m) = (&self.folded[..], self.folded.len());
        // Z has period M, so Z[0] stands in for Z[M] too: E[0] is its real part, O[0] its imaginary part, W^M = −1.
        power[0] = (z[0].re + z[0].im).powi(2);
        power[m] = (z[0].re - z[0].im).powi(2);
        simd!(|_| {
            // z[m − k], the partner of z[k]
            let mirrored = z[1..].iter().rev();
            for (((p, a), b), w) in power[1..].iter_mut().zip(&z[1..]).zip(mirrored).zip(&self.roots[1..]) {
                let twice_even = Complex::new(a.re + b.re, a.im - b.im);
                let twice_odd = Complex::new(a.im + b.im, b.re - a.re);
                *p = 0.25 * (twice_even + w * twice_odd).norm_sqr();
            }
        });
    }
}

/// The Hann window of `length` samples in the middle of `n`, zeros around it; of an odd number of zeros, one more is behind
/// (`librosa.util.pad_center`).
pub(super) fn padded_hann(length: usize, n: usize) -> Vec<f32> {
    let mut window = vec![0.0; n];
    let first = (n - length) / 2;
    window[first..first + length].copy_from_slice(&hann(length));
    window
}

/// The periodic Hann window, `w[j] = sin²(πj/N)`: its `N` values are one whole period (the symmetric one has `N − 1`).
fn hann(n: usize) -> Vec<f32> {
    (0..n).map(|j| (PI * j as f64 / n as f64).sin().powi(2) as f32).collect()
}

/// Power `[T,B]` of all frames of `samples` `[n]`, `T = 1 + n / hop`.
#[cfg(test)]
pub(super) fn power(settings: &FeatureSettings, samples: &[f32]) -> crate::matrix::Matrix<f32> {
    let mut stft = Stft::new(settings, &super::fft::roots(settings.n_fft));
    // What was in the scratch and in the output before must not matter.
    stft.padded.resize(settings.n_fft, f32::NAN);
    stft.folded.fill(Complex::new(f32::NAN, f32::NAN));
    let mut power = crate::matrix::Matrix::zeros(settings.frames(samples.len()), settings.bins());
    power.fill(f32::NAN);
    for t in 0..power.rows() {
        stft.frame_power(samples, t * settings.hop, power.row_mut(t));
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::rng::RandomStream;
    use core::f64::consts::TAU;

    /// The formula term by term, O(n²) and in f64.
    fn power_by_definition(samples: &[f32], n: usize, length: usize, hop: usize) -> Vec<Vec<f64>> {
        let value = |i: isize| usize::try_from(i).ok().and_then(|i| samples.get(i)).map_or(0.0, |&x| f64::from(x));
        let bin = |t: usize, k: usize| {
            let mut sum = Complex::new(0.0, 0.0);
            for i in 0..length {
                let j = i + (n - length) / 2;
                let w = 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos();
                let x = value((t * hop + j) as isize - (n / 2) as isize);
                sum += Complex::from_polar(w * x, -TAU * ((j * k) % n) as f64 / n as f64);
            }
            sum.norm_sqr()
        };
        (0..=samples.len() / hop).map(|t| (0..=n / 2).map(|k| bin(t, k)).collect()).collect()
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut stream = RandomStream::new(1, "noise", length as u64);
        (0..length).map(|_| stream.between(-1.0, 1.0) as f32).collect()
    }

    fn power(samples: &[f32], n_fft: usize, length: usize, hop: usize) -> Matrix<f32> {
        let win_length = (length < n_fft).then_some(length);
        super::power(&FeatureSettings { n_fft, win_length, hop, ..FeatureSettings::default() }, samples)
    }

    #[test]
    fn every_bin_agrees_with_the_slow_transform() {
        // Lengths around the hop and the window, hops that do and do not divide it, N/2 even and odd.
        // The window as long as the transform, and shorter: with an even and an odd number of zeros around it.
        for (n_fft, window, hop) in
            [(64, 64, 32), (64, 64, 24), (50, 50, 50), (36, 36, 7), (64, 43, 21), (50, 36, 36), (36, 33, 7)]
        {
            for length in [1, hop - 1, hop, n_fft - 1, n_fft + 1, 3 * n_fft + 5] {
                let samples = noise(length);
                let fast = power(&samples, n_fft, window, hop);
                let slow = power_by_definition(&samples, n_fft, window, hop);
                assert_eq!(fast.shape(), [slow.len(), n_fft / 2 + 1], "n_fft {n_fft}, hop {hop}, {length} samples");
                for (t, row) in slow.iter().enumerate() {
                    // Rounding of an f32 transform is relative to the largest bin of its frame.
                    let largest = row.iter().fold(0.0f64, |a, &b| a.max(b));
                    for (k, &p) in row.iter().enumerate() {
                        let error = (f64::from(fast[(t, k)]) - p).abs();
                        assert!(
                            error <= 2e-6 * largest,
                            "frame {t}, bin {k} of {n_fft}/{hop}/{length}: off by {error}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_cosine_on_a_bin_is_a_line_of_known_height() {
        // A periodic Hann window over whole periods leaves three bins: amplitudes N/4, and N/8 on either side.
        let n = 64;
        let cosine: Vec<f32> = (0..10 * n).map(|i| (TAU * 5.0 * i as f64 / n as f64).cos() as f32).collect();
        let power = power(&cosine, n, n, n / 2);
        let expected = |k| [4usize, 5, 6].iter().position(|&line| line == k).map_or(0.0, |i| [64.0, 256.0, 64.0][i]);
        for k in 0..=n / 2 {
            assert!((power[(4, k)] - expected(k)).abs() < 1e-3, "bin {k}: {}", power[(4, k)]);
        }
    }

    #[test]
    fn silent_frames_after_noise_have_exactly_zero_power() {
        let mut samples = noise(64 * 4);
        samples.extend([0.0; 64 * 4]);
        let power = power(&samples, 64, 64, 64);
        assert!(power.row(3).iter().all(|&p| p > 0.0));
        assert_eq!(power.row(6), [0.0; 33]);
    }
}
