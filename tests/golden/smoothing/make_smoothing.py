"""Golden numbers for label smoothing: PyTorch's definition of CrossEntropyLoss, in double precision, in NumPy.

For class indices y and reduction "mean", PyTorch 2 computes
    nll    = sum_n w[y_n] * (-log p[n, y_n])        / sum_n w[y_n]
    smooth = sum_n sum_k w[k] * (-log p[n, k])      / sum_n w[y_n]
    loss   = (1 - e) * nll + (e / K) * smooth
(cross_entropy_loss_label_smoothing in ATen). The gradient is that of these two sums, from the softmax's Jacobian matrix.
Run: python make_smoothing.py > smoothing.json
"""

import json

import numpy as np


def case(random, clips, classes, weights, smoothing):
    z = 3 * random.standard_normal((clips, classes))
    labels = random.integers(0, classes, clips)
    total = weights[labels].sum()
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    log_p = z - z.max(axis=1, keepdims=True) - np.log(e.sum(axis=1, keepdims=True))
    nll = -(weights[labels] * log_p[np.arange(clips), labels]).sum() / total
    smooth = -(weights * log_p).sum() / total
    loss = (1 - smoothing) * nll + smoothing / classes * smooth
    dz = np.zeros_like(z)
    for n in range(clips):
        d_log_p = -smoothing / classes * weights / total
        d_log_p[labels[n]] -= (1 - smoothing) * weights[labels[n]] / total
        jacobian = np.eye(classes) - p[n]  # d log p[j] / d z[k] = [j = k] - p[k]
        dz[n] = d_log_p @ jacobian
    return {
        "weights": weights.tolist(), "smoothing": smoothing, "labels": labels.tolist(),
        "z": z.ravel().tolist(), "loss": loss, "dz": dz.ravel().tolist(),
    }


random = np.random.default_rng(20)
weights = np.array([0.5, 2.0, 1.25, 0.0, 3.0])
cases = [case(random, 4, 8, np.ones(8), e) for e in (0.1, 0.3)]
cases += [case(random, 4, 5, weights, e) for e in (0.05, 0.9)]
print(json.dumps(cases, indent=1))
