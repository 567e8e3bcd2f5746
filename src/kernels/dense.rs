//! One plain product for everything outside a training step (the cosine transform), by `matrixmultiply` with the feature `std`.
//!
//! It packs both sides anew on every call, which allocates; [`product`](super::product()) does not, and keeps its right-hand
//! side packed from one frame to the next.
//!
//! **One order** holds here too: `k` ascending in blocks of 256, block after block. `matrixmultiply` chooses among kernels
//! of its own by the processor alone: [`limit_level`](super::limit_level) does not reach it. Those for AVX-512 and AVX2 with FMA round in the same
//! places (version 0.3.11: all features of 288 RAVDESS clips have the same bits). Where else results may differ, in the last
//! bits: on x86-64 without FMA, which rounds twice per term; on other processors; with another version of `matrixmultiply`.

use crate::matrix::Matrix;

/// `out[r, first + c] = Σ_k a[r,k]·b[c,k]`, that is `A·Bᵀ` with `A` `[rows, depth]` and `B` `[columns, depth]`: every row of
/// `b` is a filter, and makes one column. The other columns of `out` `[rows, ≥ first + columns]` stay as they are.
///
/// # Panics
/// If the shapes do not fit.
pub fn dense_product(a: &Matrix<f32>, b: &Matrix<f32>, out: &mut Matrix<f32>, first: usize) {
    let (rows, depth, columns, width) = (a.rows(), a.cols(), b.rows(), out.cols());
    assert_eq!(b.cols(), depth, "both sides of a product are equally deep");
    assert_eq!(out.rows(), rows, "the result has one row per row of A");
    assert!(first <= width && columns <= width - first, "columns {first} + {columns} of a result with {width}");
    multiply(a, b, out, first);
}

/// Dot products: `matrixmultiply` packs what it multiplies, which costs a microcontroller more memory and time than it saves.
#[cfg(not(feature = "std"))]
fn multiply(a: &Matrix<f32>, b: &Matrix<f32>, out: &mut Matrix<f32>, first: usize) {
    super::simd!(|level| {
        for r in 0..a.rows() {
            for c in 0..b.rows() {
                out[(r, first + c)] = super::dot(level, a.row(r), b.row(c));
            }
        }
    });
}

#[cfg(feature = "std")]
#[allow(unsafe_code)]
fn multiply(a: &Matrix<f32>, b: &Matrix<f32>, out: &mut Matrix<f32>, first: usize) {
    let (rows, depth, columns, width) = (a.rows(), a.cols(), b.rows(), out.cols());
    let stride = |length: usize| isize::try_from(length).expect("a matrix in memory is shorter than that");
    // SAFETY: every place sgemm reads or writes is inside a matrix that we hold. With r < rows, c < columns, k < depth it
    // reads a[r·depth + k] and b[c·depth + k], inside `[rows, depth]` and `[columns, depth]`, and writes
    // out[r·width + first + c] with first + c < width, inside `[rows, width]`: the asserts of the caller. `out` is borrowed alone,
    // so nothing overlaps, and β = 0 lets it be written without being read. Without rows `wrapping_add` may leave the
    // matrix, but then nothing is accessed.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            depth,
            columns,
            1.0,
            a.as_slice().as_ptr(),
            stride(depth),
            1,
            b.as_slice().as_ptr(),
            1,
            stride(depth),
            0.0,
            out.as_mut_slice().as_mut_ptr().wrapping_add(first),
            stride(width),
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;

    fn noise(rows: usize, cols: usize) -> Matrix<f32> {
        let mut stream = RandomStream::new(5, "dense", (rows * cols) as u64);
        Matrix::from_vec(rows, cols, (0..rows * cols).map(|_| stream.normal() as f32).collect())
    }

    #[test]
    fn every_shape_agrees_with_the_plain_product() {
        // Tiles of 8 and 16, full and not; blocks of 256 in depth; the shapes of cosine transform and chroma; nothing at all.
        for (rows, depth, columns) in [
            (1, 1, 1),
            (3, 5, 7),
            (8, 256, 8),
            (16, 257, 16),
            (70, 600, 35),
            (9, 128, 34),
            (5, 2049, 12),
            (3, 0, 2),
            (0, 3, 2),
        ] {
            if cfg!(miri) && rows * depth * columns > 70_000 {
                continue;
            }
            let (a, b) = (noise(rows, depth), noise(columns, depth));
            let (first, width) = (2, columns + 5);
            let mut out = Matrix::from_vec(rows, width, vec![f32::NAN; rows * width]);
            dense_product(&a, &b, &mut out, first);
            for r in 0..rows {
                for c in 0..width {
                    if !(first..first + columns).contains(&c) {
                        assert!(out[(r, c)].is_nan(), "[{rows},{depth},{columns}]: column {c} was not to be written");
                        continue;
                    }
                    let terms = a.row(r).iter().zip(b.row(c - first)).map(|(&a, &b)| f64::from(a) * f64::from(b));
                    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                    // A sum in f32 is off by a few roundings of the terms' size, far less than any lost term.
                    let error = (f64::from(out[(r, c)]) - sum).abs();
                    assert!(error <= 1e-6 * size, "[{rows},{depth},{columns}] at {r}, {c}: off by {error}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_others() {
        let [rows, depth, columns] = if cfg!(miri) { [9, 300, 5] } else { [37, 2049, 12] };
        let (a, b) = (noise(rows, depth), noise(columns, depth));
        let mut together = Matrix::zeros(rows, columns);
        dense_product(&a, &b, &mut together, 0);
        for r in 0..rows {
            let mut alone = Matrix::zeros(1, columns);
            dense_product(&Matrix::from_rows(&[a.row(r)]), &b, &mut alone, 0);
            assert_eq!(alone.row(0), together.row(r), "row {r}");
        }
    }

    #[test]
    #[should_panic(expected = "equally deep")]
    fn depths_must_agree() {
        dense_product(&noise(2, 3), &noise(2, 4), &mut Matrix::zeros(2, 2), 0);
    }

    #[test]
    #[should_panic(expected = "one row per row")]
    fn rows_must_agree() {
        dense_product(&noise(2, 3), &noise(2, 3), &mut Matrix::zeros(1, 2), 0);
    }

    #[test]
    #[should_panic(expected = "columns 1 + 2 of a result with 2")]
    fn columns_must_fit() {
        dense_product(&noise(2, 3), &noise(2, 3), &mut Matrix::zeros(2, 2), 1);
    }
}
