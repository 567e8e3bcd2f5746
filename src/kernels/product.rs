//! `out = start + A₁·B₁ + A₂·B₂ + …`: several products into one result, without anything in between.

use super::lanes::{LANES, Lanes, vector_start};
use super::level::{Level, simd_at};
use super::panels::Panels;
use super::tile::{Side, Tiled, cover};
use crate::scalar::Scalar;

/// One product `A·B` of the sum.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a, S> {
    /// `A`, `[rows, depth]`, row after row.
    pub a: &'a [S],
    /// `B`, `[depth, columns]`, packed.
    pub b: &'a Panels<S>,
}

/// What a result begins with, before products are added.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, S> {
    /// Zeros.
    Zero,
    /// The same row everywhere, `[columns]`: a bias.
    Row(&'a [S]),
    /// What the result holds already: a sum is continued, to the bit as if it had never been interrupted.
    Held,
}

/// `out[r,c] = start + Σ_terms Σ_k a[r,k]·b[k,c]`, terms in their order, `k` ascending.
///
/// # Panics
/// If a term's shape does not fit `out`, `[rows, columns]`.
#[inline]
pub fn product<S: Scalar>(start: Start<'_, S>, terms: &[Term<'_, S>], out: &mut [S]) {
    product_from(Side::Left, start, terms, out);
}

/// [`product()`], to the bit, starting with the first or the last columns.
///
/// # Panics
/// As [`product()`].
#[inline(never)] // one copy of all its tiles, not one per caller
pub fn product_from<S: Scalar>(side: Side, start: Start<'_, S>, terms: &[Term<'_, S>], out: &mut [S]) {
    let columns = terms[0].b.columns();
    let rows = out.len() / columns;
    assert_eq!(out.len(), rows * columns, "the result has whole rows of {columns} columns");
    if let Start::Row(bias) = start {
        assert_eq!(bias.len(), columns, "one start value per column");
    }
    for term in terms {
        assert_eq!(term.b.columns(), columns, "all terms have the columns of the result");
        assert_eq!(term.a.len(), rows * term.b.depth(), "A has a row per row of the result, as long as B is deep");
    }
    product_at(Level::current(), rows, columns, side, start, terms, out);
}

fn product_at<S: Scalar>(
    level: Level,
    rows: usize,
    columns: usize,
    side: Side,
    start: Start<'_, S>,
    terms: &[Term<'_, S>],
    out: &mut [S],
) {
    if columns < LANES {
        return narrow_product(level, columns, start, terms, out);
    }
    simd_at!(level, |level| cover(level, rows, columns, side, &Job { level, columns, start, terms }, out));
}

/// [`product()`] of fewer than sixteen columns, row by row. Apart from the tiles: sums whose length is known only at run time stay in
/// memory, and take those of the tiles with them.
fn narrow_product<S: Scalar>(level: Level, columns: usize, start: Start<'_, S>, terms: &[Term<'_, S>], out: &mut [S]) {
    simd_at!(level, |level| {
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            let mut sums = match start {
                Start::Zero => Lanes::ZERO,
                Start::Row(bias) => Lanes::load_padded(bias),
                Start::Held => Lanes::load_padded(out),
            };
            for term in terms {
                let depth = term.b.depth();
                for (&a, lanes) in term.a[row * depth..][..depth].iter().zip(term.b.strip(0)) {
                    sums.add_scaled(level, a, lanes);
                }
            }
            out.copy_from_slice(&sums.0[..columns]);
        }
    });
}

struct Job<'a, S> {
    level: Level,
    columns: usize,
    start: Start<'a, S>,
    terms: &'a [Term<'a, S>],
}

impl<S: Scalar> Tiled<S> for Job<'_, S> {
    /// `R` rows × `V` vectors of the result, held in registers from their start to their last term.
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&self, row: usize, v: usize, out: &mut [S]) {
        let columns = self.columns;
        let mut sums = [[Lanes::ZERO; V]; R];
        for r in 0..R {
            for w in 0..V {
                let first = vector_start(v + w, columns);
                match self.start {
                    Start::Zero => {}
                    Start::Row(bias) => sums[r][w] = Lanes::load(&bias[first..]),
                    Start::Held => sums[r][w] = Lanes::load(&out[(row + r) * columns..][..columns][first..]),
                }
            }
        }
        for term in self.terms {
            // Rows and strips are sliced to one length before the inner loop: none of its bounds is left to check.
            let depth = term.b.depth();
            let a: [&[S]; R] = core::array::from_fn(
                #[inline(always)]
                |r| &term.a[(row + r) * depth..][..depth],
            );
            let b: [&[Lanes<S>]; V] = core::array::from_fn(
                #[inline(always)]
                |w| &term.b.strip(v + w)[..depth],
            );
            for k in 0..depth {
                let lanes: [Lanes<S>; V] = core::array::from_fn(
                    #[inline(always)]
                    |w| b[w][k],
                );
                for r in 0..R {
                    for w in 0..V {
                        sums[r][w].add_scaled(self.level, a[r][k], &lanes[w]);
                    }
                }
            }
        }
        let goes_on = matches!(self.start, Start::Held);
        for r in 0..R {
            let out = &mut out[(row + r) * columns..][..columns];
            for w in 0..V {
                let first = vector_start(v + w, columns);
                // Where the last vector overlaps the one before, both hold the same sums, unless a sum went on that another tile
                // has written already: then these lanes are left alone.
                let fresh = if goes_on && w == 0 { v * LANES - first } else { 0 };
                sums[r][w].store_from(fresh, &mut out[first..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::level::available_levels;
    use crate::rng::RandomStream;

    fn random(n: usize, stream: &mut RandomStream) -> Vec<f32> {
        (0..n).map(|_| stream.normal() as f32).collect()
    }

    /// The oracle: one element at a time, terms in the same order, fused like the kernel.
    fn naive(bias: &[f32], terms: &[(&[f32], &[f32], usize)], rows: usize, columns: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; rows * columns];
        for r in 0..rows {
            for c in 0..columns {
                let mut sum = bias[c];
                for &(a, b, depth) in terms {
                    for k in 0..depth {
                        sum = a[r * depth + k].mul_add(b[k * columns + c], sum);
                    }
                }
                out[r * columns + c] = sum;
            }
        }
        out
    }

    #[test]
    fn every_level_equals_the_naive_product() {
        let mut stream = RandomStream::new(1, "product", 0);
        for (rows, columns) in [(1, 1), (3, 7), (8, 16), (9, 46), (17, 64), (5, 129), (64, 33)] {
            let (a1, b1) = (random(rows * 5, &mut stream), random(5 * columns, &mut stream));
            let (a2, b2) = (random(rows * 31, &mut stream), random(31 * columns, &mut stream));
            let bias = random(columns, &mut stream);
            let (mut p1, mut p2) = (Panels::default(), Panels::default());
            p1.pack(&b1, columns);
            let transposed: Vec<f32> =
                (0..columns).flat_map(|c| (0..31).map(move |k| (k, c))).map(|(k, c)| b2[k * columns + c]).collect();
            p2.pack_transposed(&transposed, 31);
            let expected = naive(&bias, &[(&a1, &b1, 5), (&a2, &b2, 31)], rows, columns);
            let terms = [Term { a: &a1, b: &p1 }, Term { a: &a2, b: &p2 }];
            for (level, side) in available_levels().flat_map(|level| [(level, Side::Left), (level, Side::Right)]) {
                let mut out = vec![f32::NAN; rows * columns];
                product_at(level, rows, columns, side, Start::Row(&bias), &terms, &mut out);
                if level.fused() {
                    assert_eq!(out, expected, "{level:?} [{rows}, {columns}]");
                } else {
                    for (x, y) in out.iter().zip(&expected) {
                        approx::assert_abs_diff_eq!(x, y, epsilon = 1e-4);
                    }
                }
            }
        }
    }

    /// The tiles of instruction sets that this processor may lack, compiled for one that it has.
    #[test]
    fn tiles_of_all_levels_cover_all_shapes() {
        let mut stream = RandomStream::new(4, "product", 0);
        for (rows, columns) in (1..=13).flat_map(|rows| [16, 17, 33, 46, 64, 129].map(|columns| (rows, columns))) {
            let (a1, b1) = (random(rows * 3, &mut stream), random(3 * columns, &mut stream));
            let (a2, b2) = (random(rows * 4, &mut stream), random(4 * columns, &mut stream));
            let bias = random(columns, &mut stream);
            let (mut p1, mut p2) = (Panels::default(), Panels::default());
            p1.pack(&b1, columns);
            p2.pack(&b2, columns);
            let expected = naive(&bias, &[(&a1, &b1, 3), (&a2, &b2, 4)], rows, columns);
            for (level, side) in [Level::Avx512, Level::Avx2].into_iter().zip([Side::Left, Side::Right]) {
                let mut out = vec![f32::NAN; rows * columns];
                for (start, term) in
                    [(Start::Row(&bias[..]), Term { a: &a1, b: &p1 }), (Start::Held, Term { a: &a2, b: &p2 })]
                {
                    cover(level, rows, columns, side, &Job { level, columns, start, terms: &[term] }, &mut out);
                }
                assert_eq!(out, expected, "{level:?} [{rows}, {columns}] from the {side:?}");
            }
        }
    }

    #[test]
    fn a_sum_that_goes_on_is_the_sum_in_one() {
        let mut stream = RandomStream::new(3, "product", 0);
        for (rows, columns) in [(1, 7), (1, 46), (9, 46), (7, 64), (2, 130)] {
            let (a1, b1) = (random(rows * 5, &mut stream), random(5 * columns, &mut stream));
            let (a2, b2) = (random(rows * 9, &mut stream), random(9 * columns, &mut stream));
            let (mut p1, mut p2) = (Panels::default(), Panels::default());
            p1.pack(&b1, columns);
            p2.pack(&b2, columns);
            let terms = [Term { a: &a1, b: &p1 }, Term { a: &a2, b: &p2 }];
            let (mut whole, mut parts) = (vec![f32::NAN; rows * columns], vec![f32::NAN; rows * columns]);
            product(Start::Zero, &terms, &mut whole);
            product(Start::Zero, &terms[..1], &mut parts);
            let begun = parts.clone();
            for side in [Side::Left, Side::Right] {
                parts.copy_from_slice(&begun);
                product_from(side, Start::Held, &terms[1..], &mut parts);
                assert_eq!(parts, whole, "[{rows}, {columns}] from the {side:?}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let mut stream = RandomStream::new(2, "product", 0);
        let (a, b) = (random(13 * 10, &mut stream), random(10 * 46, &mut stream));
        let mut panels = Panels::default();
        panels.pack(&b, 46);
        let mut all = vec![0.0; 13 * 46];
        product(Start::Zero, &[Term { a: &a, b: &panels }], &mut all);
        for r in 0..13 {
            let mut one = vec![0.0; 46];
            product(Start::Zero, &[Term { a: &a[r * 10..][..10], b: &panels }], &mut one);
            assert_eq!(one, all[r * 46..][..46], "row {r}");
        }
    }
}
