//! Proof that the audit finds mistakes: every layer's backward is written a second time, in plain loops, with a fault that can be
//! planted in it (`audit::plain`). Without a fault the audit must find nothing; each fault it must find, element by element and
//! along random directions alike.

use reslstm::audit::faults::Fault;
use reslstm::audit::subjects::{AttentionSubject, BatchNormSubject, CrossEntropySubject, LinearSubject, LstmSubject};
use reslstm::audit::subjects::{DropoutSubject, NoParameters, ResidualSubject};
use reslstm::audit::{Along, Subject, TensorAudit, audit, in_order, plain, random_point};
use reslstm::layers::{Attention, BatchNorm, Linear, Lstm};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use reslstm::scalar::Scalar;

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

/// The layer's forward, and its plain backward with a fault.
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
        plain::linear(layer, x, dy, grads, fault)
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
        let mut dz = plain::cross_entropy(z, &self.labels, fault);
        dz.as_mut_slice().iter_mut().for_each(|dz| *dz = *dz * dy[(0, 0)]);
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
        plain::batch_norm(layer, x, self.padded, dy, grads, fault)
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
        plain::attention(layer, &self.layout, h, dctx, grads, fault)
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
        plain::dropout(&self.mask, dy, fault)
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
        let mut dx = plain::linear(layer, x, dy, grads, Fault::None);
        plain::residual(dy, &mut dx, fault);
        dx
    }
}

#[test]
fn faults_in_dropout_and_the_residual_connection_are_caught() {
    let mask = || Matrix::from_rows(&[[0.0, 1.25, 1.25], [1.25, 0.0, 1.25]]);
    check(&[Fault::MaskNotScaled], |fault| Faulty { inner: DropoutSubject { mask: mask() }, fault });
    check(&[Fault::StraightPathMissing], |fault| Faulty { inner: ResidualSubject { rows: 3, width: 5 }, fault });
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
        plain::lstm(layer, &self.layout, x, dy, grads, fault)
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
