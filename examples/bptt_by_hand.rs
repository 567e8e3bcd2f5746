//! Backpropagation through time by hand: an LSTM of one unit over three frames, every number in plain arithmetic, next to the layer's own.
//!
//! ```text
//! cargo run --release --example bptt_by_hand
//! ```
//! The weights are those of lesson 5 (`reslstm::layers::lstm`), which does the first two frames on paper.

use reslstm::layers::{Lstm, LstmTape};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};

/// Weights of the input and of the hidden state, and biases, in the order i, f, g, o.
const W: [f64; 4] = [1.0, -1.0, 2.0, 1.0];
const U: [f64; 4] = [-1.0, 1.0, 1.0, 2.0];
const B: [f64; 4] = [0.0, 2.0, 0.0, 0.0];
/// Three frames, and the gradient from above at each hidden state: the loss depends on the last one alone.
const X: [f64; 3] = [1.0, -1.0, 0.5];
const DH: [f64; 3] = [0.0, 0.0, 1.0];

/// Name, values by hand, values by the layer: one per frame, or one per gate.
type Row = (&'static str, Vec<f64>, Vec<f64>);

fn compare() -> Vec<Row> {
    let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
    // Frame t is at index t + 1: before the first frame and after the last there are zeros.
    let (mut i, mut f, mut g, mut o, mut c, mut h) = ([0.0; 5], [0.0; 5], [0.0; 5], [0.0; 5], [0.0; 5], [0.0; 5]);
    for t in 1..=3 {
        let a: [f64; 4] = std::array::from_fn(|gate| W[gate] * X[t - 1] + U[gate] * h[t - 1] + B[gate]);
        (i[t], f[t], g[t], o[t]) = (sigmoid(a[0]), sigmoid(a[1]), a[2].tanh(), sigmoid(a[3]));
        c[t] = f[t] * c[t - 1] + i[t] * g[t];
        h[t] = o[t] * c[t].tanh();
    }
    let (mut dh, mut dc, mut da) = ([0.0; 5], [0.0; 5], [[0.0; 4]; 5]);
    for t in (1..=3).rev() {
        // h went up, and into the four gates of the next frame.
        dh[t] = DH[t - 1] + (0..4).map(|gate| U[gate] * da[t + 1][gate]).sum::<f64>();
        // c went into h = o·tanh(c), and into the next frame's c = f·c₋₁ + i·g.
        dc[t] = dh[t] * o[t] * (1.0 - c[t].tanh().powi(2)) + dc[t + 1] * f[t + 1];
        da[t] = [
            dc[t] * g[t] * i[t] * (1.0 - i[t]),
            dc[t] * c[t - 1] * f[t] * (1.0 - f[t]),
            dc[t] * i[t] * (1.0 - g[t] * g[t]),
            dh[t] * c[t].tanh() * o[t] * (1.0 - o[t]),
        ];
    }
    let frames = |values: [f64; 5]| values[1..4].to_vec();
    let dx = (1..=3).map(|t| (0..4).map(|gate| W[gate] * da[t][gate]).sum()).collect();
    // All frames share the weights: their gradients are sums over the frames.
    let gates = |input: [f64; 3]| (0..4).map(|gate| (1..=3).map(|t| da[t][gate] * input[t - 1]).sum()).collect();

    let column = |values: &[f64]| Matrix::from_vec(values.len(), 1, values.to_vec());
    let layer = Lstm { weight_ih: column(&W), weight_hh: column(&U), bias_ih: B.to_vec(), bias_hh: vec![0.0; 4] };
    let (layout, above) = (Packed::new(&[3], Padding::Ignored), column(&DH));
    let (mut tape, mut grads) = (LstmTape::default(), Lstm::zeros(1, 1));
    let mut dx_all = Matrix::default();
    layer.forward(&layout, &column(&X), &mut tape);
    layer.backward(&layout, &column(&X), &mut tape, &above, &mut grads, Some(&mut dx_all));
    let all = layer.state_gradients(&layout, &tape, &above);
    let values = |matrix: &Matrix<f64>| matrix.as_slice().to_vec();
    vec![
        ("i", frames(i), values(&tape.gates[0])),
        ("f", frames(f), values(&tape.gates[1])),
        ("g", frames(g), values(&tape.gates[2])),
        ("o", frames(o), values(&tape.gates[3])),
        ("c", frames(c), values(&tape.c)),
        ("h", frames(h), values(&tape.h)),
        ("dh", frames(dh), values(&all.h)),
        ("dc", frames(dc), values(&all.c)),
        ("dx", dx, values(&dx_all)),
        ("dW_ih", gates(X), values(&grads.weight_ih)),
        ("dW_hh", gates([0.0, h[1], h[2]]), values(&grads.weight_hh)),
        ("db", gates([1.0; 3]), grads.bias_ih),
    ]
}

fn main() {
    for (name, by_hand, by_layer) in compare() {
        match name {
            "i" => println!("forward     by hand, frame 0, 1, 2                by the layer"),
            "dh" => println!("backward"),
            "dW_ih" => println!("sums        by hand, gate i, f, g, o              by the layer"),
            _ => {}
        }
        let line = |values: &[f64]| values.iter().map(|value| format!("{value:9.4}")).collect::<String>();
        println!("{name:>8} {:38} {}", line(&by_hand), line(&by_layer));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_layer_agrees_with_the_calculation_by_hand() {
        for (name, by_hand, by_layer) in super::compare() {
            assert!(by_hand.iter().any(|value| value.abs() > 1e-3), "{name} is compared: {by_hand:?}");
            approx::assert_abs_diff_eq!(by_hand.as_slice(), by_layer.as_slice(), epsilon = 1e-14);
        }
    }
}
