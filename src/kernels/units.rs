//! Equations that hold unit by unit, over arrays of one length: a vector of sixteen units at a time.

use super::lanes::{LANES, vector_start};
use crate::scalar::Scalar;

/// Applies an equation to every unit `u`: `outputs[..][u] = equation(inputs[..][u])`. Inputs and outputs are arrays of slices of one
/// length; the equation is a closure from an array of inputs to an array of outputs.
///
/// ```
/// use reslstm::kernels::{map_units, simd};
///
/// let (x, y, mut sum, mut product) = ([1.0, 2.0], [3.0, 4.0], [0.0; 2], [0.0; 2]);
/// simd!(|_| map_units!([&x[..], &y[..]] => [&mut sum[..], &mut product[..]], |[x, y]| [x + y, x * y]));
/// assert_eq!((sum, product), ([4.0, 6.0], [3.0, 8.0]));
/// ```
/// To be used within [`simd!`](crate::simd). As there, the macro marks the closure `#[inline(always)]`.
///
/// # Panics
/// If the slices differ in length.
#[macro_export]
macro_rules! map_units {
    ($inputs:expr => $outputs:expr, |$unit:pat_param| $equation:expr) => {
        $crate::kernels::units::__map_units(
            $inputs,
            $outputs,
            #[inline(always)]
            |$unit| $equation,
        )
    };
}
pub use map_units;

/// What [`map_units!`] calls, with a closure that it has marked `#[inline(always)]`. Not to be called directly.
///
/// The units of a vector are copied to arrays of their own, so the compiler need not prove that no two slices overlap. Where the
/// last vector is not full it is moved back to end with the last unit, and computes a few units a second time: no code for a
/// rest, which would cost fifteen times the scalar equation.
#[doc(hidden)]
#[inline(always)]
pub fn __map_units<S: Scalar, const I: usize, const O: usize>(
    inputs: [&[S]; I],
    mut outputs: [&mut [S]; O],
    equation: impl Fn([S; I]) -> [S; O],
) {
    let units = outputs[0].len();
    assert!(inputs.iter().all(|input| input.len() == units) && outputs.iter().all(|output| output.len() == units));
    if units < LANES {
        return map_vector(&inputs, &mut outputs, 0, units, &equation);
    }
    for v in 0..units.div_ceil(LANES) {
        map_vector(&inputs, &mut outputs, vector_start(v, units), LANES, &equation);
    }
}

/// [`map_units!`] of `count` units, at most a vector, from `first` on.
#[inline(always)]
fn map_vector<S: Scalar, const I: usize, const O: usize>(
    inputs: &[&[S]; I],
    outputs: &mut [&mut [S]; O],
    first: usize,
    count: usize,
    equation: &impl Fn([S; I]) -> [S; O],
) {
    let (mut input, mut output) = ([[S::ZERO; LANES]; I], [[S::ZERO; LANES]; O]);
    for k in 0..I {
        input[k][..count].copy_from_slice(&inputs[k][first..first + count]);
    }
    for lane in 0..LANES {
        let result = equation(core::array::from_fn(
            #[inline(always)]
            |k| input[k][lane],
        ));
        for k in 0..O {
            output[k][lane] = result[k];
        }
    }
    for k in 0..O {
        outputs[k][first..first + count].copy_from_slice(&output[k][..count]);
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::simd;

    #[test]
    fn every_unit_is_mapped_from_its_own_values() {
        for units in [0, 1, 15, 16, 17, 46] {
            let x: Vec<f64> = (0..units).map(|u| u as f64).collect();
            let y = vec![2.0; units];
            let (mut sum, mut product) = (vec![f64::NAN; units], vec![f64::NAN; units]);
            simd!(|_| { map_units!([&x, &y] => [&mut sum, &mut product], |[x, y]| [x + y, x * y]) });
            for u in 0..units {
                assert_eq!((sum[u], product[u]), (2.0 + x[u], 2.0 * x[u]), "unit {u} of {units}");
            }
        }
    }
}
