//! Proof that the audit finds mistakes: every layer's backward is written here a second time, in plain loops, with a fault that can
//! be planted in it. Without a fault the audit must find nothing; each fault it must find, element by element and along
//! random directions alike.

use reslstm::audit::subjects::{AttentionSubject, BatchNormSubject, CrossEntropySubject, LinearSubject, LstmSubject};
use reslstm::audit::subjects::{DropoutSubject, NoParameters, ResidualSubject};
use reslstm::audit::{Along, Subject, TensorAudit, audit, in_order, random_point};
use reslstm::layers::{Attention, BatchNorm, Linear, Lstm, softmax_cross_entropy};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use reslstm::scalar::Scalar;

/// What is wrong, if anything.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    // Linear
    WeightTransposed,
    BiasGradientAveraged,
    WeightGradientOfLastRowOnly,
    // softmax and cross-entropy
    MeanOverClipsDropped,
    TargetMissing,
    // batch norm
    UnbiasedVariance,
    MeanPathMissing,
    VariancePathMissing,
    PaddedRowsNotCounted,
    ScaleMissing,
    // attention
    MeanTermMissing,
    WeightedPathMissing,
    MeanOverVectorsDropped,
    PaddingOutsideTheSoftmax,
    // dropout and residual connection
    MaskNotScaled,
    StraightPathMissing,
    // LSTM
    ForgetPathMissing,
    ForgetGateSeesTheNewCell,
    InputGateOffByAThousandth,
    HiddenPathMissing,
    RecurrentWeightTransposed,
    TanhSlopeNotSquared,
    OutputGateSlopeMissing,
    InputAndForgetGatesSwapped,
    SecondBiasForgotten,
    HiddenStateOfTheSameFrame,
    InputGradientOfLastGateOnly,
}

/// The tensors of `subject` that fail the audit, element by element and along directions.
fn findings<A: Subject>(subject: &A) -> [Vec<TensorAudit>; 2] {
    [Along::Elements, Along::Directions(2)].map(|along| {
        let all = audit(subject, &random_point(subject, 5), along, in_order);
        all.into_iter().filter(|tensor| !tensor.passes()).collect()
    })
}

fn check<A: Subject>(faults: &[Fault], subject: impl Fn(Fault) -> A) {
    for found in findings(&subject(Fault::None)) {
        assert!(found.is_empty(), "no fault, but: {found:?}");
    }
    for &fault in faults {
        for found in findings(&subject(fault)) {
            // Far above the bounds, so that no fault is nearly missed.
            let worst = found.iter().map(|tensor| tensor.dual.scaled_error).fold(0.0, f64::max);
            assert!(worst > 1e-5, "{fault:?} is not caught: {found:?}");
        }
    }
}

/// The sum of a product over `0..n`.
fn sum<S: Scalar>(n: usize, term: impl Fn(usize) -> S) -> S {
    let mut sum = S::ZERO;
    (0..n).for_each(|i| sum += term(i));
    sum
}

/// The crate's forward, and a backward written here, with a fault.
struct Faulty<A> {
    inner: A,
    fault: Fault,
}

/// The plain backward of a layer.
trait Plain: Subject {
    fn plain<S: Scalar>(
        &self,
        layer: &Self::Layer<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Self::Layer<S>,
        fault: Fault,
    ) -> Matrix<S>;
}

impl<A: Plain> Subject for Faulty<A> {
    type Layer<S: Scalar> = A::Layer<S>;

    fn zeros<S: Scalar>(&self) -> A::Layer<S> {
        self.inner.zeros()
    }
    fn input_shape(&self) -> [usize; 2] {
        self.inner.input_shape()
    }
    fn forward<S: Scalar>(&self, layer: &A::Layer<S>, x: &Matrix<S>) -> Matrix<S> {
        self.inner.forward(layer, x)
    }
    fn backward<S: Scalar>(
        &self,
        layer: &A::Layer<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut A::Layer<S>,
    ) -> Matrix<S> {
        self.inner.plain(layer, x, dy, grads, self.fault)
    }
}

impl Plain for LinearSubject {
    fn plain<S: Scalar>(
        &self,
        layer: &Linear<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Linear<S>,
        fault: Fault,
    ) -> Matrix<S> {
        let mut dx = Matrix::zeros(self.rows, self.inputs);
        for k in 0..self.outputs {
            let share = if fault == Fault::BiasGradientAveraged { 1.0 / self.rows as f64 } else { 1.0 };
            grads.bias[k] += sum(self.rows, |n| dy[(n, k)]) * S::from_f64(share);
            for h in 0..self.inputs {
                let first = if fault == Fault::WeightGradientOfLastRowOnly { self.rows - 1 } else { 0 };
                grads.weight[(k, h)] += sum(self.rows - first, |n| dy[(first + n, k)] * x[(first + n, h)]);
            }
        }
        for n in 0..self.rows {
            for h in 0..self.inputs {
                dx[(n, h)] = sum(self.outputs, |k| {
                    dy[(n, k)]
                        * if fault == Fault::WeightTransposed { layer.weight[(h, k)] } else { layer.weight[(k, h)] }
                });
            }
        }
        dx
    }
}

#[test]
fn faults_in_linear_are_caught() {
    let faults = [Fault::WeightTransposed, Fault::BiasGradientAveraged, Fault::WeightGradientOfLastRowOnly];
    check(&faults, |fault| Faulty { inner: LinearSubject { rows: 3, inputs: 4, outputs: 4 }, fault });
}

impl Plain for CrossEntropySubject {
    fn plain<S: Scalar>(
        &self,
        _: &NoParameters,
        z: &Matrix<S>,
        dy: &Matrix<S>,
        _: &mut NoParameters,
        fault: Fault,
    ) -> Matrix<S> {
        let (clips, mut dz) = (self.labels.len(), Matrix::default());
        softmax_cross_entropy::softmax(z, &mut dz);
        for (n, &label) in self.labels.iter().enumerate() {
            for k in 0..self.classes {
                if k == label && fault != Fault::TargetMissing {
                    dz[(n, k)] -= S::ONE;
                }
                let share = if fault == Fault::MeanOverClipsDropped { 1.0 } else { 1.0 / clips as f64 };
                dz[(n, k)] = dz[(n, k)] * S::from_f64(share) * dy[(0, 0)];
            }
        }
        dz
    }
}

#[test]
fn faults_in_cross_entropy_are_caught() {
    let inner = || CrossEntropySubject { labels: vec![4, 0, 2], classes: 5 };
    check(&[Fault::MeanOverClipsDropped, Fault::TargetMissing], |fault| Faulty { inner: inner(), fault });
}

impl Plain for BatchNormSubject {
    fn plain<S: Scalar>(
        &self,
        layer: &BatchNorm<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut BatchNorm<S>,
        fault: Fault,
    ) -> Matrix<S> {
        let mut dx = Matrix::zeros(self.rows, self.features);
        let counted = self.rows + if fault == Fault::PaddedRowsNotCounted { 0 } else { self.padded };
        let m = S::from_f64(counted as f64);
        for c in 0..self.features {
            let mean = sum(self.rows, |r| x[(r, c)]) / m;
            let padded = S::from_f64((counted - self.rows) as f64);
            let squares = sum(self.rows, |r| (x[(r, c)] - mean) * (x[(r, c)] - mean)) + padded * mean * mean;
            let m_var = if fault == Fault::UnbiasedVariance { m - S::ONE } else { m };
            let inv_std = S::ONE / (squares / m_var + S::from_f64(1e-5)).sqrt();
            let x_hat = |r: usize| (x[(r, c)] - mean) * inv_std;
            let gamma = if fault == Fault::ScaleMissing { S::ONE } else { layer.weight[c] };
            grads.weight[c] += sum(self.rows, |r| dy[(r, c)] * x_hat(r));
            grads.bias[c] += sum(self.rows, |r| dy[(r, c)]);
            let through_mean = sum(self.rows, |r| dy[(r, c)]) / m;
            let through_variance = sum(self.rows, |r| dy[(r, c)] * x_hat(r)) / m;
            for r in 0..self.rows {
                let mut dx_hat = dy[(r, c)];
                if fault != Fault::MeanPathMissing {
                    dx_hat -= through_mean;
                }
                if fault != Fault::VariancePathMissing {
                    dx_hat -= x_hat(r) * through_variance;
                }
                dx[(r, c)] = gamma * inv_std * dx_hat;
            }
        }
        dx
    }
}

#[test]
fn faults_in_batch_norm_are_caught() {
    let faults = [
        Fault::UnbiasedVariance,
        Fault::MeanPathMissing,
        Fault::VariancePathMissing,
        Fault::PaddedRowsNotCounted,
        Fault::ScaleMissing,
    ];
    check(&faults, |fault| Faulty { inner: BatchNormSubject { rows: 5, padded: 2, features: 3 }, fault });
}

impl Plain for AttentionSubject {
    fn plain<S: Scalar>(
        &self,
        layer: &Attention<S>,
        h: &Matrix<S>,
        dctx: &Matrix<S>,
        grads: &mut Attention<S>,
        fault: Fault,
    ) -> Matrix<S> {
        let u = &layer.vector;
        let mut dh = Matrix::zeros(h.rows(), self.hidden);
        for n in 0..self.layout.clips() {
            let frames = self.layout.length(n);
            let row = |t: usize| self.layout.row(t, n);
            let dalpha: Vec<S> = (0..frames).map(|t| sum(self.hidden, |k| dctx[(n, k)] * h[(row(t), k)])).collect();
            for v in 0..self.vectors {
                let exp: Vec<S> = (0..frames).map(|t| sum(self.hidden, |k| h[(row(t), k)] * u[(k, v)]).exp()).collect();
                let outside = fault == Fault::PaddingOutsideTheSoftmax;
                let padded = if outside { 0 } else { self.layout.padded(n) };
                let total = sum(frames, |t| exp[t]) + S::from_f64(padded as f64);
                let a = |t: usize| exp[t] / total;
                let expected =
                    if fault == Fault::MeanTermMissing { S::ZERO } else { sum(frames, |t| a(t) * dalpha[t]) };
                let mean = if fault == Fault::MeanOverVectorsDropped { 1.0 } else { 1.0 / self.vectors as f64 };
                let share = S::from_f64(mean);
                for t in 0..frames {
                    let de = share * a(t) * (dalpha[t] - expected);
                    for k in 0..self.hidden {
                        grads.vector[(k, v)] += de * h[(row(t), k)];
                        dh[(row(t), k)] += de * u[(k, v)];
                        if fault != Fault::WeightedPathMissing {
                            dh[(row(t), k)] += S::from_f64(1.0 / self.vectors as f64) * a(t) * dctx[(n, k)];
                        }
                    }
                }
            }
        }
        dh
    }
}

#[test]
fn faults_in_attention_are_caught() {
    let faults = [
        Fault::MeanTermMissing,
        Fault::WeightedPathMissing,
        Fault::MeanOverVectorsDropped,
        Fault::PaddingOutsideTheSoftmax,
    ];
    let layout = || Packed::new(&[5, 3, 1], Padding::Counted);
    check(&faults, |fault| Faulty { inner: AttentionSubject { layout: layout(), hidden: 3, vectors: 2 }, fault });
}

impl Plain for DropoutSubject {
    fn plain<S: Scalar>(
        &self,
        _: &NoParameters,
        _: &Matrix<S>,
        dy: &Matrix<S>,
        _: &mut NoParameters,
        fault: Fault,
    ) -> Matrix<S> {
        let mut dx = dy.clone();
        for (dx, &mask) in dx.as_mut_slice().iter_mut().zip(self.mask.as_slice()) {
            *dx = *dx * S::from_f64(if fault == Fault::MaskNotScaled { mask.min(1.0) } else { mask });
        }
        dx
    }
}

impl Plain for ResidualSubject {
    fn plain<S: Scalar>(
        &self,
        layer: &Linear<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Linear<S>,
        fault: Fault,
    ) -> Matrix<S> {
        let inner = LinearSubject { rows: self.rows, inputs: self.width, outputs: self.width };
        let mut dx = inner.plain(layer, x, dy, grads, Fault::None);
        if fault != Fault::StraightPathMissing {
            dx.as_mut_slice().iter_mut().zip(dy.as_slice()).for_each(|(dx, &dy)| *dx += dy);
        }
        dx
    }
}

#[test]
fn faults_in_dropout_and_the_residual_connection_are_caught() {
    let mask = || Matrix::from_rows(&[[0.0, 1.25, 1.25], [1.25, 0.0, 1.25]]);
    check(&[Fault::MaskNotScaled], |fault| Faulty { inner: DropoutSubject { mask: mask() }, fault });
    check(&[Fault::StraightPathMissing], |fault| Faulty { inner: ResidualSubject { rows: 3, width: 5 }, fault });
}

/// i, f, g, o, c and h of one frame.
struct Frame<S> {
    gates: [Vec<S>; 4],
    c: Vec<S>,
    h: Vec<S>,
}

impl Plain for LstmSubject {
    fn plain<S: Scalar>(
        &self,
        layer: &Lstm<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Lstm<S>,
        fault: Fault,
    ) -> Matrix<S> {
        let mut dx = Matrix::zeros(x.rows(), self.inputs);
        for n in 0..self.layout.clips() {
            let rows: Vec<usize> = (0..self.layout.length(n)).map(|t| self.layout.row(t, n)).collect();
            let frames = plain_forward(layer, x, &rows);
            plain_backward(layer, x, dy, &rows, &frames, grads, &mut dx, fault);
        }
        dx
    }
}

fn plain_forward<S: Scalar>(layer: &Lstm<S>, x: &Matrix<S>, rows: &[usize]) -> Vec<Frame<S>> {
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
fn plain_backward<S: Scalar>(
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

#[test]
fn faults_in_the_lstm_are_caught() {
    let faults = [
        Fault::ForgetPathMissing,
        Fault::ForgetGateSeesTheNewCell,
        Fault::InputGateOffByAThousandth,
        Fault::HiddenPathMissing,
        Fault::RecurrentWeightTransposed,
        Fault::TanhSlopeNotSquared,
        Fault::OutputGateSlopeMissing,
        Fault::InputAndForgetGatesSwapped,
        Fault::SecondBiasForgotten,
        Fault::HiddenStateOfTheSameFrame,
        Fault::InputGradientOfLastGateOnly,
    ];
    let layout = || Packed::new(&[5, 3, 1], Padding::Ignored);
    check(&faults, |fault| Faulty { inner: LstmSubject { layout: layout(), inputs: 4, hidden: 3 }, fault });
}
