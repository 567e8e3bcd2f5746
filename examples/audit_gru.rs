//! A gated recurrent unit, equal to `torch.nn.GRU`, in under 90 lines: `cargo run --release --example audit_gru` audits it.
//! `T` frames of `D` inputs give `T` states of `H` units; **gates are stacked in the order r, z, n** (reset, update, new).

use reslstm::{audit::Subject, layers::Linear, matrix::Matrix, params::parameters, scalar::Scalar};

/// The weights of two sums, `a = W_ih·x + b_ih` and `u = W_hh·h₋₁ + b_hh`, `[3H]` each. A gradient has this type too.
struct Gru<S> {
    input: Linear<S>,
    recurrent: Linear<S>,
}

parameters!(Gru {
    "weight_ih_l0" => input.weight, "bias_ih_l0" => input.bias,
    "weight_hh_l0" => recurrent.weight, "bias_hh_l0" => recurrent.bias,
});

impl<S: Scalar> Gru<S> {
    /// `x` `[T,D]` to `h` `[T+1,H]`, row 0 before the first frame; for backward `[r, z, n, u_n]` of every unit, `[T,H]`.
    fn forward(&self, x: &Matrix<S>) -> (Matrix<S>, Matrix<[S; 4]>) {
        let (frames, hidden) = (x.rows(), self.recurrent.weight.cols());
        let (mut h, mut tape) = (Matrix::zeros(frames + 1, hidden), Matrix::zeros(frames, hidden));
        let (mut a, mut u) = (Matrix::default(), Matrix::default());
        self.input.forward(x, &mut Default::default(), &mut a);
        for t in 0..frames {
            self.recurrent.forward(&Matrix::from_rows(&[h.row(t)]), &mut Default::default(), &mut u);
            for j in 0..hidden {
                let [(a_r, u_r), (a_z, u_z), (a_n, u_n)] =
                    [j, hidden + j, 2 * hidden + j].map(|k| (a[(t, k)], u[(0, k)]));
                let (r, z) = ((a_r + u_r).sigmoid(), (a_z + u_z).sigmoid());
                let n = (a_n + r * u_n).tanh();
                h[(t + 1, j)] = (S::ONE - z) * n + z * h[(t, j)];
                tape[(t, j)] = [r, z, n, u_n];
            }
        }
        (h, tape)
    }

    /// Adds the weights' gradients to `grads` and returns dx `[T,D]`; `dy` `[T,H]` is what arrives from above at every h.
    fn backward(&self, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Self) -> Matrix<S> {
        let ([frames, hidden], (h, tape)) = (dy.shape(), self.forward(x));
        let [mut da, mut du] = [frames, 1].map(|rows| Matrix::zeros(rows, 3 * hidden));
        let [mut dh_direct, mut dh_sums, mut dx] = [hidden, hidden, 0].map(|width| Matrix::zeros(1, width));
        for t in (0..frames).rev() {
            for j in 0..hidden {
                let (dh, [r, z, n, u_n]) = (dy[(t, j)] + dh_direct[(0, j)] + dh_sums[(0, j)], tape[(t, j)]);
                // forward: h = (1 − z)·n + z·h₋₁
                let (dz, dn) = (dh * (h[(t, j)] - n), dh * (S::ONE - z));
                dh_direct[(0, j)] = dh * z;
                // forward: n = tanh(a_n + r·u_n)
                let da_n = dn * (S::ONE - n * n);
                let (dr, du_n) = (da_n * u_n, da_n * r);
                // forward: r = σ(a_r + u_r), z = σ(a_z + u_z)
                let (da_r, da_z) = (dr * r * (S::ONE - r), dz * z * (S::ONE - z));
                (da[(t, j)], da[(t, hidden + j)], da[(t, 2 * hidden + j)]) = (da_r, da_z, da_n);
                (du[(0, j)], du[(0, hidden + j)], du[(0, 2 * hidden + j)]) = (da_r, da_z, du_n);
            }
            // forward: u = W_hh·h₋₁ + b_hh
            let h_prev = Matrix::from_rows(&[h.row(t)]);
            self.recurrent.backward(&h_prev, &mut Default::default(), &du, &mut grads.recurrent, &mut dh_sums);
        }
        // forward: a = W_ih·x + b_ih
        self.input.backward(x, &mut Default::default(), &da, &mut grads.input, &mut dx);
        dx
    }
}

struct GruSubject([usize; 3]); // The layer's sizes T, D, H

impl Subject for GruSubject {
    type Layer<S: Scalar> = Gru<S>;
    fn zeros<S: Scalar>(&self) -> Gru<S> {
        let [_, inputs, hidden] = self.0;
        Gru { input: Linear::zeros(inputs, 3 * hidden), recurrent: Linear::zeros(hidden, 3 * hidden) }
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.0[0], self.0[1]]
    }
    fn forward<S: Scalar>(&self, gru: &Gru<S>, x: &Matrix<S>) -> Matrix<S> {
        Matrix::from_rows(&gru.forward(x).0.iter_rows().skip(1).collect::<Vec<_>>())
    }
    fn backward<S: Scalar>(&self, gru: &Gru<S>, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Gru<S>) -> Matrix<S> {
        gru.backward(x, dy, grads)
    }
}

fn main() {
    reslstm::audit::assert_gradients(&GruSubject([4, 7, 5]));
    println!("All gradients of the GRU are right.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audit::{assert_gradients, scaled_error};
    use reslstm::params::{Parameters, Path};
    use safetensors::SafeTensors;

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        assert_gradients(&GruSubject([4, 7, 5]));
        assert_gradients(&GruSubject([1, 2, 18]));
    }

    #[test]
    fn golden_states_and_gradients_of_torch_nn_gru() {
        let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/gru/gru.safetensors")).unwrap();
        let golden = SafeTensors::deserialize(&file).unwrap();
        let values = |key: &str| -> Vec<f64> {
            golden.tensor(key).unwrap().data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
        };
        let matrix = |key: &str| {
            let shape = golden.tensor(key).unwrap().shape().to_vec();
            Matrix::from_vec(shape[0], shape[1], values(key))
        };
        let (x, dh) = (matrix("in.x"), matrix("in.dh"));
        let subject = GruSubject([x.rows(), x.cols(), dh.cols()]);
        let (mut gru, mut grads) = (subject.zeros::<f64>(), subject.zeros::<f64>());
        gru.visit_mut(&Path::ROOT, &mut |path, _, shape, tensor| {
            let key = format!("param.{path}");
            assert_eq!(golden.tensor(&key).unwrap().shape(), shape, "{path}");
            tensor.copy_from_slice(&values(&key));
        });
        let h = subject.forward(&gru, &x);
        let dx = subject.backward(&gru, &x, &dh, &mut grads);

        let mut compared = vec![("out.h".to_string(), h.as_slice()), ("grad.in.x".to_string(), dx.as_slice())];
        grads.visit(&Path::ROOT, &mut |path, _, _, tensor| compared.push((format!("grad.{path}"), tensor)));
        assert_eq!(compared.len(), 6);
        for (key, got) in compared {
            let expected = values(&key);
            assert_eq!(got.len(), expected.len(), "{key}");
            let (index, error) = scaled_error(got, &expected);
            // Both round in f64, a few dozen times.
            assert!(error <= 1e-12, "{key}[{index}]: {} here, {} in PyTorch", got[index], expected[index]);
        }
    }
}
