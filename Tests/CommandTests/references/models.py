"""Writes the ONNX files beside it (torch 2.15, onnx 1.23): small networks as PyTorch's exporters give them, and one that cannot be read."""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

torch.manual_seed(0)

# Scores of three classes, by the exporter of torch.export; and what ONNX Runtime makes of two rows.
scores = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
torch.onnx.export(
    scores, (torch.randn(2, 4),), "scores.onnx", input_names=["features"], output_names=["scores"],
    dynamic_shapes=[{0: torch.export.Dim("batch")}], external_data=False, verbose=False)
rows = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
result = onnxruntime.InferenceSession("scores.onnx").run(None, {"features": rows})[0]
for name, array in [("input_0", rows), ("output_0", result)]:
    with open(f"test_data_set_0/{name}.pb", "wb") as file:
        file.write(numpy_helper.from_array(array, name).SerializeToString())

# Images of 6 x 6, in training form and with the normalisation folded, by the exporter of TorchScript.
images = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(48, 3), nn.LogSoftmax(1))
options = dict(input_names=["image"], output_names=["log"], dynamic_axes={"image": {0: "batch"}}, dynamo=False)
torch.onnx.export(
    images.train(), (torch.randn(2, 1, 6, 6),), "training_form.onnx", training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
    **options)
torch.onnx.export(images.eval(), (torch.randn(2, 1, 6, 6),), "inference_form.onnx", **options)

# An operator that nobody has, and one without a gradient.
nodes = [
    helper.make_node("Frobnicate", ["x"], ["a"], name="first", domain="nobody.knows"),
    helper.make_node("Relu", ["a"], ["b"], name="second"),
    helper.make_node("Frobnicate", ["b"], ["y"], name="third", domain="nobody.knows"),
]
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy"]
opsets = [helper.make_opsetid("", 20), helper.make_opsetid("nobody.knows", 1)]
onnx.save(helper.make_model(helper.make_graph(nodes, "unknown", value[:1], value[1:]), opset_imports=opsets), "unknown.onnx")
floor = [helper.make_node("Mul", ["x", "w"], ["a"], name="scaled"), helper.make_node("Floor", ["a"], ["y"], name="rounded")]
weights = [numpy_helper.from_array(np.ones(3, np.float32), "w")]
onnx.save(
    helper.make_model(helper.make_graph(floor, "steps", value[:1], value[1:], weights), opset_imports=opsets[:1]), "steps.onnx")
