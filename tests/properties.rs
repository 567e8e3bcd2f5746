//! What must hold for any batch: in evaluation a clip's result is the same to the bit for any neighbours in any order, and
//! gradients of a batch are the sum of its clips' gradients where batch norm does not tie them together.

use proptest::prelude::*;
use reslstm::audit::dual::Dual;
use reslstm::audit::flow::Flow;
use reslstm::audit::subjects::{AttentionSubject, LossSubject, LstmSubject};
use reslstm::audit::{Along, DUAL_BOUND, Point, Subject, analytic, audit, in_order, random_point, scaled_error};
use reslstm::audit::{Disagreement, Gradient, TensorAudit};
use reslstm::data::batch::{Batch, Example};
use reslstm::kernels::lanes::Lanes;
use reslstm::kernels::{Level, Panels, Start, Term};
use reslstm::layers::{Attention, AttentionTape, BatchNorm, BatchNormTape, Linear, LinearTape, Lstm, LstmTape};
use reslstm::layers::{PackedLinear, PackedLstm, RunningAttention, RunningLstm};
use reslstm::matrix::Matrix;
use reslstm::models::{Model, PackedModel, Tape};
use reslstm::optim::{Adam, CosineWarmRestarts};
use reslstm::packed::{Packed, Padding};
use reslstm::params::{Buffer, Path};
use reslstm::rng::RandomStream;
use reslstm::scalar::Scalar;

const INPUTS: usize = 5;
const CLASSES: usize = 3;

fn clips(lengths: &[usize], seed: u64) -> Vec<Example<f32>> {
    let mut stream = RandomStream::new(seed, "clips", 0);
    let mut frames = |n: usize| {
        let values = (0..n * INPUTS).map(|_| stream.normal() as f32).collect();
        Matrix::from_vec(n, INPUTS, values)
    };
    lengths.iter().map(|&n| Example { frames: frames(n), label: 0 }).collect()
}

/// Logits of each of `picks`, in their order.
fn logits(model: &Model<f32>, clips: &[Example<f32>], picks: &[usize]) -> Vec<Vec<f32>> {
    let (mut batch, mut tape) = (Batch::default(), Tape::default());
    batch.fill(clips, picks, Padding::Ignored);
    model.forward_eval(&batch.layout, &batch.x, &mut tape);
    let mut all = vec![Vec::new(); picks.len()];
    for (row, &pick) in batch.order.iter().enumerate() {
        all[pick] = tape.top.logits.row(row).to_vec();
    }
    all
}

/// The frames of one clip of a packed batch, as a batch of its own.
fn alone(layout: &Packed, packed: &Matrix<f64>, clip: usize) -> Matrix<f64> {
    Matrix::from_rows(&(0..layout.length(clip)).map(|t| packed.row(layout.row(t, clip))).collect::<Vec<_>>())
}

fn batches() -> impl Strategy<Value = (Vec<usize>, u64)> {
    (prop::collection::vec(1usize..12, 1..7), any::<u64>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_clip_does_not_depend_on_its_neighbours((lengths, seed) in batches(), hidden in 1usize..20, residual: bool) {
        let family = if residual { "reslstm-sa" } else { "lstm-sa" };
        let architecture = format!("{family}-h{hidden}").parse().unwrap();
        let model = Model::init(architecture, INPUTS, CLASSES, &mut RandomStream::new(seed, "init", 0));
        let clips = clips(&lengths, seed);
        let mut order: Vec<usize> = (0..clips.len()).collect();
        let together = logits(&model, &clips, &order);
        RandomStream::new(seed, "order", 0).shuffle(&mut order);
        for (place, &clip) in order.iter().enumerate() {
            prop_assert_eq!(&logits(&model, &clips, &order)[place], &together[clip]);
            prop_assert_eq!(&logits(&model, &clips, &[clip])[0], &together[clip]);
        }
    }

    #[test]
    fn a_batchs_gradient_is_the_sum_of_its_clips((mut lengths, seed) in batches(), hidden in 1usize..6) {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let layout = Packed::new(&lengths, Padding::Ignored);
        let single = |clip: usize| Packed::new(&[lengths[clip]], Padding::Ignored);

        let lstm = |layout: Packed| LstmSubject { layout, inputs: 3, hidden };
        let mut point = random_point(&lstm(layout.clone()), seed);
        let together = analytic(&lstm(layout.clone()), &point);
        let (x, dy) = (point.x.clone(), point.dy.clone());
        let mut sums: Vec<Vec<f64>> = together.iter().map(|gradient| vec![0.0; gradient.values.len()]).collect();
        for clip in 0..lengths.len() {
            (point.x, point.dy) = (alone(&layout, &x, clip), alone(&layout, &dy, clip));
            add_parameters(&mut sums, &lstm(single(clip)), &point);
        }
        for (gradient, sum) in together.iter().zip(&sums).take(together.len() - 1) {
            prop_assert!(scaled_error(&gradient.values, sum).1 < 1e-12, "{}", gradient.name);
        }

        let attention = |layout: Packed| AttentionSubject { layout, hidden, vectors: 2 };
        let mut point = random_point(&attention(layout.clone()), seed);
        let together = analytic(&attention(layout.clone()), &point);
        let (x, dy) = (point.x.clone(), point.dy.clone());
        let mut sums = vec![vec![0.0; together[0].values.len()]];
        for clip in 0..lengths.len() {
            (point.x, point.dy) = (alone(&layout, &x, clip), Matrix::from_rows(&[dy.row(clip)]));
            add_parameters(&mut sums, &attention(single(clip)), &point);
        }
        prop_assert!(scaled_error(&together[0].values, &sums[0]).1 < 1e-12);
    }

    /// A whole model in evaluation under the mean loss: N times the gradient of the batch is the sum over its clips.
    #[test]
    fn a_models_gradient_is_the_sum_of_its_clips((mut lengths, seed) in batches(), hidden in 1usize..6, residual: bool) {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let clips = lengths.len();
        let family = if residual { "reslstm-sa" } else { "lstm-sa" };
        let subject = |lengths: &[usize], labels: Vec<usize>| LossSubject {
            architecture: format!("{family}-h{hidden}").parse().unwrap(),
            layout: Packed::new(lengths, Padding::Ignored),
            inputs: INPUTS,
            classes: CLASSES,
            labels,
        };
        let labels: Vec<usize> = (0..clips).map(|clip| (clip + seed as usize % 7) % CLASSES).collect();
        let whole = subject(&lengths, labels.clone());
        let mut point = random_point(&whole, seed);
        point.dy = Matrix::from_rows(&[[clips as f64]]);
        let together = analytic(&whole, &point);
        let x = point.x.clone();
        point.dy = Matrix::from_rows(&[[1.0]]);
        let mut sums: Vec<Vec<f64>> = together.iter().map(|gradient| vec![0.0; gradient.values.len()]).collect();
        for clip in 0..clips {
            point.x = alone(&whole.layout, &x, clip);
            add_parameters(&mut sums, &subject(&lengths[clip..=clip], vec![labels[clip]]), &point);
        }
        for (gradient, sum) in together.iter().zip(&sums).take(together.len() - 1) {
            prop_assert!(scaled_error(&gradient.values, sum).1 < 1e-11, "{}", gradient.name);
        }
    }

    /// T = 1, N = 1, H = 1 and every combination with larger sizes, at any random point: dual numbers agree with backward. (Differences
    /// are too coarse at some points: where the loss is flat, a gradient of 1e-7 is a difference of losses of order 1.)
    ///
    /// Backward subtracts numbers of order 1 (p − 1, dα − Σ α·dα). Where a tensor's derivative nearly cancels, the rounding left in it is
    /// that of these terms, a few 1e-16, however small the derivative is.
    #[test]
    fn gradients_of_the_smallest_sizes(frames in 1usize..3, clips in 1usize..3, hidden in 1usize..3, seed: u64) {
        let layout = Packed::new(&vec![frames; clips], Padding::Ignored);
        let labels = (0..clips).map(|clip| clip % CLASSES).collect();
        let architecture = format!("reslstm-sa-h{hidden}").parse().unwrap();
        let subject = LossSubject { architecture, layout, inputs: 2, classes: CLASSES, labels };
        for tensor in audit(&subject, &random_point(&subject, seed), Along::Elements, in_order) {
            let rounding = (tensor.dual.backward - tensor.dual.witness).abs() <= 1e-15;
            prop_assert!(tensor.dual.scaled_error <= DUAL_BOUND || rounding, "{:?}", tensor);
        }
    }
}

#[test]
fn public_types_can_be_sent_to_and_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    fn check_all<S: Scalar>() {
        check::<(Matrix<S>, Buffer<S>, Lanes<S>, Panels<S>, Start<'_, S>, Term<'_, S>)>();
        check::<(Linear<S>, LinearTape<S>, PackedLinear<S>, BatchNorm<S>, BatchNormTape<S>)>();
        check::<(Lstm<S>, LstmTape<S>, PackedLstm<S>, RunningLstm<S>)>();
        check::<(Attention<S>, AttentionTape<S>, RunningAttention<S>)>();
        check::<(Model<S>, PackedModel<S>, Tape<S>, Adam<S>)>();
    }
    check_all::<f32>();
    check_all::<f64>();
    check_all::<Dual>();
    check::<(Packed, Padding, Path<'_>, Level, RandomStream, CosineWarmRestarts)>();
    check::<(TensorAudit, Disagreement, Gradient, Flow, Point<Model<f64>>)>();
}

/// Adds the gradients of the parameters, not of the input.
fn add_parameters<A: Subject>(sums: &mut [Vec<f64>], subject: &A, point: &Point<A::Layer<f64>>) {
    let gradients = analytic(subject, point);
    for (sum, gradient) in sums.iter_mut().zip(&gradients[..gradients.len() - 1]) {
        sum.iter_mut().zip(&gradient.values).for_each(|(sum, value)| *sum += value);
    }
}
