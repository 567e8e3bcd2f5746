//! Adam (Kingma and Ba, 2015), with L2 weight decay added to the gradient, as PyTorch's `Adam(weight_decay=λ)`; *not* the decoupled
//! decay of AdamW.

use crate::kernels::simd;
use crate::params::{Parameters, Role};
use crate::scalar::Scalar;

/// β₁, β₂ and ε: PyTorch's defaults.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam's state: moments of every learned value, in the order of the parameters' visit.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam<S> {
    /// λ, the L2 penalty's factor.
    pub weight_decay: f64,
    /// Steps taken.
    pub steps: u64,
    /// m: running mean of the gradient, `[P]`.
    pub first_moment: Vec<S>,
    /// v: running mean of the squared gradient, `[P]`.
    pub second_moment: Vec<S>,
}

impl<S: Scalar> Adam<S> {
    /// An optimiser of `parameters` learned values, with L2 penalty λ.
    pub fn new(parameters: usize, weight_decay: f64) -> Self {
        Adam {
            weight_decay,
            steps: 0,
            first_moment: vec![S::ZERO; parameters],
            second_moment: vec![S::ZERO; parameters],
        }
    }

    /// One step against the gradient. Buffers are left alone.
    ///
    /// # Formula
    /// ```text
    /// g = ∂L/∂θ + λ·θ
    /// m = β₁·m + (1 − β₁)·g                 v = β₂·v + (1 − β₂)·g²
    /// θ = θ − lr/(1 − β₁ᵏ) · m / (√v/√(1 − β₂ᵏ) + ε)            k: this step's number, from 1
    /// ```
    /// # Panics
    /// If the number of learned values is not the one given to [`new`](Self::new).
    pub fn step<P: Parameters<S>>(&mut self, model: &mut P, grads: &P, lr: f64) {
        self.steps += 1;
        let step_size = S::from_f64(lr / (1.0 - BETA1.powf(self.steps as f64)));
        let root_bias2 = S::from_f64((1.0 - BETA2.powf(self.steps as f64)).sqrt());
        let decay = S::from_f64(self.weight_decay);
        let (beta1, beta2, epsilon) = (S::from_f64(BETA1), S::from_f64(BETA2), S::from_f64(EPSILON));
        let (take1, take2) = (S::from_f64(1.0 - BETA1), S::from_f64(1.0 - BETA2));
        let (mut m, mut v) = (&mut self.first_moment[..], &mut self.second_moment[..]);
        model.visit_pairs(grads, &mut |role, theta, g| {
            if role == Role::Buffer {
                return;
            }
            let (m, v) = (front(&mut m, theta.len()), front(&mut v, theta.len()));
            simd!(|_| {
                for (((theta, &g), m), v) in theta.iter_mut().zip(g).zip(m).zip(v) {
                    let g = g + decay * *theta;
                    *m = beta1 * *m + take1 * g;
                    *v = beta2 * *v + take2 * (g * g);
                    *theta -= step_size * (*m / (v.sqrt() / root_bias2 + epsilon));
                }
            });
        });
        assert!(m.is_empty() && v.is_empty(), "this optimiser was made for another number of parameters");
    }
}

/// Takes the first `n` values off the front of `rest`.
fn front<'a, S>(rest: &mut &'a mut [S], n: usize) -> &'a mut [S] {
    rest.split_off_mut(..n).expect("this optimiser was made for another number of parameters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_goes_a_learning_rate_against_the_gradients_sign() {
        // k = 1: m = (1 − β₁)g and √v = √(1 − β₂)|g|, so the step is lr·g/(|g| + ε).
        let mut theta = vec![2.0, -3.0, 0.5];
        let mut adam = Adam::new(3, 0.0);
        adam.step(&mut theta, &vec![4.0, -0.01, 0.0], 0.1);
        approx::assert_abs_diff_eq!(theta[0], 1.9, epsilon = 1e-9);
        approx::assert_abs_diff_eq!(theta[1], -2.9, epsilon = 1e-6);
        assert_eq!(theta[2], 0.5);
    }

    #[test]
    fn weight_decay_alone_pulls_towards_zero() {
        let mut theta = vec![2.0, -3.0];
        Adam::new(2, 0.5).step(&mut theta, &vec![0.0, 0.0], 0.1);
        approx::assert_abs_diff_eq!(theta[0], 1.9, epsilon = 1e-8);
        approx::assert_abs_diff_eq!(theta[1], -2.9, epsilon = 1e-8);
    }

    #[test]
    fn three_steps_with_weight_decay_are_pytorchs() {
        // torch.optim.Adam([2, -3, 0.25], lr=0.1, weight_decay=0.5) of PyTorch 2.15, in float64.
        let mut theta = vec![2.0, -3.0, 0.25];
        let mut adam = Adam::new(3, 0.5);
        let steps = [
            ([0.3, -0.2, 1.0], [1.9000000007692308, -2.900000000588235, 0.15000000088888887]),
            ([-1.5, 0.4, 0.1], [1.8673013694354919, -2.8038814358686204, 0.0723477328486801]),
            ([0.7, 2.0, -0.6], [1.802428543363535, -2.7510385170515215, 0.04693959370941789]),
        ];
        for (gradient, expected) in steps {
            adam.step(&mut theta, &gradient.to_vec(), 0.1);
            approx::assert_abs_diff_eq!(theta[..], expected[..], epsilon = 1e-14);
        }
        assert_eq!(adam.steps, 3);
    }

    #[test]
    #[should_panic(expected = "this optimiser was made for another number of parameters")]
    fn a_model_of_another_size_is_refused() {
        Adam::new(3, 0.0).step(&mut vec![1.0, 2.0], &vec![0.0, 0.0], 0.1);
    }
}
