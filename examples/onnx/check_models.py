"""Compares gradc with ONNX Runtime and PyTorch: python check_models.py [--gradc COMMAND] [--models FOLDER] [NAME...]

For the files that export_models.py wrote, at batch 1 and 4: outputs against those of ONNX Runtime, and every parameter's gradient in float64
against PyTorch's in float64, as the norm of the difference relative to the norm of PyTorch's. Prints a table; exit code 1 when something is
off by more than 1e-4 or 1e-6.
"""

import argparse
import itertools
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

from networks import networks

parser = argparse.ArgumentParser()
parser.add_argument("names", nargs="*", help=", ".join(networks))
parser.add_argument("--gradc", default="gradc")
parser.add_argument("--models", default="models")
parser.add_argument("--batches", default="1,4")
arguments = parser.parse_args()
warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(3)


softmax = torch.nn.functional.softmax
# transformers asks for float32 inside of attention, whatever it computes in; a reference in float64 has to be that throughout.
torch.nn.functional.softmax = lambda x, dim=None, dtype=None: softmax(x, dim=dim)


def read_safetensors(path):
    """The arrays of a safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    types = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "BOOL": np.bool_}
    arrays = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def gradc(verb, path, inputs, folder, *flags):
    """Runs a verb on arrays; gives what it wrote."""
    os.makedirs(folder, exist_ok=True)
    for name, array in inputs.items():
        np.save(os.path.join(folder, name.replace("/", "_") + ".npy"), array)
    output = os.path.join(folder, "out.safetensors")
    command = [*shlex.split(arguments.gradc), verb, path, "--inputs", folder, "--outputs", output, *flags]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{verb}: exit code {result.returncode}: {(result.stderr or result.stdout).strip()[:300]}")
    return read_safetensors(output)


def check_outputs(path, names, arrays, folder):
    """The largest difference from ONNX Runtime, relative to the larger of 1 and the largest number; and the names of float outputs."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = dict(zip([output.name for output in session.get_outputs()], session.run(None, dict(zip(names, arrays)))))
    found = gradc("run", path, dict(zip(names, arrays)), folder)
    worst = 0
    for name, array in expected.items():
        if array.dtype.kind != "f":
            assert np.array_equal(array.ravel(), found[name].ravel()), f"output {name} differs"
            continue
        worst = max(worst, np.abs(found[name].reshape(array.shape) - array).max() / max(1, np.abs(array).max()))
    return worst, [name for name, array in expected.items() if array.dtype.kind == "f"]


def matched(parameters, path, gradients, factors):
    """The gradient of each parameter of torch: by name, else by value up to an order of the axes (the exporters of Keras and scikit-learn
    have names and orders of their own)."""
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    pairs = []
    for name, parameter in parameters:
        factor = factors(name)
        if f"grad_{name}" in gradients:
            pairs.append((name, parameter, gradients[f"grad_{name}"] * factor))
            continue
        value = parameter.detach().numpy() * factor
        found = [
            gradient for other, array in values.items() if array.size == value.size and f"grad_{other}" in gradients
            for gradient in turned(value, array, gradients[f"grad_{other}"])]
        if found:  # else it was folded into another one by the exporter
            pairs.append((name, parameter, found[0] * factor))
    return pairs


def turned(value, array, gradient):
    """The gradient in the order of value's axes, if array holds value in some order."""
    for order in itertools.permutations(range(value.ndim)):
        there = value.transpose(order)
        if np.allclose(there.ravel(), array.ravel(), atol=1e-6):
            yield gradient.reshape(there.shape).transpose(np.argsort(order))


def check_gradients(network, path, names, arrays, output, folder):
    """The worst relative difference of a parameter's gradient from PyTorch's, and how many parameters there are."""
    module = (network.reference() if network.reference else network.module.double()).eval()
    inputs = [torch.from_numpy(array).double() if array.dtype.kind == "f" else torch.from_numpy(array) for array in arrays]
    result = module(*inputs)
    cotangent = np.random.default_rng(7).standard_normal(tuple(result.shape))
    module.zero_grad()
    result.backward(torch.from_numpy(cotangent))
    parameters = [(name, p) for name, p in module.named_parameters() if p.requires_grad and p.grad is not None]
    given = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in zip(names, arrays)}
    given[f"cotangent_{output}"] = cotangent
    gradients = gradc("grad", path, given, folder, "--precision", "f64")
    # Gradients that are zero but for rounding (a bias before a normalisation) are compared with the largest norm.
    largest = max(float(p.grad.norm()) for _, p in parameters)
    worst = 0
    pairs = matched(parameters, path, gradients, network.factors)
    if not pairs:
        raise RuntimeError("no parameter is an initializer of the file")
    for name, parameter, gradient in pairs:
        expected = parameter.grad.numpy()
        norm = max(np.linalg.norm(expected), 1e-9 * largest)
        worst = max(worst, np.linalg.norm(gradient - expected) / norm)
    return worst, f"{len(pairs)} of {len(parameters)}"


print(f"{'network':<20} {'batch':>5}  {'outputs':>9}  {'gradients':>9}  {'tensors':>10}  {'seconds':>7}")
failures = 0
for name in arguments.names or networks:
    path = os.path.join(arguments.models, f"{name}.onnx")
    for batch in map(int, arguments.batches.split(",")):
        torch.manual_seed(0)
        begin = time.time()
        line = f"{name:<20} {batch:>5}"
        try:
            network = networks[name]()
            names = [value.name for value in onnxruntime.InferenceSession(path).get_inputs()]
            arrays = network.inputs(batch)
            with tempfile.TemporaryDirectory() as folder:
                error, outputs = check_outputs(path, names, arrays, f"{folder}/run")
                line += f"  {error:9.1e}"
                worst, count = check_gradients(network, path, names, arrays, outputs[-1], f"{folder}/grad")
                line += f"  {worst:9.1e}  {count:>10}  {time.time() - begin:7.1f}"
            good = error <= 1e-4 and worst <= 1e-6
        except Exception as failure:
            line, good = f"{line}  {str(failure)}", False
        failures += not good
        print(line if good else f"{line}  FAILED", flush=True)
sys.exit(1 if failures else 0)
