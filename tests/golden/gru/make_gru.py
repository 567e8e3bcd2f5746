"""Writes gru.safetensors: forward and backward of torch.nn.GRU on one clip, in float64."""

import torch
from safetensors.torch import save_file

torch.manual_seed(18)
torch.set_default_dtype(torch.float64)

T, D, H = 6, 7, 5
gru = torch.nn.GRU(D, H)
for parameter in gru.parameters():
    torch.nn.init.normal_(parameter, std=0.5)
x = torch.randn(T, D, requires_grad=True)
dh = torch.randn(T, H)

h, _ = gru(x)
(dh * h).sum().backward()

tensors = {"in.x": x, "in.dh": dh, "out.h": h, "grad.in.x": x.grad}
for name, parameter in gru.named_parameters():
    tensors[f"param.{name}"] = parameter
    tensors[f"grad.{name}"] = parameter.grad
save_file({name: tensor.detach() for name, tensor in tensors.items()}, "gru.safetensors")
