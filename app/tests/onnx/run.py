"""What ONNX Runtime makes of a model: one JSON list per input, in order: the probabilities, then how unlike
the training clips the input is, if the model has them.

usage: run.py MODEL.onnx INPUT...        needs: onnx, onnxruntime, numpy
An input is a .npy file with features, or a .f32 file with samples: float32, little-endian.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime

path, *inputs = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path)
[given] = session.get_inputs()
names = ["probabilities", "unlike"][: len(session.get_outputs())]
for name in inputs:
    values = np.load(name) if name.endswith(".npy") else np.fromfile(name, "<f4")
    outputs = session.run(names, {given.name: values})
    print(json.dumps([number for output in outputs for number in output.ravel().tolist()]))
