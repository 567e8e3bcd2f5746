"""Writes the files of torch/, with PyTorch 2.15, onnx 1.23 and onnxscript 0.7: models as torch.onnx.export writes them.

    python3 make.py        (in a Python with torch, onnx, onnxscript and safetensors)

NAME.onnx: by the exporter in its name, script (dynamo=False) or dynamo (dynamo=True). Of the latter's files, the stack traces
are removed. NAME.safetensors: the state dict, `x` [T,D], and PyTorch's `probabilities` [K] of it.
"""
import os

import onnx
import torch
from safetensors.torch import save_file
from torch import nn

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch"))
D, H, K, T = 4, 3, 3, 6


class Net(nn.Module):
    def __init__(self, residual, attention, vectors=1, batch_norm=True):
        super().__init__()
        norm = nn.BatchNorm1d if batch_norm else nn.Identity
        self.residual, self.attention = residual, attention
        if residual:
            self.lstm1 = nn.LSTM(D, D, batch_first=True)
            self.bn_residual = norm(D)
            self.lstm2 = nn.LSTM(D, H, batch_first=True)
        else:
            self.lstm = nn.LSTM(D, H, batch_first=True)
        self.attention_vector = nn.Parameter(torch.randn(H, vectors))
        self.bn = norm(H)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(H, K)

    def forward(self, x):
        if self.residual:
            total = self.lstm1(x)[0] + x
            if self.attention == "matmul":
                total = self.bn_residual(total.transpose(1, 2)).transpose(1, 2)
            else:
                total = self.bn_residual(total.reshape(-1, D)).reshape(total.shape)
            h = self.lstm2(total)[0]
        else:
            h = self.lstm(x)[0]
        return self.fc(self.dropout(self.bn(self.context(h))))

    def context(self, h):
        match self.attention:
            case "indexed":
                alpha = (h @ self.attention_vector)[..., 0].softmax(1)
                return (alpha[..., None] * h).sum(1)
            case "mean":
                alpha = torch.softmax(h @ self.attention_vector, 1).mean(-1)
                return (h * alpha.unsqueeze(-1)).sum(1)
            case "matmul":
                alpha = torch.softmax(h @ self.attention_vector, 1)
                return (alpha.transpose(1, 2) @ h).squeeze(1)
            case "bmm":
                alpha = torch.softmax(h @ self.attention_vector, 1).squeeze(-1)
                return torch.bmm(alpha.unsqueeze(1), h).squeeze(1)
            case "einsum":
                alpha = torch.softmax(h @ self.attention_vector, 1).mean(-1)
                return torch.einsum("bt,bth->bh", alpha, h)


def fold(net):
    """The same network with the batch norm before the last layer folded into it."""
    folded = Net(net.residual, net.attention, batch_norm=False)
    folded.load_state_dict({name: value for name, value in net.state_dict().items() if not name.startswith("bn")})
    scale = net.bn.weight / torch.sqrt(net.bn.running_var + net.bn.eps)
    folded.fc.weight.data = net.fc.weight * scale
    folded.fc.bias.data = net.fc.bias + net.fc.weight @ (net.bn.bias - net.bn.running_mean * scale)
    return folded.eval()


def write(name, net, exported=None, clips=None):
    net.eval()
    for key, buffer in net.named_buffers():
        if "mean" in key:
            buffer.normal_(0, 0.1)
        if "var" in key:
            buffer.uniform_(0.5, 1.5)
    x = torch.randn(1, T, D)
    exported = fold(net) if exported == "folded" else net
    if name.endswith("script"):
        axes = {1: "frames"} | ({0: clips} if clips else {})
        torch.onnx.export(exported, (x,), f"{name}.onnx", dynamo=False, input_names=["x"], dynamic_axes={"x": axes})
    else:
        axes = {1: torch.export.Dim("frames")}
        torch.onnx.export(exported, (x,), f"{name}.onnx", dynamo=True, dynamic_shapes={"x": axes}, external_data=False)
    model = onnx.load(f"{name}.onnx")
    for part in [*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.metadata_props[:], model.metadata_props[:]
    onnx.save(model, f"{name}.onnx")
    truth = {key: value.contiguous() for key, value in net.state_dict().items() if not key.endswith("_tracked")}
    truth |= {"x": x[0], "probabilities": net(x)[0].softmax(0)}
    save_file(truth, f"{name}.safetensors")


torch.manual_seed(21)
with torch.no_grad():
    write("lstm-sa-indexed-script", Net(False, "indexed"))
    write("lstm-sa-einsum-dynamo", Net(False, "einsum"))
    write("lstm-sa-folded-script", Net(False, "bmm"), exported="folded")
    write("reslstm-sa-mean-2vectors-script", Net(True, "mean", vectors=2), clips="clips")
    write("reslstm-sa-mean-2vectors-dynamo", Net(True, "mean", vectors=2))
    write("reslstm-sa-matmul-script", Net(True, "matmul"))
    write("reslstm-sa-matmul-dynamo", Net(True, "matmul"))
    write("reslstm-sa-bmm-dynamo", Net(True, "bmm"))
