//! Cosine annealing with warm restarts (Loshchilov and Hutter, 2017), as PyTorch's `CosineAnnealingWarmRestarts`.

/// The learning rate as a function of the epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineWarmRestarts {
    /// Learning rate at the start of each cycle.
    pub lr: f64,
    /// Learning rate that each cycle approaches.
    pub eta_min: f64,
    /// Epochs of the first cycle, at least 1.
    pub t0: usize,
    /// Each cycle is this many times as long as the one before, at least 1.
    pub t_mult: usize,
}

impl CosineWarmRestarts {
    /// The schedule of the published notebook: cycles of `t0` epochs, down to a hundredth of `lr`.
    pub fn published(lr: f64, t0: usize) -> Self {
        CosineWarmRestarts { lr, eta_min: lr / 100.0, t0, t_mult: 1 }
    }

    /// Learning rate of epoch 0, 1, 2, …
    ///
    /// # Formula
    /// ```text
    /// η = η_min + (lr − η_min)·(1 + cos(π·t/T)) / 2          t: epochs into this cycle, T: its length
    /// ```
    pub fn rate(&self, epoch: usize) -> f64 {
        let (mut t, mut length) = (epoch, self.t0);
        while t >= length {
            t -= length;
            length *= self.t_mult;
        }
        let angle = std::f64::consts::PI * t as f64 / length as f64;
        self.eta_min + (self.lr - self.eta_min) * (1.0 + angle.cos()) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_restart_and_grow() {
        let schedule = CosineWarmRestarts { lr: 1.0, eta_min: 0.0, t0: 2, t_mult: 2 };
        let rates: Vec<f64> = (0..7).map(|epoch| schedule.rate(epoch)).collect();
        let diagonal = std::f64::consts::FRAC_1_SQRT_2;
        let expected = [1.0, 0.5, 1.0, (1.0 + diagonal) / 2.0, 0.5, (1.0 - diagonal) / 2.0, 1.0];
        for (rate, expected) in rates.iter().zip(expected) {
            approx::assert_abs_diff_eq!(*rate, expected, epsilon = 1e-15);
        }
        // The third cycle has eight epochs.
        approx::assert_abs_diff_eq!(schedule.rate(6 + 4), 0.5, epsilon = 1e-15);
        assert_eq!(CosineWarmRestarts::published(1.0, 1).rate(57), 1.0);
    }

    #[test]
    fn the_published_schedule_goes_down_to_a_hundredth() {
        let schedule = CosineWarmRestarts::published(0.1, 4);
        for (epoch, expected) in [(0, 0.1), (2, (0.1 + 0.001) / 2.0), (4, 0.1), (10, (0.1 + 0.001) / 2.0)] {
            approx::assert_abs_diff_eq!(schedule.rate(epoch), expected, epsilon = 1e-16);
        }
        // The last epoch of a cycle is a quarter of the way from its end.
        let last = 0.001 + 0.099 * (1.0 - std::f64::consts::FRAC_1_SQRT_2) / 2.0;
        approx::assert_abs_diff_eq!(schedule.rate(3), last, epsilon = 1e-16);
    }
}
