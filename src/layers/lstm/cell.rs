//! The cell equations: what happens between the products of one step, unit by unit. Their derivation is in
//! [lesson 5](super).

use crate::kernels::{map_units, simd};
use crate::scalar::Scalar;

/// The cell equations of one step, unit by unit, from the gates before their activation, `[4,n,H]`.
pub fn cell_forward<S: Scalar>(
    before_activation: &[S],
    c_prev: &[S],
    gates: [&mut [S]; 4],
    c: &mut [S],
    tanh_c: &mut [S],
    h: &mut [S],
) {
    let [i, f, g, o] = gates;
    let [i_before, f_before, g_before, o_before] =
        core::array::from_fn(|gate| &before_activation[gate * h.len()..][..h.len()]);
    simd!(|_| {
        S::sigmoid_all(i_before, i);
        S::sigmoid_all(f_before, f);
        S::tanh_all(g_before, g);
        S::sigmoid_all(o_before, o);
        map_units!([&*i, f, g, c_prev] => [&mut *c], |[i, f, g, c_prev]| [f * c_prev + i * g]);
        S::tanh_all(c, tanh_c);
        map_units!([&*o, tanh_c] => [h], |[o, tanh_c]| [o * tanh_c]);
    });
}

/// Undoes [`cell_forward`]: gradients of the gates before their activation into `dgates`, and into `dc_prev` what goes to the
/// step before; `dh_next` and `dc_next` come from the step after.
#[allow(clippy::too_many_arguments)] // one per quantity of the equations
pub fn cell_backward<S: Scalar>(
    gates: [&[S]; 4],
    c_prev: &[S],
    tanh_c: &[S],
    dh: &[S],
    dh_next: &[S],
    dc_next: &[S],
    dc_prev: &mut [S],
    dgates: [&mut [S]; 4],
) {
    let ([i, f, g, o], [di, df, dg, d_o]) = (gates, dgates);
    simd!(|_| {
        map_units!([i, f, g, o, c_prev, tanh_c, dh, dh_next, dc_next] => [di, df, dg, d_o, dc_prev], |[i, f, g, o, c_prev, tanh_c, dh, dh_next, dc_next]| {
            let dh = dh + dh_next;
            // forward: h = o⊙tanh(c)
            let d_o = dh * tanh_c * (o * (S::ONE - o));
            let dc = dc_next + dh * o * (S::ONE - tanh_c * tanh_c);
            // forward: c = f⊙c₋₁ + i⊙g
            let di = dc * g * (i * (S::ONE - i));
            let df = dc * c_prev * (f * (S::ONE - f));
            let dg = dc * i * (S::ONE - g * g);
            [di, df, dg, d_o, dc * f]
        });
    });
}
