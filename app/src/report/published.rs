//! The published results for comparison: Tables I and II of Krasnoproshin and Vashkevich (2026), and the recalls of its Fig. 4.

use serde::Serialize;

/// A row of Table I or II: a model on RAVDESS, under speaker-independent cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Its name in the paper.
    pub name: &'static str,
    /// Its name for `--arch`, if this program has the model.
    pub arch: Option<&'static str>,
    /// Number of parameters, if it is reported.
    pub parameters: Option<usize>,
    /// Unweighted average recall, 0 to 1; the mean over runs if there are several.
    pub uar: f64,
    /// Standard deviation over ten runs (ddof 0), if there are several.
    pub std: Option<f64>,
    /// The best of ten runs, if there are several.
    pub max: Option<f64>,
}

impl Published {
    /// A row of Table I: ten runs of five folds.
    const fn of_runs(name: &'static str, arch: &'static str, parameters: usize, [uar, std, max]: [f64; 3]) -> Self {
        Published { name, arch: Some(arch), parameters: Some(parameters), uar, std: Some(std), max: Some(max) }
    }

    /// A row of Table II from the literature: one score.
    const fn from_literature(name: &'static str, parameters: Option<usize>, uar: f64) -> Self {
        Published { name, arch: None, parameters, uar, std: None, max: None }
    }
}

/// The model of the paper's Table II and of its Fig. 3 to 5.
pub const MODEL: &str = "reslstm-sa-h64";

/// Table I: the paper's models, ten runs of five folds each.
///
/// Parameters are counted: the table's 28.3 k of LSTM-SA-h64 is a misprint, and its 91,656 of LSTM-SA-h128 is what two attention
/// vectors give (one gives 91,528).
pub const TABLE_1: [Published; 6] = [
    Published::of_runs("LSTM-SA-h32", "lstm-sa-h32", 10_600, [0.5352, 0.0123, 0.5547]),
    Published::of_runs("LSTM-SA-h64", "lstm-sa-h64", 29_384, [0.5751, 0.0108, 0.5996]),
    Published::of_runs("LSTM-SA-h128", "lstm-sa-h128-2vectors", 91_656, [0.5895, 0.0076, 0.6022]),
    Published::of_runs("ResLSTM-SA-h32", "reslstm-sa-h32", 27_988, [0.6130, 0.0111, 0.6315]),
    Published::of_runs("ResLSTM-SA-h64", "reslstm-sa-h64", 46_772, [0.6232, 0.0119, 0.6517]),
    Published::of_runs("ResLSTM-SA-h128", "reslstm-sa-h128", 108_916, [0.6107, 0.0134, 0.6348]),
];

/// Table II's other rows, from the literature; the paper's own row there is the best run of ResLSTM-SA-h64 in [`TABLE_1`].
pub const TABLE_2: [Published; 7] = [
    Published::from_literature("AlexNet embeddings + SVM", Some(61_000_000), 0.4580),
    Published::from_literature("CNN+LSTM", None, 0.5671),
    Published::from_literature("GResNet+S", None, 0.5970),
    Published::from_literature("fine-tuned AlexNet", Some(61_000_000), 0.6167),
    Published::from_literature("fine-tuned CNN14", Some(81_000_000), 0.7658),
    Published::from_literature("fine-tuned xlsr-wav2vec 2.0", Some(317_000_000), 0.8182),
    Published::from_literature("wav2vec 2.0 with data augmentation", Some(317_000_000), 0.8229),
];

/// Fig. 4: recall of ResLSTM-SA-h64 by class. The figure orders its axis otherwise than the classes, so its ticks may be
/// mislabelled.
pub const FIGURE_4: [(&str, f64); 8] = [
    ("neutral", 0.573),
    ("calm", 0.750),
    ("happy", 0.448),
    ("sad", 0.620),
    ("angry", 0.625),
    ("fear", 0.620),
    ("disgust", 0.734),
    ("surprised", 0.583),
];

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::labels::Labels;
    use reslstm::models::{Architecture, Model};
    use reslstm::params::Parameters;

    #[test]
    fn the_parameters_are_those_of_the_models_here() {
        for row in TABLE_1 {
            let arch: Architecture = row.arch.unwrap().parse().unwrap();
            assert_eq!(Some(Model::<f32>::zeros(arch, 46, 8).parameter_count()), row.parameters, "{}", row.name);
        }
    }

    #[test]
    fn the_recalls_are_in_the_order_of_the_classes_and_of_an_ordinary_run() {
        assert_eq!(FIGURE_4.map(|(label, _)| label.to_string()), Labels::ravdess().names());
        let uar = FIGURE_4.map(|(_, recall)| recall).iter().sum::<f64>() / 8.0;
        assert!((uar - TABLE_1[4].uar).abs() < TABLE_1[4].std.unwrap(), "{uar}");
    }
}
