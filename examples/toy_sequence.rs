//! Train on toy sequences: of two symbols in noise, which came first? Both always occur, so the network must remember.
//!
//! ```text
//! cargo run --release --example toy_sequence
//! ```
//! prints the loss while it learns, the share of right answers on new sequences, and its attention over one of them.

use reslstm::data::batch::{Batch, Example};
use reslstm::layers::{Attention, AttentionTape, Linear, LinearTape, Lstm, LstmTape, softmax_cross_entropy};
use reslstm::matrix::Matrix;
use reslstm::optim::{Adam, CosineWarmRestarts};
use reslstm::packed::Padding;
use reslstm::params::{Parameters, parameters};
use reslstm::rng::RandomStream;

const HIDDEN: usize = 8;
const STEPS: usize = 400;

/// Three layers, or their gradients.
struct Network<S> {
    lstm: Lstm<S>,
    attention: Attention<S>,
    linear: Linear<S>,
}

parameters!(Network { "lstm" => lstm, "" => attention, "fc" => linear });

/// The results of a batch: its loss, probabilities `[N,2]`, attention `[F]`, and the gradients of the layers.
struct Pass {
    loss: f32,
    p: Matrix<f32>,
    alpha: Vec<f32>,
    grads: Network<f32>,
}

/// Forward through the layers, and backward from the last to the first.
fn pass(network: &Network<f32>, Batch { layout, x, labels, .. }: &Batch<f32>) -> Pass {
    let (mut lstm, mut attention, mut linear) = (LstmTape::default(), AttentionTape::default(), LinearTape::default());
    let (mut context, mut logits, mut p) = (Matrix::default(), Matrix::default(), Matrix::default());
    network.lstm.forward(layout, x, &mut lstm);
    network.attention.forward(layout, &lstm.h, &mut attention, &mut context);
    network.linear.forward(&context, &mut linear, &mut logits);
    let loss = softmax_cross_entropy::forward(&logits, labels, &mut p);

    let (mut dlogits, mut dcontext, mut dh) = (Matrix::default(), Matrix::default(), Matrix::default());
    let mut grads = Network {
        lstm: Lstm::zeros(2, HIDDEN),
        attention: Attention::zeros(HIDDEN, 1),
        linear: Linear::zeros(HIDDEN, 2),
    };
    softmax_cross_entropy::backward(&p, labels, &mut dlogits);
    network.linear.backward(&context, &mut linear, &dlogits, &mut grads.linear, &mut dcontext);
    network.attention.backward(layout, &lstm.h, &mut attention, &dcontext, &mut grads.attention, &mut dh);
    network.lstm.backward(layout, x, &mut lstm, &dh, &mut grads.lstm, None);
    Pass { loss, p, alpha: attention.alpha, grads }
}

/// 5 to 12 frames of two noisy numbers; in one frame the first is 1 more (A), in another the second (B). Label 1: B came first.
fn sequence(stream: &mut RandomStream) -> Example<f32> {
    let length = 5 + stream.below(8);
    let mut frames = Matrix::from_vec(length, 2, (0..2 * length).map(|_| 0.1 * stream.normal() as f32).collect());
    let first = stream.below(length - 1);
    let second = first + 1 + stream.below(length - 1 - first);
    let label = stream.below(2);
    frames[(first, label)] += 1.0;
    frames[(second, 1 - label)] += 1.0;
    Example { frames, label }
}

/// A batch of new sequences: no two steps have the same.
fn draw(name: &str, index: usize, count: usize) -> Batch<f32> {
    let mut stream = RandomStream::new(0, name, index as u64);
    let examples: Vec<_> = (0..count).map(|_| sequence(&mut stream)).collect();
    let mut batch = Batch::default();
    batch.fill(&examples, &(0..count).collect::<Vec<_>>(), Padding::Ignored);
    batch
}

/// The network after training, and its loss at every step.
fn train() -> (Network<f32>, Vec<f32>) {
    let mut stream = RandomStream::new(0, "init", 0);
    let (lstm, attention) = (Lstm::init(2, HIDDEN, &mut stream), Attention::init(HIDDEN, 1, &mut stream));
    let mut network = Network { lstm, attention, linear: Linear::init(HIDDEN, 2, &mut stream) };
    let mut adam = Adam::new(network.parameter_count(), 0.0);
    let schedule = CosineWarmRestarts::published(0.03, STEPS);
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let Pass { loss, grads, .. } = pass(&network, &draw("training", step, 32));
        adam.step(&mut network, &grads, schedule.rate(step));
        losses.push(loss);
    }
    (network, losses)
}

/// Number of clips whose right class has a probability above one half.
fn right(Pass { p, .. }: &Pass, labels: &[usize]) -> usize {
    labels.iter().enumerate().filter(|&(n, &label)| p[(n, label)] > 0.5).count()
}

fn main() {
    let (network, losses) = train();
    let bar = |value: f32| "█".repeat((60.0 * value).round() as usize);
    println!("step    loss (a guess has ln 2 = 0.69)");
    for (step, &loss) in losses.iter().enumerate().step_by(20) {
        println!("{step:4}  {loss:.4}  {}", bar(loss));
    }
    let unseen = draw("test", 0, 1000);
    let seen = pass(&network, &unseen);
    println!("right on new sequences: {} of 1000\n", right(&seen, &unseen.labels));
    println!("the first of them, and its attention:");
    for t in 0..unseen.layout.length(0) {
        let row = unseen.layout.row(t, 0);
        let symbol = if unseen.x[(row, 0)] > 0.5 {
            'A'
        } else if unseen.x[(row, 1)] > 0.5 {
            'B'
        } else {
            '·'
        };
        println!("{t:4} {symbol}  {:.3}  {}", seen.alpha[row], bar(seen.alpha[row]));
    }
    println!(
        "{} came first; the network: A {:.3}, B {:.3}",
        ["A", "B"][unseen.labels[0]],
        seen.p[(0, 0)],
        seen.p[(0, 1)]
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_starts_at_chance_and_ends_without_an_error() {
        let ((network, losses), unseen) = (train(), draw("test", 0, 1000));
        assert!((losses[0] - 2f32.ln()).abs() < 0.1, "{}", losses[0]);
        assert_eq!(right(&pass(&network, &unseen), &unseen.labels), 1000);
    }
}
