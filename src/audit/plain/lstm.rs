//! [`Lstm`] in plain loops, clip by clip.

use super::sum;
use crate::audit::faults::Fault;
use crate::layers::Lstm;
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::scalar::Scalar;

/// Backward of [`Lstm`]: frames `x` `[F,D]`, `dy` `[F,H]` the gradient of every hidden state; returns `dx`.
pub fn lstm<S: Scalar>(
    layer: &Lstm<S>,
    layout: &Packed,
    x: &Matrix<S>,
    dy: &Matrix<S>,
    grads: &mut Lstm<S>,
    fault: Fault,
) -> Matrix<S> {
    let mut dx = Matrix::zeros(x.rows(), layer.inputs());
    for n in 0..layout.clips() {
        let rows: Vec<usize> = (0..layout.length(n)).map(|t| layout.row(t, n)).collect();
        let frames = forward(layer, x, &rows);
        backward(layer, x, dy, &rows, &frames, grads, &mut dx, fault);
    }
    dx
}

/// i, f, g, o, c and h of one frame.
struct Frame<S> {
    gates: [Vec<S>; 4],
    c: Vec<S>,
    h: Vec<S>,
}

fn forward<S: Scalar>(layer: &Lstm<S>, x: &Matrix<S>, rows: &[usize]) -> Vec<Frame<S>> {
    let hidden = layer.hidden();
    let mut frames: Vec<Frame<S>> = Vec::new();
    for &row in rows {
        let (c_prev, h_prev) = match frames.last() {
            Some(frame) => (frame.c.clone(), frame.h.clone()),
            None => (vec![S::ZERO; hidden], vec![S::ZERO; hidden]),
        };
        let gates: [Vec<S>; 4] = std::array::from_fn(|gate| {
            let unit = |u: usize| {
                let r = gate * hidden + u;
                let a = layer.bias_ih[r]
                    + layer.bias_hh[r]
                    + sum(layer.inputs(), |d| layer.weight_ih[(r, d)] * x[(row, d)])
                    + sum(hidden, |k| layer.weight_hh[(r, k)] * h_prev[k]);
                if gate == 2 { a.tanh() } else { a.sigmoid() }
            };
            (0..hidden).map(unit).collect()
        });
        let c: Vec<S> = (0..hidden).map(|u| gates[1][u] * c_prev[u] + gates[0][u] * gates[2][u]).collect();
        let h = (0..hidden).map(|u| gates[3][u] * c[u].tanh()).collect();
        frames.push(Frame { gates, c, h });
    }
    frames
}

#[allow(clippy::too_many_arguments, reason = "one clip's share of a backward")]
fn backward<S: Scalar>(
    layer: &Lstm<S>,
    x: &Matrix<S>,
    dy: &Matrix<S>,
    rows: &[usize],
    frames: &[Frame<S>],
    grads: &mut Lstm<S>,
    dx: &mut Matrix<S>,
    fault: Fault,
) {
    let (hidden, one) = (layer.hidden(), S::ONE);
    let zeros = vec![S::ZERO; hidden];
    let (mut dh_next, mut dc_next) = (zeros.clone(), zeros.clone());
    for (t, &row) in rows.iter().enumerate().rev() {
        let Frame { gates: [i, f, g, o], c, h } = &frames[t];
        let (c_prev, h_prev) = if t == 0 { (&zeros, &zeros) } else { (&frames[t - 1].c, &frames[t - 1].h) };
        let mut da = vec![S::ZERO; 4 * hidden];
        for u in 0..hidden {
            let tanh_c = c[u].tanh();
            let slope = one - if fault == Fault::TanhSlopeNotSquared { tanh_c } else { tanh_c * tanh_c };
            let dh = dy[(row, u)] + dh_next[u];
            let dc = dh * o[u] * slope + dc_next[u];
            let (mut di, mut df) = (dc * g[u] * i[u] * (one - i[u]), f[u] * (one - f[u]));
            df = df * dc * if fault == Fault::ForgetGateSeesTheNewCell { c[u] } else { c_prev[u] };
            if fault == Fault::InputGateOffByAThousandth {
                di = di * S::from_f64(1.001);
            }
            if fault == Fault::InputAndForgetGatesSwapped {
                (di, df) = (df, di);
            }
            let output_slope = if fault == Fault::OutputGateSlopeMissing { one } else { o[u] * (one - o[u]) };
            for (gate, value) in
                [di, df, dc * i[u] * (one - g[u] * g[u]), dh * tanh_c * output_slope].into_iter().enumerate()
            {
                da[gate * hidden + u] = value;
            }
            dc_next[u] = if fault == Fault::ForgetPathMissing { S::ZERO } else { dc * f[u] };
        }
        for (r, &da) in da.iter().enumerate() {
            grads.bias_ih[r] += da;
            if fault != Fault::SecondBiasForgotten {
                grads.bias_hh[r] += da;
            }
            for d in 0..layer.inputs() {
                grads.weight_ih[(r, d)] += da * x[(row, d)];
            }
            for k in 0..hidden {
                grads.weight_hh[(r, k)] +=
                    da * if fault == Fault::HiddenStateOfTheSameFrame { h[k] } else { h_prev[k] };
            }
        }
        let first = if fault == Fault::InputGradientOfLastGateOnly { 3 * hidden } else { 0 };
        for d in 0..layer.inputs() {
            dx[(row, d)] = sum(4 * hidden - first, |r| da[first + r] * layer.weight_ih[(first + r, d)]);
        }
        for (k, dh_next) in dh_next.iter_mut().enumerate() {
            *dh_next = sum(4 * hidden, |r| {
                let (gate, u) = (r / hidden, r % hidden);
                da[r]
                    * if fault == Fault::RecurrentWeightTransposed {
                        layer.weight_hh[(gate * hidden + k, u)]
                    } else {
                        layer.weight_hh[(r, k)]
                    }
            });
        }
        if fault == Fault::HiddenPathMissing {
            dh_next.fill(S::ZERO);
        }
    }
}
