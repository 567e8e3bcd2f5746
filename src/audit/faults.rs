//! Mistakes that programs make in these networks, each with a name and a sentence.
//!
//! [`plain`](super::plain) computes every layer and both networks with one of them planted. `tests/planted_faults.rs` proves that the
//! audit finds the mistakes of a layer's backward; [`case`](super::case) recognises them in another program's results.

use crate::models::{Architecture, Family};
use serde::Serialize;
use std::fmt;

/// One mistake. `None` is the right computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "`Fault::sentence` says what each one is")]
pub enum Fault {
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

    // In a whole network, forward and backward, so that only other numbers can tell.
    AttentionDetached,
    WeightUsedTransposed,
    WeightReshaped,
    /// The stacked block from which gates i, f, g, o are read.
    GateOrder([usize; 4]),
    BiasHhIgnored,
    BiasIhCountedTwice,
    ResidualConnectionMissing,
    NormalisedByUnbiasedVariance,
    EpsilonOfAThousandth,
    BiasedRunningVariance,
    MomentumReversed,
    PaddingTheOtherWay,
    LengthsIgnored,
    LossSummed,
    LossAveragedOverClasses,
    SoftmaxTwice,
    EvaluatedInTrainingMode,
    TrainedInEvaluationMode,
    DropoutLeftOn,
    // Adam
    WeightDecayMissing,
    WeightDecayDecoupled,
    BiasCorrectionMissing,
    GradientsNotCleared,
}

use Fault::*;

/// Of a linear layer's backward.
const LINEAR: [Fault; 3] = [WeightTransposed, BiasGradientAveraged, WeightGradientOfLastRowOnly];
/// Of a batch norm.
const BATCH_NORM: [Fault; 8] = [
    BiasedRunningVariance,
    MomentumReversed,
    NormalisedByUnbiasedVariance,
    EpsilonOfAThousandth,
    UnbiasedVariance,
    MeanPathMissing,
    VariancePathMissing,
    ScaleMissing,
];
/// Of an LSTM.
const LSTM: [Fault; 17] = [
    GateOrder([0, 2, 1, 3]),
    GateOrder([0, 1, 3, 2]),
    GateOrder([0, 2, 3, 1]),
    GateOrder([1, 0, 2, 3]),
    BiasHhIgnored,
    BiasIhCountedTwice,
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
];
/// Of the network as a whole, or of layers that it has once.
const NETWORK: [Fault; 20] = [
    AttentionDetached,
    MeanTermMissing,
    WeightedPathMissing,
    MeanOverVectorsDropped,
    PaddingOutsideTheSoftmax,
    PaddingTheOtherWay,
    LengthsIgnored,
    LossSummed,
    LossAveragedOverClasses,
    SoftmaxTwice,
    MeanOverClipsDropped,
    TargetMissing,
    EvaluatedInTrainingMode,
    TrainedInEvaluationMode,
    StraightPathMissing,
    ResidualConnectionMissing,
    WeightDecayMissing,
    WeightDecayDecoupled,
    BiasCorrectionMissing,
    GradientsNotCleared,
];

impl Fault {
    /// What the faulty program does.
    pub fn sentence(self) -> String {
        let fixed = match self {
            None => "no fault",
            WeightTransposed => "backward multiplies by the weight where it needs the transposed one",
            BiasGradientAveraged => "the gradient of the bias is a mean over the rows instead of a sum",
            WeightGradientOfLastRowOnly => "only the last row enters the gradient of the weight",
            MeanOverClipsDropped => "the gradient is of the summed loss, not of its mean over the clips",
            TargetMissing => "the gradient of the loss is p instead of p − y",
            UnbiasedVariance => "backward takes the unbiased variance, forward the biased one",
            MeanPathMissing => "backward takes the mean for a constant",
            VariancePathMissing => "backward takes the variance for a constant",
            PaddedRowsNotCounted => "backward does not count the padded rows that forward counted",
            ScaleMissing => "γ is missing from the gradient of the input",
            MeanTermMissing => "the softmax's gradient lacks its mean term",
            WeightedPathMissing => "no gradient flows through the weighted hidden states, only through the scores",
            MeanOverVectorsDropped => "the gradient is not divided by the number of attention vectors",
            PaddingOutsideTheSoftmax => "backward leaves out the padded frames that forward counted",
            MaskNotScaled => "dropout is left on, and its backward does not scale what was kept",
            StraightPathMissing => "no gradient flows along the residual connection",
            ForgetPathMissing => "no gradient flows from one frame's cell state to the one before",
            ForgetGateSeesTheNewCell => {
                "the forget gate's gradient takes the new cell state instead of the previous one"
            }
            InputGateOffByAThousandth => "the input gate's gradient is a thousandth too large",
            HiddenPathMissing => "no gradient flows from one frame's hidden state to the one before",
            RecurrentWeightTransposed => {
                "backward multiplies by each gate's recurrent weight where it needs the transposed one"
            }
            TanhSlopeNotSquared => "the slope of tanh is 1 − tanh instead of 1 − tanh²",
            OutputGateSlopeMissing => "the output gate's gradient lacks the slope o·(1 − o)",
            InputAndForgetGatesSwapped => "the gradients of the input and forget gates are swapped",
            SecondBiasForgotten => "bias_hh gets no gradient",
            HiddenStateOfTheSameFrame => "the recurrent weight's gradient takes the hidden state of the same frame",
            InputGradientOfLastGateOnly => "only the output gate contributes to the gradient of the input",
            AttentionDetached => "attention weights are detached: no gradient flows through them (alpha.detach())",
            WeightUsedTransposed => "the weight is used transposed (each gate's block, in an LSTM)",
            WeightReshaped => "the weight is reshaped where it should be transposed",
            GateOrder(order) => {
                let gate = |block| ["i", "f", "g", "o"][order.iter().position(|&b| b == block).expect("four gates")];
                let order: Vec<&str> = (0..4).map(gate).collect();
                return format!("gates are stacked in the order {} instead of i, f, g, o", order.join(", "));
            }
            BiasHhIgnored => "bias_hh is not used",
            BiasIhCountedTwice => "bias_ih is added twice, bias_hh not at all",
            ResidualConnectionMissing => "the residual connection is missing",
            NormalisedByUnbiasedVariance => "batch norm normalises by the unbiased variance",
            EpsilonOfAThousandth => "batch norm's ε is 1e-3 instead of 1e-5",
            BiasedRunningVariance => "the running variance takes the biased variance: the factor n/(n − 1) is missing",
            MomentumReversed => "running statistics keep a tenth and take nine tenths, instead of the reverse",
            PaddingTheOtherWay => "padded frames are counted where they should be ignored, or the reverse",
            LengthsIgnored => "lengths are ignored: every clip runs to the end of the longest one",
            LossSummed => "the loss is summed over the clips instead of averaged",
            LossAveragedOverClasses => "the loss is averaged over clips and classes instead of clips alone",
            SoftmaxTwice => "softmax is applied twice: the loss takes probabilities for logits",
            EvaluatedInTrainingMode => {
                "evaluation runs in training mode, on batch statistics (model.eval() is missing)"
            }
            TrainedInEvaluationMode => {
                "training runs in evaluation mode, on running statistics (model.train() is missing)"
            }
            DropoutLeftOn => "dropout is left on",
            WeightDecayMissing => "weight decay is missing",
            WeightDecayDecoupled => "weight decay is decoupled (AdamW) instead of added to the gradient",
            BiasCorrectionMissing => "Adam's moments are not corrected for their bias",
            GradientsNotCleared => "gradients add up over the steps (optimizer.zero_grad() is missing)",
        };
        fixed.into()
    }
}

/// A fault and the place where it is planted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// The mistake.
    pub fault: Fault,
    /// A layer, a tensor, or the end of a tensor's name; empty: wherever it can be.
    pub place: String,
}

impl Planted {
    /// No fault anywhere.
    pub const NOWHERE: Planted = Planted { fault: None, place: String::new() };

    /// The fault at this place.
    pub fn new(fault: Fault, place: impl Into<String>) -> Self {
        Planted { fault, place: place.into() }
    }

    /// What is wrong in a layer or tensor of this name: the fault, or `Fault::None`.
    pub fn at(&self, name: &str) -> Fault {
        let here = name.strip_suffix(self.place.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if here || self.place.is_empty() { self.fault } else { None }
    }

    /// Every known fault at every place of a network, dropout left on excepted: its mask must be found first.
    pub fn all(architecture: Architecture) -> Vec<Planted> {
        let (lstms, norms): (&[&str], &[&str]) = match architecture.family() {
            Family::LstmSa => (&["lstm"], &["bn"]),
            Family::ResLstmSa => (&["lstm1", "lstm2"], &["bn_residual", "bn"]),
        };
        let mut all: Vec<Planted> = NETWORK.iter().map(|&fault| Planted::new(fault, "")).collect();
        all.extend(["bn_residual", "attention"].map(|place| Planted::new(PaddingTheOtherWay, place)));
        all.push(Planted::new(PaddedRowsNotCounted, "bn_residual"));
        all.extend(LINEAR.map(|fault| Planted::new(fault, "fc")));
        for (faults, layers) in [(&BATCH_NORM[..], norms), (&LSTM[..], lstms)] {
            for &fault in faults {
                // In one of the layers; in all of them, where there are several.
                all.extend(layers.iter().map(|&layer| Planted::new(fault, layer)));
                all.extend((layers.len() > 1).then(|| Planted::new(fault, "")));
            }
        }
        for fault in [WeightUsedTransposed, WeightReshaped] {
            for lstm in lstms {
                all.extend(
                    ["weight_ih_l0", "weight_hh_l0"].map(|weight| Planted::new(fault, format!("{lstm}.{weight}"))),
                );
            }
            all.extend((lstms.len() > 1).then(|| Planted::new(fault, "weight_hh_l0")));
            all.push(Planted::new(fault, "fc.weight"));
        }
        all
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.fault.sentence())
    }
}
