//! How far a gradient reaches back in an untrained LSTM, by the bias of its forget gate.

use reslstm::layers::{Lstm, LstmTape};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use reslstm::rng::RandomStream;
use wasm_bindgen::prelude::*;

/// The lengths of ∂L/∂c, `[T]`, and of ∂L/∂h, `[T]`, and the mean forget gate of all frames and units. The LSTM has the initial weights
/// of training, but `bias` as the sum of the forget gate's biases; it reads noise; the loss is the sum of its last hidden state.
#[wasm_bindgen]
pub fn forget(bias: f64, inputs: usize, hidden: usize, frames: usize, seed: u32) -> Vec<f64> {
    let mut stream = RandomStream::new(u64::from(seed), "forget", 0);
    let mut lstm = Lstm::<f64>::init(inputs, hidden, &mut stream);
    lstm.bias_ih[hidden..2 * hidden].fill(bias);
    lstm.bias_hh[hidden..2 * hidden].fill(0.0);
    let x = Matrix::from_vec(frames, inputs, (0..frames * inputs).map(|_| stream.normal()).collect());
    let layout = Packed::new(&[frames], Padding::Ignored);
    let mut tape = LstmTape::default();
    lstm.forward(&layout, &x, &mut tape);
    let mut dh = Matrix::zeros(frames, hidden);
    dh.row_mut(frames - 1).fill(1.0);
    let all = lstm.state_gradients(&layout, &tape, &dh);
    let lengths = |rows: &Matrix<f64>| -> Vec<f64> {
        rows.iter_rows().map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
    };
    let f = tape.gates[1].as_slice();
    [lengths(&all.c), lengths(&all.h), vec![f.iter().sum::<f64>() / f.len() as f64]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_forget_bias_carries_a_gradient_further() {
        let left = |bias: f64| {
            let all = forget(bias, 8, 16, 30, 1);
            assert_eq!(all.len(), 61);
            all[19] / all[29]
        };
        // Along the cell alone it would be σ(bias)¹⁰.
        let [none, two, four] = [0.0, 2.0, 4.0].map(left);
        assert!(none < two && two < four, "{none} {two} {four}");
        assert!((0.5..2.0).contains(&(two / 0.28)), "{two}");
        assert!(forget(2.0, 8, 16, 30, 1)[60] > 0.8);
    }
}
