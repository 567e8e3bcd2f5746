//! Lesson 5. Long short-term memory: a layer that reads a clip frame by frame and remembers.
//!
//! | symbol       | shape     | meaning                                                             |
//! |--------------|-----------|---------------------------------------------------------------------|
//! | `x`          | `[F,D]`   | input frames, packed ([`Packed`])                                    |
//! | `W_ih`       | `[4H,D]`  | input weights, **gates stacked in the order i, f, g, o** (PyTorch's)  |
//! | `W_hh`       | `[4H,H]`  | recurrent weights, stacked alike                                     |
//! | `b_ih, b_hh` | `[4H]`    | two biases, of which only the sum matters; PyTorch keeps both         |
//! | `i, f, g, o` | `[F,H]`   | input gate, forget gate, candidate, output gate                      |
//! | `c, h`       | `[F,H]`   | cell state, hidden state; both zero before the first frame            |
//!
//! Frames of one time step are contiguous rows, and their predecessors are the first rows of the step before, so a step is
//! four products and one flat loop over all clips still running.
//!
//! # Why it exists
//!
//! A plain recurrent layer, `h = tanh(W·x + U·h₋₁)`, sends its gradient back through `Uᵀ` and a slope of at most 1 at
//! every frame: after thirty frames next to nothing is left of it, or it has exploded. The LSTM (Hochreiter and
//! Schmidhuber, 1997; forget gate: Gers and others, 2000) keeps a second state, the cell, whose way through time is one
//! sum and one factor: `∂c/∂c₋₁ = f`, no matrix, no squashing. The gates decide what is written, kept and shown. With a
//! forget bias of 2 in sum, f is about σ(2) = 0.88 in an untrained layer: along the cell 0.88¹⁰ = 0.28 of a gradient is
//! left after ten frames. With a bias of 0 it would be 0.5¹⁰ = 0.001.
//!
//! # Formula
//!
//! The cell equations of the paper's Section 3, which have no number, at [`Lstm::forward`]. One frame of one unit, where
//! each gate is the activation of `â = W_ih·x + W_hh·h₋₁ + b`:
//! ```text
//! c₋₁ ────────▶ ⊙ ─────────────▶ (+) ─────────┬─────▶ c   to the next frame
//!               ▲                 ▲           ▼
//!               │         i ────▶ ⊙ ◀──── g  tanh
//!               │         ▲               ▲   ▼
//!               f         │               │   ⊙ ─┬──▶ h   to the next frame
//!               ▲         │               │   ▲  └──▶ h   to the layer above
//!               │         │               │   o
//!               │         │               │   ▲
//!               σ         σ             tanh  σ
//!               │         │               │   │
//! h₋₁, x ───────┴─────────┴───────────────┴───┘
//! ```
//!
//! # Derivation
//!
//! Find the forks, for there gradients add up ([rule 2](super#three-rules)). There are two, and each has one arm that
//! leads to the next frame:
//! ```text
//! h_t ──┬──▶ the layer above                     from above
//!       └──▶ the four gates of frame t+1         dh_next = W_hhᵀ·dâ_{t+1}      their sum: dh
//!
//! c_t ──┬──▶ h_t = o⊙tanh(c_t)                   dh⊙o⊙(1 − tanh²(c_t))
//!       └──▶ c_{t+1} = f_{t+1}⊙c_t + …           dc_next = dc_{t+1}⊙f_{t+1}    their sum: dc
//! ```
//! So frames are undone from the last to the first, and each hands `dh_next` and `dc_next` to the one before. Inside a
//! frame, with both sums complete:
//! ```text
//! h = o⊙tanh(c):     do = dh⊙tanh(c)
//! c = f⊙c₋₁ + i⊙g:   df = dc⊙c₋₁   di = dc⊙g   dg = dc⊙i
//! i = σ(î), …:       dî = di⊙i⊙(1 − i)   df̂, dô alike   dĝ = dg⊙(1 − g²)
//! ```
//! σ' is written with the value itself: `σ = 1/(1 + e^−â)` gives `σ' = e^−â/(1 + e^−â)² = σ·(1 − σ)`; likewise
//! `tanh' = 1 − tanh²`. So the tape keeps the gates after their activation, not before. Before the activation each gate
//! is [lesson 1](super::linear) twice, in `x` and in `h₋₁`, with weights that all frames share:
//! `dW_ih = Σ_t dâ_t·x_tᵀ`, `dW_hh = Σ_t dâ_t·h_{t−1}ᵀ`, `db = Σ_t dâ_t`, `dx_t = W_ihᵀ·dâ_t`. The code is
//! [`Lstm::backward`].
//!
//! Along the cell alone, `∂c_t/∂c_k = f_{k+1}⊙…⊙f_t`: Hochreiter and Schmidhuber's "constant error carousel" where the
//! gates are 1.
//!
//! # Worked by hand
//!
//! One unit, two frames, `x = 1, −1`; the loss looks at the last hidden state alone, `dh = 0, 1`. Weights are small
//! whole numbers, in the order i, f, g, o. Numbers are written with four digits and computed with all of
//! them, so sums of written digits may be off by one in the last place.
//! ```
//! use reslstm::layers::{Lstm, LstmTape};
//! use reslstm::matrix::Matrix;
//! use reslstm::packed::{Packed, Padding};
//!
//! let close = |got: &[f64], by_hand: &[f64]| {
//!     approx::assert_abs_diff_eq!(got, by_hand, epsilon = 0.5e-4);
//! };
//! let layer = Lstm {
//!     weight_ih: Matrix::from_rows(&[[1.0], [-1.0], [2.0], [1.0]]),
//!     weight_hh: Matrix::from_rows(&[[-1.0], [1.0], [1.0], [2.0]]),
//!     bias_ih: vec![0.0, 1.0, 0.0, 0.0], // 1 in both biases: 2 in sum
//!     bias_hh: vec![0.0, 1.0, 0.0, 0.0],
//! };
//! let layout = Packed::new(&[2], Padding::Ignored);
//! let x = Matrix::from_rows(&[[1.0], [-1.0]]);
//! let mut tape = LstmTape::default();
//! layer.forward(&layout, &x, &mut tape);
//! // frame 0, h₋₁ = c₋₁ = 0
//! //   î =  x − h₋₁           1                             i = σ(î)    =  0.7311
//! //   f̂ = −x + h₋₁ + 2      −1 + 2 = 1                     f = σ(f̂)    =  0.7311
//! //   ĝ = 2x + h₋₁           2                             g = tanh(ĝ) =  0.9640
//! //   ô =  x + 2h₋₁          1                             o = σ(ô)    =  0.7311
//! //   c = f·c₋₁ + i·g        0.7311·0.9640 = 0.7048        tanh(c)     =  0.6074
//! //   h = o·tanh(c)          0.7311·0.6074 = 0.4440
//! // frame 1, with these
//! //   î                      −1 − 0.4440     = −1.4440     i           =  0.1909
//! //   f̂                       1 + 0.4440 + 2 =  3.4440     f           =  0.9691
//! //   ĝ                      −2 + 0.4440     = −1.5560     g           = −0.9148
//! //   ô                      −1 + 2·0.4440   = −0.1119     o           =  0.4720
//! //   c       0.9691·0.7048 − 0.1909·0.9148  =  0.5083     tanh(c)     =  0.4686
//! //   h                      0.4720·0.4686   =  0.2212
//! let [i, f, g, o] = tape.gates.each_ref().map(Matrix::as_slice);
//! close(i, &[0.7311, 0.1909]);
//! close(f, &[0.7311, 0.9691]);
//! close(g, &[0.9640, -0.9148]);
//! close(o, &[0.7311, 0.4720]);
//! close(tape.c.as_slice(), &[0.7048, 0.5083]);
//! close(tape.tanh_c.as_slice(), &[0.6074, 0.4686]);
//! close(tape.h.as_slice(), &[0.4440, 0.2212]);
//!
//! let dh = Matrix::from_rows(&[[0.0], [1.0]]);
//! let (mut grads, mut dx) = (Lstm::zeros(1, 1), Matrix::default());
//! layer.backward(&layout, &x, &mut tape, &dh, &mut grads, Some(&mut dx));
//! // frame 1, nothing after it: dh = 1,  dc = 1·0.4720·(1 − 0.4686²) = 0.3684
//! //   di = dc·g = −0.3370  df = dc·c₋₁ = 0.2596  dg = dc·i = 0.0703  do = dh·tanh(c) = 0.4686
//! //   dî =        −0.0521  df̂ =          0.0078  dĝ =        0.0115  dô =              0.1168
//! //   dh_next = −1·(−0.0521) + 1·0.0078 + 1·0.0115 + 2·0.1168 = 0.3049
//! //   dc_next = dc·f = 0.3684·0.9691 = 0.3570
//! // frame 0: dh = 0 + 0.3049,  dc = 0.3049·0.7311·(1 − 0.6074²) + 0.3570 = 0.4976
//! //   dî =         0.0943  df̂ = 0 (c₋₁ = 0)      dĝ =        0.0257  dô =              0.0364
//! let all = layer.state_gradients(&layout, &tape, &dh);
//! close(all.h.as_slice(), &[0.3049, 1.0]);
//! close(all.c.as_slice(), &[0.4976, 0.3684]);
//! // Summed over the frames: dW_ih = dâ₀·1 + dâ₁·(−1),  dW_hh = dâ₁·h₀,  db = dâ₀ + dâ₁
//! close(grads.weight_ih.as_slice(), &[0.1464, -0.0078, 0.0142, -0.0804]);
//! close(grads.weight_hh.as_slice(), &[-0.0231, 0.0035, 0.0051, 0.0519]);
//! close(&grads.bias_ih, &[0.0423, 0.0078, 0.0372, 0.1532]);
//! assert_eq!(grads.bias_ih, grads.bias_hh);
//! // x is 1 and −1, so that db and dW_ih tell the two frames apart: (db ± dW_ih)/2.
//! let frame = |sign: f64| -> Vec<f64> {
//!     let sums = grads.bias_ih.iter().zip(grads.weight_ih.as_slice());
//!     sums.map(|(db, dw)| (db + sign * dw) / 2.0).collect()
//! };
//! close(&frame(1.0), &[0.0943, 0.0, 0.0257, 0.0364]);
//! close(&frame(-1.0), &[-0.0521, 0.0078, 0.0115, 0.1168]);
//! // Each frame for itself: dx = dî − df̂ + 2·dĝ + dô
//! close(dx.as_slice(), &[0.1821, 0.0799]);
//! ```
//! Frame 0 got 0.3570 of its `dc` along the cell and 0.1407 (0.3049·0.7311·0.6311) through `h`: forget either, and
//! all that frame 0 adds to the weights' gradients is wrong. `examples/bptt_by_hand.rs` prints a third frame, all in
//! plain arithmetic.
//!
//! # Mistakes worth knowing
//!
//! - `dc` has two paths. Without `dc_next` an error reaches earlier frames through `h` alone, as in a plain recurrent
//!   layer. (`ForgetPathMissing`)
//! - `dh_next` forgotten, or of one gate where all four add to it. (`HiddenPathMissing`)
//! - `df = dc⊙c` where it is the cell *before*: `c₋₁`. The same for `dW_hh`, which takes `h₋₁`.
//!   (`ForgetGateSeesTheNewCell`, `HiddenStateOfTheSameFrame`)
//! - The slope taken at the value before activation, or `1 − tanh` for `1 − tanh²`. (`TanhSlopeNotSquared`,
//!   `OutputGateSlopeMissing`)
//! - Another order of gates than the file's: i, f, g, o here and in PyTorch, not everywhere.
//!   (`InputAndForgetGatesSwapped`)
//! - In a batch: a clip that has ended gets zeros from the step after its end, not its neighbour's row.
//!
//! Tests: [how the gradients are verified](super#how-the-gradients-are-verified).
//! Next: [lesson 6](super::residual).

use crate::kernels::{Panels, Side, Start, Term, add_column_sums, add_outer, product, product_from};
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::params::parameters;
use crate::scalar::Scalar;

mod cell;
mod init;
mod packed;
mod state_gradients;

use crate::prelude::*;
use cell::cell_backward;
pub(super) use cell::cell_forward;
pub use packed::{PackedLstm, Packing};
pub use state_gradients::StateGradients;

/// Frames that go through a product together where no frame waits for another: enough for its best speed, few enough to still
/// lie in the cache.
const BLOCK_FRAMES: usize = 256;

/// One LSTM layer. Also the shape of its own gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm<S> {
    /// `[4H,D]`
    pub weight_ih: Matrix<S>,
    /// `[4H,H]`
    pub weight_hh: Matrix<S>,
    /// `[4H]`
    pub bias_ih: Vec<S>,
    /// `[4H]`
    pub bias_hh: Vec<S>,
}

parameters!(Lstm {
    "weight_ih_l0" => weight_ih,
    "weight_hh_l0" => weight_hh,
    "bias_ih_l0" => bias_ih,
    "bias_hh_l0" => bias_hh,
});

/// What forward stores for backward, and scratch memory of both.
#[derive(Clone, Debug, Default)]
pub struct LstmTape<S> {
    /// i, f, g, o after their activation, `[F,H]` each.
    pub gates: [Matrix<S>; 4],
    /// `[F,H]`
    pub c: Matrix<S>,
    /// `[F,H]`
    pub tanh_c: Matrix<S>,
    /// The output, `[F,H]`.
    pub h: Matrix<S>,
    /// Memory for packed weights, one for both directions, so that both find it in the cache: forward and backward each pack what
    /// they multiply by before they read it.
    weights: PackedLstm<S>,
    /// The gates before their activation: of one step, `[4,n,H]`, or of the next frames of one clip, `[BLOCK_FRAMES,4H]`.
    before_activation: Vec<S>,
    /// State before the first frame: zeros, `[N,H]`.
    before: Vec<S>,
    /// Gradients of the gates before their activation, of the frames not flushed yet: the last rows of `[BLOCK_FRAMES + N,H]` each.
    dgates: [Matrix<S>; 4],
    /// What arrives at h and c from the step after, and at c of the step before, `[N,H]`.
    dh_next: Matrix<S>,
    dc_next: Matrix<S>,
    dc_prev: Matrix<S>,
    /// x and h of the step before, for the frames about to be flushed.
    packed_x: Panels<S>,
    packed_h_prev: Panels<S>,
    /// What those frames add to the gradient of a gate's biases, `[H]`.
    dbias: Vec<S>,
}

impl<S: Scalar> Lstm<S> {
    /// All zeros.
    pub fn zeros(inputs: usize, hidden: usize) -> Self {
        Lstm {
            weight_ih: Matrix::zeros(4 * hidden, inputs),
            weight_hh: Matrix::zeros(4 * hidden, hidden),
            bias_ih: vec![S::ZERO; 4 * hidden],
            bias_hh: vec![S::ZERO; 4 * hidden],
        }
    }

    /// `D`
    pub fn inputs(&self) -> usize {
        self.weight_ih.cols()
    }

    /// `H`
    pub fn hidden(&self) -> usize {
        self.weight_hh.cols()
    }

    /// Hidden states of all frames, into `tape.h`.
    ///
    /// # Formula
    /// ```text
    /// i = σ(W_ii·x + b_ii + W_hi·h₋₁ + b_hi)          f = σ(W_if·x + b_if + W_hf·h₋₁ + b_hf)
    /// g = tanh(W_ig·x + b_ig + W_hg·h₋₁ + b_hg)       o = σ(W_io·x + b_io + W_ho·h₋₁ + b_ho)
    /// c = f⊙c₋₁ + i⊙g                                 h = o⊙tanh(c)
    /// ```
    /// # Panics
    /// If `x` is not `[F,D]` for this layout.
    pub fn forward(&self, layout: &Packed, x: &Matrix<S>, tape: &mut LstmTape<S>) {
        let mut weights = core::mem::take(&mut tape.weights);
        weights.pack(self, Packing::for_layout(layout));
        weights.forward(layout, x, tape);
        tape.weights = weights;
    }
}

impl<S: Scalar> PackedLstm<S> {
    /// Hidden states of all frames, into `tape.h`: [`Lstm::forward`] of the layer that was copied, to the bit.
    ///
    /// # Panics
    /// If `x` is not `[F,D]` for this layout; if the weights are packed for one clip, and there are more.
    pub fn forward(&self, layout: &Packed, x: &Matrix<S>, tape: &mut LstmTape<S>) {
        let (inputs, hidden) = (self.inputs, self.hidden);
        assert_eq!(x.shape(), [layout.frames(), inputs], "an LSTM of {inputs} inputs reads [F,{inputs}]");
        assert!(self.packing == Packing::Batches || layout.clips() == 1, "weights packed for one clip");
        for states in tape.gates.iter_mut().chain([&mut tape.c, &mut tape.tanh_c, &mut tape.h]) {
            states.resize(layout.frames(), hidden);
        }
        tape.before.clear();
        tape.before.resize(layout.clips() * hidden, S::ZERO);

        for t in 0..layout.steps() {
            let rows = layout.rows(t);
            let values = rows.start * hidden..rows.end * hidden;
            let (h_past, h) = tape.h.as_mut_slice()[..values.end].split_at_mut(values.start);
            let (c_past, c) = tape.c.as_mut_slice()[..values.end].split_at_mut(values.start);
            let previous = if t == 0 { 0 } else { layout.rows(t - 1).start * hidden };
            let h_prev = if t == 0 { &tape.before[..] } else { &h_past[previous..][..h.len()] };
            let c_prev = if t == 0 { &tape.before[..] } else { &c_past[previous..][..c.len()] };
            let activation = &mut tape.before_activation;
            let activation = match self.packing {
                Packing::Batches => {
                    activation.resize(4 * layout.clips() * hidden, S::ZERO);
                    for gate in 0..4 {
                        // Every other step backwards: the weights used last are still in the cache.
                        let gate = if t % 2 == 0 { gate } else { 3 - gate };
                        let input = Term { a: x.rows_between(rows.start, rows.end), b: &self.gates_ih[gate] };
                        let recurrent = Term { a: h_prev, b: &self.gates_hh[gate] };
                        let bias = &self.bias[gate * hidden..][..hidden];
                        let out = &mut activation[gate * h.len()..][..h.len()];
                        product(Start::Row(bias), &[input, recurrent], out);
                    }
                    &activation[..4 * h.len()]
                }
                Packing::OneClip => {
                    // The input's share waits for no step: it is computed ahead, for many frames together.
                    if t % BLOCK_FRAMES == 0 {
                        let frames = BLOCK_FRAMES.min(layout.steps() - t);
                        activation.resize(4 * frames * hidden, S::ZERO);
                        let input = Term { a: x.rows_between(t, t + frames), b: &self.stacked_ih };
                        product(Start::Row(&self.bias), &[input], activation);
                    }
                    let frame = &mut activation[t % BLOCK_FRAMES * 4 * hidden..][..4 * hidden];
                    // From left and right in turn, too.
                    let side = if t % 2 == 0 { Side::Left } else { Side::Right };
                    product_from(side, Start::Held, &[Term { a: h_prev, b: &self.stacked_hh }], frame);
                    &*frame
                }
            };
            let gates = tape.gates.each_mut().map(|gate| &mut gate.as_mut_slice()[values.clone()]);
            cell_forward(activation, c_prev, gates, c, &mut tape.tanh_c.as_mut_slice()[values], h);
        }
    }
}

impl<S: Scalar> Lstm<S> {
    /// Adds the gradients of weights and biases to `grads`, writes ∂L/∂x to `dx` where that is wanted. `dh` is what arrives
    /// from above, `[F,H]`; `x` and `tape` are those of `forward`.
    ///
    /// # Derivation
    /// Backpropagation through time: steps in reverse, each receiving from the step after it what its `h` and `c` did there.
    /// ```text
    /// h = o⊙tanh(c):             do = dh⊙tanh(c),   dc += dh⊙o⊙(1 − tanh²(c))
    /// c = f⊙c₋₁ + i⊙g:           df = dc⊙c₋₁,  di = dc⊙g,  dg = dc⊙i,  dc₋₁ = dc⊙f
    /// σ' = σ(1 − σ), tanh' = 1 − tanh²:   dâ = di⊙i⊙(1 − i) for i, f, o;   dĝ = dg⊙(1 − g²)       (â: before activation)
    /// â = W_ih·x + W_hh·h₋₁ + b: dW_ih += dâ·xᵀ,  dW_hh += dâ·h₋₁ᵀ,  db_ih, db_hh += dâ,  dx = W_ihᵀ·dâ,  dh₋₁ = W_hhᵀ·dâ
    /// ```
    pub fn backward(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut LstmTape<S>,
        dh: &Matrix<S>,
        grads: &mut Self,
        mut dx: Option<&mut Matrix<S>>,
    ) {
        let (inputs, hidden) = (self.inputs(), self.hidden());
        assert_eq!(dh.shape(), [layout.frames(), hidden], "dh has the shape of h");
        let room = layout.frames().min(BLOCK_FRAMES + layout.clips());
        // Not transposed, as forward has them: the way back multiplies by W.
        for gate in 0..4 {
            tape.weights.gates_ih[gate].pack(gate_rows(&self.weight_ih, gate), inputs);
            tape.weights.gates_hh[gate].pack(gate_rows(&self.weight_hh, gate), hidden);
            tape.dgates[gate].resize(room, hidden);
        }
        // Clips that end before the last step get nothing from the step after their end: their rows start as zeros.
        for next in [&mut tape.dh_next, &mut tape.dc_next, &mut tape.dc_prev] {
            next.resize(layout.clips(), hidden);
            next.fill(S::ZERO);
        }
        if let Some(dx) = dx.as_deref_mut() {
            dx.resize(layout.frames(), inputs);
        }

        let mut unflushed = layout.steps();
        for t in (0..layout.steps()).rev() {
            let rows = layout.rows(t);
            let values = rows.start * hidden..rows.end * hidden;
            let pending = layout.rows(unflushed - 1).end - rows.start;
            let dvalues = (room - pending) * hidden..(room - pending + rows.len()) * hidden;
            cell_backward(
                tape.gates.each_ref().map(|gate| &gate.as_slice()[values.clone()]),
                states_of_step_before(layout, t, &tape.c, &tape.before, values.len()),
                &tape.tanh_c.as_slice()[values.clone()],
                &dh.as_slice()[values.clone()],
                &tape.dh_next.as_slice()[..values.len()],
                &tape.dc_next.as_slice()[..values.len()],
                &mut tape.dc_prev.as_mut_slice()[..values.len()],
                tape.dgates.each_mut().map(|dgate| &mut dgate.as_mut_slice()[dvalues.clone()]),
            );
            core::mem::swap(&mut tape.dc_next, &mut tape.dc_prev);
            if t > 0 {
                // forward: â += W_hh·h₋₁
                let dgates = tape.dgates.each_ref().map(|dgate| &dgate.as_slice()[dvalues.clone()]);
                let terms = terms_of_all_gates(dgates, &tape.weights.gates_hh);
                product(Start::Zero, &terms, &mut tape.dh_next.as_mut_slice()[..values.len()]);
            }
            if pending >= BLOCK_FRAMES || t == 0 {
                self.flush(layout, t..unflushed, x, tape, grads, dx.as_deref_mut());
                unflushed = t;
            }
        }
    }

    /// Adds what the frames of `steps` contribute to the weights' gradients, and writes their ∂L/∂x.
    fn flush(
        &self,
        layout: &Packed,
        steps: core::ops::Range<usize>,
        x: &Matrix<S>,
        tape: &mut LstmTape<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        let (inputs, hidden) = (self.inputs(), self.hidden());
        let (first, last) = (layout.rows(steps.start).start, layout.rows(steps.end - 1).end);
        tape.packed_x.pack(x.rows_between(first, last), inputs);
        // Row by row, h of the step before: the rows that went into the forward's product with W_hh.
        tape.packed_h_prev.reshape(last - first, hidden);
        for t in steps {
            let rows = layout.rows(t);
            let h_prev = states_of_step_before(layout, t, &tape.h, &tape.before, rows.len() * hidden);
            tape.packed_h_prev.set_rows(rows.start - first, h_prev);
        }
        let dgates =
            tape.dgates.each_ref().map(|dgate| dgate.rows_between(dgate.rows() - (last - first), dgate.rows()));
        for (gate, dgate) in dgates.into_iter().enumerate() {
            // forward: â = W_ih·x + W_hh·h₋₁ + b_ih + b_hh
            add_outer(dgate, &tape.packed_x, gate_rows_mut(&mut grads.weight_ih, gate));
            add_outer(dgate, &tape.packed_h_prev, gate_rows_mut(&mut grads.weight_hh, gate));
            tape.dbias.clear();
            tape.dbias.resize(hidden, S::ZERO);
            add_column_sums(dgate, &mut tape.dbias);
            for grads in [&mut grads.bias_ih, &mut grads.bias_hh] {
                grads[gate * hidden..][..hidden].iter_mut().zip(&tape.dbias).for_each(|(grad, &db)| *grad += db);
            }
        }
        if let Some(dx) = dx {
            product(Start::Zero, &terms_of_all_gates(dgates, &tape.weights.gates_ih), dx.rows_between_mut(first, last));
        }
    }
}

/// What the first clips had in the step before step `t`, `count` values of `states`; before the first step, of `before`.
fn states_of_step_before<'a, S: Scalar>(
    layout: &Packed,
    t: usize,
    states: &'a Matrix<S>,
    before: &'a [S],
    count: usize,
) -> &'a [S] {
    let from = if t == 0 { before } else { &states.as_slice()[layout.rows(t - 1).start * states.cols()..] };
    &from[..count]
}

/// The products `dâ·W` of all gates, as terms of one sum.
fn terms_of_all_gates<'a, S>(dgates: [&'a [S]; 4], weights: &'a [Panels<S>; 4]) -> [Term<'a, S>; 4] {
    core::array::from_fn(|gate| Term { a: dgates[gate], b: &weights[gate] })
}

/// Rows of one gate in a stacked weight, `[H, …]`.
fn gate_rows<S>(stacked: &Matrix<S>, gate: usize) -> &[S] {
    let hidden = stacked.rows() / 4;
    stacked.rows_between(gate * hidden, (gate + 1) * hidden)
}

fn gate_rows_mut<S>(stacked: &mut Matrix<S>, gate: usize) -> &mut [S] {
    let hidden = stacked.rows() / 4;
    stacked.rows_between_mut(gate * hidden, (gate + 1) * hidden)
}

#[cfg(test)]
mod tests;
