//! The inner product: every filter of the front end, and every row of its cosine transform, is one.

/// Partial sums kept side by side. Floating-point addition is not associative, so a compiler may not split one running
/// sum by itself; with eight it keeps two vectors of any processor busy.
const LANES: usize = 8;

/// Σ_i a[i]·b[i]. The terms are added in an order that depends on their number alone.
///
/// # Panics
/// If the lengths differ.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "an inner product takes two vectors of one length");
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_agrees_with_the_plain_sum() {
        // Small whole numbers: exact in any order, so a lost or doubled term shows.
        for length in 0..70 {
            let a: Vec<f32> = (0..length).map(|i| (i % 7) as f32 - 2.0).collect();
            let b: Vec<f32> = (0..length).map(|i| (i % 5) as f32 + 1.0).collect();
            let plain: f32 = (0..length).map(|i| a[i] * b[i]).sum();
            assert_eq!(dot(&a, &b), plain, "length {length}");
        }
    }
}
