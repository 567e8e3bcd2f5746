//! Reverberation: impulse responses of rooms by the image-source method (Allen and Berkley, 1979).
//!
//! A wall reflects sound as if an image of the source stood behind it. In a box whose walls all reflect the share `β` of the
//! pressure, the images form a lattice, and the impulse response is the sum of what each of them sends.
//!
//! | symbol | unit | meaning                                                              |
//! |--------|------|----------------------------------------------------------------------|
//! | `L`    | m    | size of the room, one number per axis                                |
//! | `s, r` | m    | places of the source and of the microphone (receiver)                |
//! | `β`    |      | reflection coefficient of all walls, of the pressure                 |
//! | `RT60` | s    | reverberation time: until the sound energy has fallen by 60 dB       |
//!
//! # Formula
//! ```text
//! h(t) = Σ_p Σ_m β^Σᵢ(|mᵢ − pᵢ| + |mᵢ|) / (4π·d) · δ(t − d/c)       p in {0, 1}³, m in Z³
//! d    = distance from the origin to ((1 − 2pᵢ)·sᵢ − rᵢ + 2mᵢ·Lᵢ)ᵢ
//! ```
//! `β` follows from the reverberation time by Eyring's formula, with volume `V`, surface `S` and `α = 1 − β²` the absorbed share of
//! the energy:
//! ```text
//! RT60 = 24·ln 10·V / (−c·S·ln(1 − α))        so  β = e^(−12·ln 10·V / (c·S·RT60))
//! ```
//! In a box, sound along the longest axis meets the fewest walls and dies last, so the measured time is 1.1 to 1.4 times Eyring's. It is
//! measured once by Schroeder's backward integration, and `ln β`, to which it is inversely proportional, corrected by that factor.
//!
//! Arrival times are rounded to whole samples, and a high-pass takes out the low frequencies that pulses of one sign pile up, both as
//! in the paper.

use super::{Biquad, random_stream_of};
use reslstm::rng::RandomStream;
use rustfft::algorithm::Radix4;
use rustfft::num_complex::Complex;
use rustfft::{Fft as _, FftDirection};
use std::f64::consts::PI;

/// Speed of sound `c`, m/s.
const SPEED_OF_SOUND: f64 = 343.0;
/// Smallest and largest room, m.
const SIZES: [(f64, f64); 3] = [(4.0, 7.0), (3.0, 5.0), (2.4, 3.2)];
/// Least distance of source and microphone from a wall, m.
const FROM_WALL: f64 = 0.5;
/// Distance of the microphone from the source, m.
const DISTANCE: (f64, f64) = (1.0, 2.5);
/// Cutoff of the high-pass, Hz.
const HIGH_PASS_HZ: f64 = 50.0;

/// The recording in a room of this reverberation time, seconds: as loud as before on average, and in time with it, as the impulse
/// response begins with the direct sound. What sounds on after the end is cut off. The room is drawn by a random stream that the
/// samples seed: one recording is always in the same room.
pub(super) fn reverberate(samples: &mut [f32], sample_rate: u32, rt60: f64) {
    let room = Room::draw(&mut random_stream_of(samples, "room"));
    let power = |samples: &[f32]| samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    let before = power(samples);
    if before == 0.0 {
        return;
    }
    convolve(samples, &room.impulse_response(sample_rate, rt60));
    let gain = (before / power(samples)).sqrt() as f32;
    samples.iter_mut().for_each(|x| *x *= gain);
}

/// A room with a source and a microphone in it, m.
#[derive(Clone, Debug)]
struct Room {
    size: [f64; 3],
    source: [f64; 3],
    microphone: [f64; 3],
}

impl Room {
    /// A living room or an office: source and microphone anywhere, 1 to 2.5 m apart.
    fn draw(stream: &mut RandomStream) -> Self {
        let size = SIZES.map(|(least, most)| stream.between(least, most));
        loop {
            let [source, microphone] =
                [(); 2].map(|()| size.map(|length| stream.between(FROM_WALL, length - FROM_WALL)));
            if (DISTANCE.0..=DISTANCE.1).contains(&norm(difference(source, microphone))) {
                return Room { size, source, microphone };
            }
        }
    }

    /// Reflection coefficient `β`, by Eyring's formula.
    fn reflection(&self, rt60: f64) -> f64 {
        let [x, y, z] = self.size;
        let (volume, surface) = (x * y * z, 2.0 * (x * y + y * z + z * x));
        (-12.0 * 10f64.ln() * volume / (SPEED_OF_SOUND * surface * rt60)).exp()
    }

    /// `h` from the arrival of the direct sound on, `rt60` seconds of it, with this reverberation time as measured.
    fn impulse_response(&self, sample_rate: u32, rt60: f64) -> Vec<f32> {
        let eyring = self.reflection(rt60);
        let response = self.sum_of_images(sample_rate, rt60, eyring);
        let reflection = eyring.powf(measured_rt60(&response, sample_rate) / rt60);
        self.sum_of_images(sample_rate, rt60, reflection)
    }

    /// `seconds` of `h`, from the arrival of the direct sound on, with this reflection coefficient.
    fn sum_of_images(&self, sample_rate: u32, seconds: f64, reflection: f64) -> Vec<f32> {
        let rate = f64::from(sample_rate);
        let sample_at = |distance: f64| (distance / SPEED_OF_SOUND * rate).round() as usize;
        let first = sample_at(norm(difference(self.source, self.microphone)));
        let length = (seconds * rate).ceil() as usize;
        let reach = (first + length) as f64 / rate * SPEED_OF_SOUND;
        let [along_x, along_y, along_z] = [0, 1, 2].map(|axis| self.images(axis, reach));
        let most =
            [&along_x, &along_y, &along_z].iter().map(|images| images.iter().map(|it| it.1).max().unwrap_or(0)).sum();
        let strength: Vec<f64> = (0..=most).map(|order| reflection.powi(order as i32) / (4.0 * PI)).collect();
        let mut sum = vec![0.0; length];
        for &(x, order_x) in &along_x {
            for &(y, order_y) in &along_y {
                let (across, order) = (x * x + y * y, order_x + order_y);
                // The nearest come first: beyond the reach, so are all that follow.
                for &(z, order_z) in along_z.iter().take_while(|(z, _)| across + z * z < reach * reach) {
                    let distance = (across + z * z).sqrt();
                    // Another path of the direct sound's length can round to the sample before it.
                    if let Some(h) = sum.get_mut(sample_at(distance).saturating_sub(first)) {
                        *h += strength[order + order_z] / distance;
                    }
                }
            }
        }
        let mut response: Vec<f32> = sum.into_iter().map(|h| h as f32).collect();
        Biquad::high_pass(HIGH_PASS_HZ, sample_rate).filter(&mut response);
        response
    }

    /// The images along an axis up to `reach` m away, nearest first: `(1 − 2p)·s − r + 2m·L`, and the number of reflections
    /// `|m − p| + |m|`.
    fn images(&self, axis: usize, reach: f64) -> Vec<(f64, usize)> {
        let (length, source, microphone) = (self.size[axis], self.source[axis], self.microphone[axis]);
        let most = (reach / (2.0 * length)).ceil() as i64 + 1;
        let image = |m: i64, p: i64| {
            let place = (1 - 2 * p) as f64 * source - microphone + 2.0 * m as f64 * length;
            (place, ((m - p).abs() + m.abs()) as usize)
        };
        let mut images: Vec<_> = (-most..=most).flat_map(|m| [image(m, 0), image(m, 1)]).collect();
        images.retain(|(place, _)| place.abs() < reach);
        images.sort_by(|(one, _), (other, _)| one.abs().total_cmp(&other.abs()));
        images
    }
}

/// Reverberation time by Schroeder's backward integration: twice the time in which the energy that is left falls from −5 to
/// −35 dB.
fn measured_rt60(response: &[f32], sample_rate: u32) -> f64 {
    let mut left: Vec<f64> = response.iter().map(|&h| f64::from(h) * f64::from(h)).collect();
    for n in (1..left.len()).rev() {
        left[n - 1] += left[n];
    }
    let at = |decibels: f64| {
        left.iter().position(|&energy| energy < left[0] * 10f64.powf(decibels / 10.0)).unwrap_or(left.len())
    };
    2.0 * (at(-35.0) - at(-5.0)) as f64 / f64::from(sample_rate)
}

fn difference(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn norm([x, y, z]: [f64; 3]) -> f64 {
    (x * x + y * y + z * z).sqrt()
}

/// The first `N` samples of the convolution of `N` samples with a response, by one Fourier transform: the same on every processor,
/// as no instruction set is chosen for it.
fn convolve(samples: &mut [f32], response: &[f32]) {
    let length = (samples.len() + response.len()).next_power_of_two();
    // The real part becomes the samples' transform, the imaginary part the response's: both are real.
    let mut spectra = vec![Complex::new(0.0, 0.0); length];
    spectra.iter_mut().zip(samples.iter()).for_each(|(z, &x)| z.re = f64::from(x));
    spectra.iter_mut().zip(response).for_each(|(z, &h)| z.im = f64::from(h));
    Radix4::new(length, FftDirection::Forward).process(&mut spectra);
    // X = (Z[k] + Z*[−k])/2 and H = (Z[k] − Z*[−k])/2i, so X·H = (Z[k]² − Z*[−k]²)/4i.
    let mut product: Vec<Complex<f64>> = (0..length)
        .map(|k| {
            let (z, mirrored) = (spectra[k], spectra[(length - k) % length].conj());
            (z * z - mirrored * mirrored) * Complex::new(0.0, -0.25 / length as f64)
        })
        .collect();
    Radix4::new(length, FftDirection::Inverse).process(&mut product);
    samples.iter_mut().zip(&product).for_each(|(x, z)| *x = z.re as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms() -> impl Iterator<Item = Room> {
        (0..12).map(|n| Room::draw(&mut RandomStream::new(n, "room", 0)))
    }

    #[test]
    fn the_measured_reverberation_time_is_the_requested_one() {
        for (rt60, sample_rate) in [(0.3, 16_000), (0.6, 16_000), (1.0, 16_000), (0.3, 48_000)] {
            for room in rooms() {
                let by_eyring = room.sum_of_images(sample_rate, rt60, room.reflection(rt60));
                let [before, after] = [by_eyring, room.impulse_response(sample_rate, rt60)]
                    .map(|response| measured_rt60(&response, sample_rate) / rt60);
                // 5 % is the least difference that people hear (ISO 3382-1).
                assert!((1.1..1.4).contains(&before) && (after - 1.0).abs() < 0.05, "{rt60} s: {before} {after}");
            }
        }
    }

    #[test]
    fn the_first_pulse_is_the_direct_sound_and_the_next_ones_are_the_nearest_images() {
        // Source and microphone in the middle between floor and ceiling, 2 m apart along the room.
        let room = Room { size: [6.0, 4.0, 3.0], source: [2.0, 2.0, 1.5], microphone: [4.0, 2.0, 1.5] };
        let images = room.images(2, 10.0);
        assert_eq!(images, [(0.0, 0), (-3.0, 1), (3.0, 1), (-6.0, 2), (6.0, 2), (-9.0, 3), (9.0, 3)]);
        let near = room.images(0, 7.0);
        assert_eq!(near, [(-2.0, 0), (-6.0, 1), (6.0, 1)]);
        // In order along x: by the wall at 0 to −2 − 4, by the wall at 6 to 10 − 4.
        let beta = room.reflection(0.3);
        let h = room.sum_of_images(48_000, 0.3, beta);
        // Ceiling and floor: √(2² + 3²) m, two images.
        let (direct, ceiling) = (1.0 / (4.0 * PI * 2.0), 2.0 * beta / (4.0 * PI * 13f64.sqrt()));
        let at = ((13f64.sqrt() - 2.0) / SPEED_OF_SOUND * 48e3).round() as usize;
        // The high-pass takes a few parts in a thousand of a pulse.
        approx::assert_abs_diff_eq!(f64::from(h[0]), direct, epsilon = 0.01 * direct);
        approx::assert_abs_diff_eq!(f64::from(h[at]), ceiling, epsilon = 0.01 * direct);
        assert!(h[1..at].iter().all(|h| f64::from(h.abs()) < 0.01 * direct));
    }

    #[test]
    fn a_convolution_is_the_sum_over_the_response() {
        let mut stream = RandomStream::new(3, "convolve", 0);
        let samples: Vec<f32> = (0..300).map(|_| stream.normal() as f32).collect();
        let response: Vec<f32> = (0..77).map(|_| stream.normal() as f32).collect();
        let mut fast = samples.clone();
        convolve(&mut fast, &response);
        for (n, &fast) in fast.iter().enumerate() {
            let slow: f64 =
                response.iter().take(n + 1).enumerate().map(|(k, &h)| f64::from(h) * f64::from(samples[n - k])).sum();
            approx::assert_abs_diff_eq!(f64::from(fast), slow, epsilon = 1e-5);
        }
    }
}
