//! The gradients of all states, which backward keeps for one step only: for figures, not for training.

use super::cell::cell_backward;
use super::{Lstm, LstmTape, gate_rows, states_of_step_before, terms_of_all_gates};
use crate::kernels::{Panels, Start, product};
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::prelude::*;
use crate::scalar::Scalar;

/// The gradients of everything in an LSTM, frame by frame.
#[derive(Clone, Debug, Default)]
pub struct StateGradients<S> {
    /// dh: ∂L/∂h along all paths, `[F,H]`.
    pub h: Matrix<S>,
    /// dc: ∂L/∂c along all paths, `[F,H]`.
    pub c: Matrix<S>,
    /// dî, df̂, dĝ, dô: those of the gates before their activation, `[F,H]` each.
    pub gates: [Matrix<S>; 4],
}

impl<S: Scalar> Lstm<S> {
    /// How much the loss depends on every state and gate. `tape` is that of [`forward`](Self::forward), `dh` what
    /// [`backward`](Self::backward) takes, which keeps these for one step only.
    ///
    /// # Derivation
    /// ```text
    /// h_t reaches the loss from above and through the gates of step t+1:     ∂L/∂h_t = dh_t + W_hhᵀ·dâ_{t+1}
    /// c_t reaches it through h_t = o⊙tanh(c_t) and c_{t+1} = f_{t+1}⊙c_t + …: ∂L/∂c_t = ∂L/∂h_t⊙o⊙(1 − tanh²(c_t)) + ∂L/∂c_{t+1}⊙f_{t+1}
    /// ```
    pub fn state_gradients(&self, layout: &Packed, tape: &LstmTape<S>, dh: &Matrix<S>) -> StateGradients<S> {
        let (hidden, frames) = (self.hidden(), layout.frames());
        let mut all = StateGradients {
            h: Matrix::zeros(frames, hidden),
            c: Matrix::zeros(frames, hidden),
            gates: core::array::from_fn(|_| Matrix::zeros(frames, hidden)),
        };
        let weight_hh = core::array::from_fn(|gate| {
            let mut panels = Panels::default();
            panels.pack(gate_rows(&self.weight_hh, gate), hidden);
            panels
        });
        let [mut dh_next, mut dc_next, mut dc_prev] = core::array::from_fn(|_| vec![S::ZERO; layout.clips() * hidden]);
        for t in (0..layout.steps()).rev() {
            let values = layout.rows(t).start * hidden..layout.rows(t).end * hidden;
            let n = values.len();
            let gates = tape.gates.each_ref().map(|gate| &gate.as_slice()[values.clone()]);
            let (tanh_c, dh) = (&tape.tanh_c.as_slice()[values.clone()], &dh.as_slice()[values.clone()]);
            let c_prev = states_of_step_before(layout, t, &tape.c, &tape.before, n);
            let (dh_all, dc_all) =
                (&mut all.h.as_mut_slice()[values.clone()], &mut all.c.as_mut_slice()[values.clone()]);
            for u in 0..n {
                dh_all[u] = dh[u] + dh_next[u];
                dc_all[u] = dh_all[u] * gates[3][u] * (S::ONE - tanh_c[u] * tanh_c[u]) + dc_next[u];
            }
            let into = all.gates.each_mut().map(|gate| &mut gate.as_mut_slice()[values.clone()]);
            cell_backward(gates, c_prev, tanh_c, dh, &dh_next[..n], &dc_next[..n], &mut dc_prev[..n], into);
            core::mem::swap(&mut dc_next, &mut dc_prev);
            let dgates = all.gates.each_ref().map(|gate| &gate.as_slice()[values.clone()]);
            product(Start::Zero, &terms_of_all_gates(dgates, &weight_hh), &mut dh_next[..n]);
        }
        all
    }
}
