"""Writes a case for `reslstm audit --against CASE.safetensors`: a batch, weights, and what this program makes of them.

usage: python write_audit_case.py torch|jax|numpy CASE.safetensors      needs safetensors, numpy, and torch or jax

`write_case` takes arrays of any of them. Put your own network in place of `ResLstmSa` (PyTorch) or `lstm_sa` (JAX, NumPy).
Any subset of results will do. docs/audit.md lists the keys. Compute in float64: rounding hides small mistakes in float32.
"""

import sys

import numpy as np
from safetensors.numpy import save_file


def write_case(path, tensors, padding="ignored"):
    """Writes a dictionary of arrays by key; `padding` says whether padded frames count."""
    arrays = {key: np.ascontiguousarray(array) for key, array in tensors.items()}
    save_file(arrays, path, metadata={"padding": padding})


def prefixed(prefix, arrays):
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def batch(inputs=5, classes=3, seed=1):
    """Four clips of different lengths, padded with zeros."""
    random = np.random.default_rng(seed)
    lengths = np.array([6, 3, 9, 4])
    real = np.arange(lengths.max()) < lengths[:, None]
    x = random.normal(size=(*real.shape, inputs)) * real[..., None]
    return {"in.x": x, "in.lengths": lengths, "in.labels": random.integers(classes, size=len(lengths))}


# ---------------------------------------------------------------------------------------------------------- PyTorch

try:
    import torch
except ImportError:
    torch = None
else:
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    class ResLstmSa(torch.nn.Module):
        def __init__(self, inputs=5, hidden=5, classes=3):
            super().__init__()
            self.lstm1 = torch.nn.LSTM(inputs, inputs, batch_first=True)
            self.bn_residual = torch.nn.BatchNorm1d(inputs)
            self.lstm2 = torch.nn.LSTM(inputs, hidden, batch_first=True)
            self.attention_vector = torch.nn.Parameter(torch.randn(hidden, 1))
            self.bn = torch.nn.BatchNorm1d(hidden)
            self.dropout = torch.nn.Dropout(0.0)
            self.fc = torch.nn.Linear(hidden, classes)

        def states(self, lstm, x, lengths):
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]

        def attention(self, h, real):
            scores = (h @ self.attention_vector)[..., 0]
            return scores.masked_fill(~real, float("-inf")).softmax(1)

        def forward(self, x, lengths):
            real = torch.arange(x.shape[1]) < lengths[:, None]
            total = x + self.states(self.lstm1, x, lengths)
            enriched = torch.zeros_like(total)
            enriched[real] = self.bn_residual(total[real])
            h = self.states(self.lstm2, enriched, lengths)
            alpha = self.attention(h, real)
            context = (alpha[..., None] * h).sum(1)
            return self.fc(self.dropout(self.bn(context))), alpha


def torch_case(net, tensors):
    """Everything that can be compared: training and evaluation, gradients, running statistics, five steps of Adam."""
    case = dict(tensors)
    x, lengths, labels = (torch.tensor(tensors[key]) for key in ("in.x", "in.lengths", "in.labels"))
    copy = lambda named: {name: tensor.detach().clone() for name, tensor in named}
    case |= prefixed("param", copy(net.state_dict().items()))
    net.eval()
    logits, alpha = net(x, lengths)
    case |= {"eval.logits": logits.detach(), "eval.attention": alpha.detach()}
    net.train()
    rate, decay = 1e-2, 1e-2
    adam = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)
    case |= {"adam.lr": np.array([rate]), "adam.weight_decay": np.array([decay])}
    x.requires_grad_()
    for step in range(1, 6):
        adam.zero_grad()
        logits, alpha = net(x, lengths)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        if step == 1:
            case |= {"out.loss": loss.detach(), "out.logits": logits.detach(), "out.attention": alpha.detach()}
            case |= prefixed("grad", {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None})
            case |= prefixed("after", copy((n, b) for n, b in net.named_buffers() if "running" in n))
            case["grad.in.x"] = x.grad.clone()
        adam.step()
        if step in (1, 5):
            case |= prefixed(f"adam.{step}", copy(net.named_parameters()))
    return {key: value for key, value in case.items() if "num_batches_tracked" not in key}


# ----------------------------------------------------------------------------------------------------- JAX and NumPy


def lstm_sa(np, p, x, lengths, labels):
    """Loss, and (logits, attention, running statistics); `np` is numpy or jax.numpy, `p` the weights by name."""
    sigmoid = lambda a: 1 / (1 + np.exp(-a))
    clips, steps, _ = x.shape
    h = c = np.zeros((clips, len(p["attention_vector"])))
    states = []
    for t in range(steps):
        gates = x[:, t] @ p["lstm.weight_ih_l0"].T + p["lstm.bias_ih_l0"]
        gates = gates + h @ p["lstm.weight_hh_l0"].T + p["lstm.bias_hh_l0"]
        i, f, g, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    states = np.stack(states, axis=1)
    scores = np.exp((states @ p["attention_vector"])[..., 0]) * (np.arange(steps) < lengths[:, None])
    alpha = scores / scores.sum(1, keepdims=True)
    context = (alpha[..., None] * states).sum(1)
    mean, variance = context.mean(0), context.var(0)
    normalised = (context - mean) / np.sqrt(variance + 1e-5) * p["bn.weight"] + p["bn.bias"]
    logits = normalised @ p["fc.weight"].T + p["fc.bias"]
    loss = (np.log(np.exp(logits).sum(1)) - logits[np.arange(clips), labels]).mean()
    unbiased = variance * clips / (clips - 1)
    running = {"bn.running_mean": 0.1 * mean, "bn.running_var": 0.9 + 0.1 * unbiased}  # from 0 and 1
    return loss, (logits, alpha, running)


def lstm_sa_weights(inputs=5, hidden=5, classes=3, seed=2):
    shapes = {"lstm.weight_ih_l0": (4 * hidden, inputs), "lstm.weight_hh_l0": (4 * hidden, hidden)}
    shapes |= {"lstm.bias_ih_l0": (4 * hidden,), "lstm.bias_hh_l0": (4 * hidden,), "attention_vector": (hidden, 1)}
    shapes |= {"bn.weight": (hidden,), "bn.bias": (hidden,), "fc.weight": (classes, hidden), "fc.bias": (classes,)}
    random = np.random.default_rng(seed)
    return {name: 0.5 * random.normal(size=shape) for name, shape in shapes.items()}


def array_case(library, tensors):
    """Forward with NumPy; with JAX gradients too."""
    weights = lstm_sa_weights()
    x, lengths, labels = tensors["in.x"], tensors["in.lengths"], tensors["in.labels"]
    case = tensors | prefixed("param", weights)
    if library == "numpy":
        loss, (logits, alpha, running) = lstm_sa(np, weights, x, lengths, labels)
    else:
        import jax

        jax.config.update("jax_enable_x64", True)
        of = lambda weights, x: lstm_sa(jax.numpy, weights, x, lengths, labels)
        value, (grads, dx) = jax.value_and_grad(of, argnums=(0, 1), has_aux=True)(weights, x)
        loss, (logits, alpha, running) = value
        case |= prefixed("grad", grads) | {"grad.in.x": dx}
    return case | {"out.loss": loss, "out.logits": logits, "out.attention": alpha} | prefixed("after", running)


if __name__ == "__main__":
    library, path = sys.argv[1:]
    if library == "torch":
        torch.manual_seed(3)
        torch.set_default_dtype(torch.float64)
        write_case(path, torch_case(ResLstmSa(), batch()))
    else:
        write_case(path, array_case(library, batch()))
