//! ADPCM: four bits a sample, the difference to a prediction in steps that adapt. Each block starts anew, from values in its
//! header.
//!
//! IMA (also called DVI) predicts the sample before; Microsoft's kind extrapolates from the two samples before.

use crate::prelude::*;

/// The step of IMA ADPCM grows by 10 % per index.
const IMA_STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
];
/// By the size of a difference, how far the index of the step moves.
const IMA_MOVES: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];

/// Weights of the last sample and of the one before, in 256ths, by the predictor that a block of Microsoft ADPCM names. A file
/// repeats this table in its format; other tables do not occur.
const MS_WEIGHTS: [[i32; 2]; 7] = [[256, 0], [512, -256], [0, 0], [192, 64], [240, 0], [460, -208], [392, -232]];
/// By the four bits, the factor of the step, in 256ths.
const MS_FACTORS: [i32; 16] = [230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230];

/// Decodes a block of IMA ADPCM to `frames`, interleaved. The block begins with four bytes per channel: the first sample (two
/// bytes), the index of the step, and zero. Four bytes of each channel follow in turn, low bits first.
pub(super) fn ima(block: &[u8], channels: usize, samples: &mut Vec<i16>) {
    let (header, body) = block.split_at(4 * channels);
    let start = samples.len();
    samples.resize(start + channels * (1 + 2 * body.len() / channels), 0);
    for (channel, header) in header.chunks_exact(4).enumerate() {
        let mut sample = i32::from(i16::from_le_bytes([header[0], header[1]]));
        let mut index = i32::from(header[2]).min(88);
        let words = body.chunks_exact(4).skip(channel).step_by(channels);
        let nibbles = words.flatten().flat_map(|&byte| [byte & 15, byte >> 4]);
        let mut places = samples[start + channel..].iter_mut().step_by(channels);
        if let Some(place) = places.next() {
            *place = sample as i16;
        }
        for (place, nibble) in places.zip(nibbles) {
            let step = IMA_STEPS[index as usize];
            // (size + ½)·step/4, each part rounded down, as the standard has it.
            let bit = |bit: u8, part: i32| if nibble & bit != 0 { part } else { 0 };
            let difference = (step >> 3) + bit(1, step >> 2) + bit(2, step >> 1) + bit(4, step);
            sample += if nibble & 8 != 0 { -difference } else { difference };
            sample = sample.clamp(i16::MIN.into(), i16::MAX.into());
            index = (index + IMA_MOVES[usize::from(nibble & 7)]).clamp(0, 88);
            *place = sample as i16;
        }
    }
}

/// Decodes a block of Microsoft ADPCM to `samples`, interleaved. The block begins with the predictor of each channel (one byte
/// each), then, two bytes for each channel, the step, the second sample and the first. Four bits of each channel follow in turn,
/// high bits first.
pub(super) fn microsoft(block: &[u8], channels: usize, samples: &mut Vec<i16>) {
    let (header, body) = block.split_at(7 * channels);
    let (predictors, numbers) = header.split_at(channels);
    let number = |field: usize, channel: usize| {
        let at = 2 * (field * channels + channel);
        i16::from_le_bytes([numbers[at], numbers[at + 1]])
    };
    let mut steps: Vec<i32> = (0..channels).map(|channel| number(0, channel).into()).collect();
    samples.extend((0..channels).map(|channel| number(2, channel)));
    samples.extend((0..channels).map(|channel| number(1, channel)));
    for (place, nibble) in body.iter().flat_map(|&byte| [byte >> 4, byte & 15]).enumerate() {
        let channel = place % channels;
        let [last, before] = MS_WEIGHTS[usize::from(predictors[channel]).min(MS_WEIGHTS.len() - 1)];
        let sample = |back: usize| i32::from(samples[samples.len() - back * channels]);
        let predicted = (last * sample(1) + before * sample(2)) >> 8;
        let step = &mut steps[channel];
        let difference = (i32::from(nibble) - if nibble >= 8 { 16 } else { 0 }) * *step;
        let next = (predicted + difference).clamp(i16::MIN.into(), i16::MAX.into());
        // The upper end is out of reach of a sound, not of a damaged file.
        *step = ((MS_FACTORS[usize::from(nibble)] * *step) >> 8).clamp(16, i32::MAX / 768);
        samples.push(next as i16);
    }
}
