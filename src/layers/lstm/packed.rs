//! The weights of an LSTM as its forward reads them.

use super::{Lstm, gate_rows};
use crate::kernels::Panels;
use crate::packed::Packed;
use crate::prelude::*;
use crate::scalar::Scalar;

/// How the weights of an [`Lstm`] are packed: what a product reads fastest depends on how many rows it has. The numbers
/// that come out are the same, to the bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// For layouts of any number of clips: one product per gate, so that the values of a gate are flat over all clips.
    #[default]
    Batches,
    /// For layouts of one clip: one product for all gates, as one row is too few for its best speed.
    OneClip,
}

impl Packing {
    /// The faster packing for `layout`.
    pub fn for_layout(layout: &Packed) -> Self {
        if layout.clips() == 1 { Packing::OneClip } else { Packing::Batches }
    }
}

/// An [`Lstm`] packed for many forwards: a copy of its parameters, laid out as a product reads them. Later changes of the
/// layer do not reach it, and no backward does.
#[derive(Clone, Debug, Default)]
pub struct PackedLstm<S> {
    pub(super) packing: Packing,
    /// `D`
    pub(super) inputs: usize,
    /// `H`
    pub(super) hidden: usize,
    /// The transposed weights of each gate, `[D,H]` and `[H,H]`: for [`Packing::Batches`].
    pub(super) gates_ih: [Panels<S>; 4],
    pub(super) gates_hh: [Panels<S>; 4],
    /// Those of all gates, `[D,4H]` and `[H,4H]`: for [`Packing::OneClip`].
    pub(in crate::layers) stacked_ih: Panels<S>,
    pub(in crate::layers) stacked_hh: Panels<S>,
    /// Sum of both biases, `[4H]`.
    pub(in crate::layers) bias: Vec<S>,
}

impl<S: Scalar> PackedLstm<S> {
    /// A packed copy of `layer`.
    pub fn new(layer: &Lstm<S>, packing: Packing) -> Self {
        let mut packed = PackedLstm::default();
        packed.pack(layer, packing);
        packed
    }

    /// Becomes a copy of `layer`, reusing memory.
    pub(super) fn pack(&mut self, layer: &Lstm<S>, packing: Packing) {
        let (inputs, hidden) = (layer.inputs(), layer.hidden());
        (self.packing, self.inputs, self.hidden) = (packing, inputs, hidden);
        match packing {
            Packing::Batches => {
                for gate in 0..4 {
                    self.gates_ih[gate].pack_transposed(gate_rows(&layer.weight_ih, gate), inputs);
                    self.gates_hh[gate].pack_transposed(gate_rows(&layer.weight_hh, gate), hidden);
                }
            }
            Packing::OneClip => {
                self.stacked_ih.pack_transposed(layer.weight_ih.as_slice(), inputs);
                self.stacked_hh.pack_transposed(layer.weight_hh.as_slice(), hidden);
            }
        }
        self.bias.clear();
        self.bias.extend(layer.bias_ih.iter().zip(&layer.bias_hh).map(|(&ih, &hh)| ih + hh));
    }
}
