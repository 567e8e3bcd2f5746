//! Principal component analysis: the directions along which points differ most.

use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;

/// Sweeps after which the rotations have long converged: they do so quadratically, in fewer than ten for any matrix met.
const MOST_SWEEPS: usize = 50;

/// The principal components of points.
#[derive(Clone, Debug, PartialEq)]
pub struct PrincipalComponents {
    /// Of all points, `[D]`.
    mean: Vec<f64>,
    /// `[D,D]`, one row per direction: of length 1, orthogonal to the others, the largest variance first.
    directions: Matrix<f64>,
    /// Along each direction, `[D]`, descending.
    variances: Vec<f64>,
}

impl PrincipalComponents {
    /// Of points `x`, `[N,D]`.
    ///
    /// # Formula
    /// ```text
    /// C = 1/N Σ_n (x_n − mean)(x_n − mean)ᵀ = Vᵀ·diag(λ)·V        λ₁ ≥ λ₂ ≥ … ≥ 0, V orthonormal
    /// ```
    /// λ are the variances along the rows of V. A direction and its opposite serve alike: its largest element, the first of
    /// equals in size, is made positive, so that the same points always give the same picture.
    ///
    /// # Errors
    /// [`Kind::Data`] if there are fewer than two points or they are all the same.
    pub fn fit(x: &Matrix<f32>) -> Result<Self> {
        let (points, width) = (x.rows(), x.cols());
        let mut mean = vec![0.0; width];
        for row in x.iter_rows() {
            mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        mean.iter_mut().for_each(|sum| *sum /= points as f64);
        let mut covariance = Matrix::zeros(width, width);
        for row in x.iter_rows() {
            let centred: Vec<f64> = row.iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect();
            for (i, a) in centred.iter().enumerate() {
                covariance.row_mut(i).iter_mut().zip(&centred).for_each(|(c, b)| *c += a * b / points as f64);
            }
        }
        let total: f64 = (0..width).map(|i| covariance[(i, i)]).sum();
        if points < 2 || total <= 0.0 {
            let problem = format!("expected points that differ, got {points} without any variance");
            return Err(Error::new(Kind::Data, problem).at("principal components"));
        }
        let (variances, directions) = eigen(covariance);
        Ok(PrincipalComponents { mean, directions, variances })
    }

    /// Every point along the first `count` directions, from the mean: `x` `[N,D]` becomes `[N,count]`.
    ///
    /// # Panics
    /// If `x` is of another width, or there are not so many directions.
    pub fn project(&self, x: &Matrix<f32>, count: usize) -> Matrix<f64> {
        let mut projected = Matrix::zeros(x.rows(), count);
        for (n, row) in x.iter_rows().enumerate() {
            assert_eq!(row.len(), self.mean.len(), "points have the width of those that were analysed");
            for (k, out) in projected.row_mut(n).iter_mut().enumerate() {
                let terms = row.iter().zip(&self.mean).zip(self.directions.row(k));
                *out = terms.map(|((&x, mean), direction)| (f64::from(x) - mean) * direction).sum();
            }
        }
        projected
    }

    /// The share of all variance that lies along each direction, `[D]`, descending, 1 in sum.
    pub fn explained(&self) -> Vec<f64> {
        let total: f64 = self.variances.iter().sum();
        self.variances.iter().map(|variance| variance / total).collect()
    }
}

/// Eigenvalues of a symmetric matrix, descending, and its eigenvectors as rows, by Jacobi's rotations.
///
/// # Formula
/// ```text
/// A ← JᵀAJ       J turns the plane of p and q by the angle that makes A[p,q] zero: tan 2φ = 2A[p,q] / (A[q,q] − A[p,p])
/// t = tan φ, the smaller of the two, c = 1/√(1+t²), s = t·c
/// ```
/// Every pair in turn, again and again: what is off the diagonal shrinks quadratically (Golub and Van Loan, *Matrix
/// Computations*, 8.5). The product of all J holds the eigenvectors as columns, its transpose as rows.
fn eigen(mut a: Matrix<f64>) -> (Vec<f64>, Matrix<f64>) {
    let n = a.rows();
    let mut vectors = Matrix::zeros(n, n);
    (0..n).for_each(|i| vectors[(i, i)] = 1.0);
    let size: f64 = a.as_slice().iter().map(|x| x * x).sum();
    for _ in 0..MOST_SWEEPS {
        let pairs = || (0..n).flat_map(move |p| (p + 1..n).map(move |q| (p, q)));
        let off_diagonal: f64 = pairs().map(|(p, q)| 2.0 * a[(p, q)].powi(2)).sum();
        if off_diagonal <= 1e-30 * size {
            break;
        }
        pairs().for_each(|(p, q)| rotate(&mut a, &mut vectors, p, q));
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[(j, j)].total_cmp(&a[(i, i)]));
    // Rounding may leave a variance of zero a hair below it.
    let values = order.iter().map(|&i| a[(i, i)].max(0.0)).collect();
    let rows: Vec<Vec<f64>> = order.iter().map(|&i| signed(vectors.row(i))).collect();
    (values, Matrix::from_rows(&rows))
}

/// One rotation: `a[p,q]` becomes zero. The eigenvectors are kept as rows, so that they turn as the rows of `a` do.
fn rotate(a: &mut Matrix<f64>, vectors: &mut Matrix<f64>, p: usize, q: usize) {
    if a[(p, q)] == 0.0 {
        return;
    }
    let theta = (a[(q, q)] - a[(p, p)]) / (2.0 * a[(p, q)]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let turn = |x: f64, y: f64| (c * x - s * y, s * x + c * y);
    for k in 0..a.cols() {
        (a[(p, k)], a[(q, k)]) = turn(a[(p, k)], a[(q, k)]);
        (vectors[(p, k)], vectors[(q, k)]) = turn(vectors[(p, k)], vectors[(q, k)]);
    }
    for k in 0..a.rows() {
        (a[(k, p)], a[(k, q)]) = turn(a[(k, p)], a[(k, q)]);
    }
}

/// The vector or its opposite: the one whose largest element, the first of equals in size, is positive.
fn signed(vector: &[f64]) -> Vec<f64> {
    let largest = vector.iter().fold(0.0, |largest: f64, &x| if x.abs() > largest.abs() { x } else { largest });
    vector.iter().map(|x| x * largest.signum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use reslstm::rng::RandomStream;

    #[test]
    fn points_on_an_ellipse_worked_by_hand() {
        // Mean (10, 20); 5 along (0.8, −0.6), 1 across. Variances 25/2 and 1/2.
        let x = Matrix::from_rows(&[[14.0f32, 17.0], [6.0, 23.0], [10.6, 20.8], [9.4, 19.2]]);
        let components = PrincipalComponents::fit(&x).unwrap();
        for (got, expected) in components.mean.iter().zip([10.0, 20.0]) {
            assert_abs_diff_eq!(*got, expected, epsilon = 1e-6);
        }
        for (got, expected) in components.variances.iter().zip([12.5, 0.5]) {
            assert_abs_diff_eq!(*got, expected, epsilon = 1e-5);
        }
        // The largest element of each direction is positive, whichever it is.
        for (got, expected) in components.directions.as_slice().iter().zip([0.8, -0.6, 0.6, 0.8]) {
            assert_abs_diff_eq!(*got, expected, epsilon = 1e-6);
        }
        let projected = components.project(&x, 2);
        for (got, expected) in projected.as_slice().iter().zip([5.0, 0.0, -5.0, 0.0, 0.0, 1.0, 0.0, -1.0]) {
            assert_abs_diff_eq!(*got, expected, epsilon = 1e-5);
        }
        assert_abs_diff_eq!(components.explained()[0], 12.5 / 13.0, epsilon = 1e-6);
    }

    /// Points of widely different spread in each column, with a mean far from zero and two columns that go together.
    fn noise(points: usize, width: usize) -> Matrix<f32> {
        let mut stream = RandomStream::new(11, "points", 0);
        let mut x = Matrix::zeros(points, width);
        for n in 0..points {
            for d in 0..width {
                x[(n, d)] = (100.0 + stream.normal() * 3.0f64.powi(d as i32 % 5)) as f32;
            }
            x[(n, 1)] = 2.0 * x[(n, 0)];
        }
        x
    }

    #[test]
    fn directions_are_orthonormal_and_carry_all_variance() {
        for (points, width) in [(50, 7), (5, 12), (2, 3), (200, 64)] {
            let x = noise(points, width);
            let components = PrincipalComponents::fit(&x).unwrap();
            let v = &components.directions;
            for i in 0..width {
                for j in 0..width {
                    let product: f64 = v.row(i).iter().zip(v.row(j)).map(|(a, b)| a * b).sum();
                    assert_abs_diff_eq!(product, f64::from(u8::from(i == j)), epsilon = 1e-12);
                }
            }
            assert!(components.variances.is_sorted_by(|a, b| a >= b) && components.variances[width - 1] >= 0.0);
            assert_abs_diff_eq!(components.explained().iter().sum::<f64>(), 1.0, epsilon = 1e-12);
            // The variance of the projection is the eigenvalue, and projections do not go together.
            let projected = components.project(&x, width);
            let trace: f64 = components.variances.iter().sum();
            for i in 0..width {
                for j in 0..width {
                    let product = |n: usize| projected[(n, i)] * projected[(n, j)] / points as f64;
                    let covariance: f64 = (0..points).map(product).sum();
                    let expected = if i == j { components.variances[i] } else { 0.0 };
                    assert_abs_diff_eq!(covariance, expected, epsilon = 1e-12 * trace);
                }
            }
        }
    }

    #[test]
    fn the_mirrored_points_have_the_same_directions() {
        let x = noise(30, 6);
        let mirrored = Matrix::from_vec(30, 6, x.as_slice().iter().map(|x| -x).collect());
        let (a, b) = (PrincipalComponents::fit(&x).unwrap(), PrincipalComponents::fit(&mirrored).unwrap());
        for (a, b) in a.directions.as_slice().iter().zip(b.directions.as_slice()) {
            assert_abs_diff_eq!(a, b, epsilon = 1e-9);
        }
    }

    #[test]
    fn points_that_do_not_differ_are_refused() {
        for x in
            [Matrix::from_rows(&[[1.0f32, 2.0]]), Matrix::from_rows(&[[0.1f32], [0.1], [0.1]]), Matrix::zeros(0, 3)]
        {
            let error = PrincipalComponents::fit(&x).unwrap_err();
            assert!(error.to_string().contains("expected points that differ"), "{error}");
        }
    }
}
