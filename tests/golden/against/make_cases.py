"""Writes the cases of this folder with PyTorch in float64: a right one, and four with a known fault.

usage: python make_cases.py [FOLDER]      needs torch, numpy, safetensors
"""

import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../../examples"))
from write_audit_case import ResLstmSa, batch, torch_case, write_case


class DetachedAttention(ResLstmSa):
    def attention(self, h, real):
        return super().attention(h, real).detach()


class TransposedWeight(ResLstmSa):
    """Each gate's recurrent weight of LSTM2 is used as h·W instead of h·Wᵀ."""

    def states(self, lstm, x, lengths):
        if lstm is not self.lstm2:
            return super().states(lstm, x, lengths)
        weights = dict(lstm.named_parameters())
        weights["weight_hh_l0"] = torch.cat([gate.T for gate in weights["weight_hh_l0"].chunk(4)])
        return super().states(lambda packed: torch.func.functional_call(lstm, weights, (packed,)), x, lengths)


class DropoutLeftOn(ResLstmSa):
    def __init__(self):
        super().__init__()
        self.dropout = torch.nn.Dropout(0.3)


class BiasedBatchNorm(torch.nn.BatchNorm1d):
    """The running variance takes the same variance as normalisation."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            self.running_mean.lerp_(x.mean(0), 0.1)
            self.running_var.lerp_(x.var(0, correction=0), 0.1)
        return torch.nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True)


class BiasedVariance(ResLstmSa):
    def __init__(self):
        super().__init__()
        self.bn_residual, self.bn = BiasedBatchNorm(5), BiasedBatchNorm(5)


CASES = {
    "right": ResLstmSa,
    "detached-attention": DetachedAttention,
    "transposed-weight": TransposedWeight,
    "dropout-left-on": DropoutLeftOn,
    "biased-variance": BiasedVariance,
}

if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE)
    for name, network in CASES.items():
        torch.manual_seed(20)
        net = network()
        with torch.no_grad():
            for buffer_or_weight in (net.bn.weight, net.bn_residual.weight, net.bn.running_var, net.bn_residual.running_var):
                buffer_or_weight.uniform_(0.5, 1.5)
        write_case(folder / f"{name}.safetensors", torch_case(net, batch()))
