//! Equations that hold unit by unit, over arrays of one length: a vector of sixteen units at a time.

use super::lanes::LANES;
use crate::scalar::Scalar;

/// For every unit `u`: `states[..][u] = equation(inputs[..][u], states[..][u])`.
///
/// The units of a vector are copied to arrays of their own, so the compiler need not prove that no two slices overlap, and what
/// is less than a vector at the end is filled up with zeros: it costs one vector, not fifteen times the scalar equation. To be
/// called under [`simd`](super::simd), with an `#[inline(always)]` equation.
///
/// # Panics
/// If the arrays differ in length.
#[inline(always)]
pub fn update_units<S: Scalar, const I: usize, const O: usize>(
    inputs: [&[S]; I],
    mut states: [&mut [S]; O],
    equation: impl Fn([S; I], [S; O]) -> [S; O],
) {
    let units = states[0].len();
    assert!(inputs.iter().all(|input| input.len() == units) && states.iter().all(|state| state.len() == units));
    let whole = units / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        update_vector(&inputs, &mut states, first, LANES, &equation);
    }
    if whole < units {
        update_vector(&inputs, &mut states, whole, units - whole, &equation);
    }
}

/// [`update_units`] of `count` units, at most a vector, from `first` on.
#[inline(always)]
fn update_vector<S: Scalar, const I: usize, const O: usize>(
    inputs: &[&[S]; I],
    states: &mut [&mut [S]; O],
    first: usize,
    count: usize,
    equation: &impl Fn([S; I], [S; O]) -> [S; O],
) {
    let (mut input, mut state) = ([[S::ZERO; LANES]; I], [[S::ZERO; LANES]; O]);
    for k in 0..I {
        input[k][..count].copy_from_slice(&inputs[k][first..first + count]);
    }
    for k in 0..O {
        state[k][..count].copy_from_slice(&states[k][first..first + count]);
    }
    for lane in 0..LANES {
        let updated = equation(
            std::array::from_fn(
                #[inline(always)]
                |k| input[k][lane],
            ),
            std::array::from_fn(
                #[inline(always)]
                |k| state[k][lane],
            ),
        );
        for k in 0..O {
            state[k][lane] = updated[k];
        }
    }
    for k in 0..O {
        states[k][first..first + count].copy_from_slice(&state[k][..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd;

    #[test]
    fn every_unit_is_updated_once_from_its_own_values() {
        for units in [0, 1, 15, 16, 17, 46] {
            let x: Vec<f64> = (0..units).map(|u| u as f64).collect();
            let (mut a, mut b) = (vec![2.0; units], vec![f64::NAN; units]);
            simd(
                #[inline(always)]
                |_| {
                    update_units(
                        [&x],
                        [&mut a, &mut b],
                        #[inline(always)]
                        |[x], [a, _]| [a + x, a * x],
                    )
                },
            );
            for u in 0..units {
                assert_eq!((a[u], b[u]), (2.0 + x[u], 2.0 * x[u]), "unit {u} of {units}");
            }
        }
    }
}
