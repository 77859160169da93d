"""The measured networks as plain data, their first parameters and one batch each.

Every peer gets the same numbers from here, so first losses can be compared. Run as a program it writes what gradc-bench reads:

    python3 workloads.py FOLDER      NAME.gradc, NAME.weights.safetensors, NAME.BATCH.safetensors

A network is a list of layers: ("dense", inputs, units), ("relu",), ("dropout", rate). A loss of "bce" takes logits of one unit; inference
then ends in a sigmoid. A loss of "ce" takes logits of several classes, and inference hands the logits out.
"""
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
ADAM = {"rule": "adam", "rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
MOMENTUM = {"rule": "momentum", "rate": 0.01, "momentum": 0.9}


def chain(sizes, dropout_after_first=0.0):
    """Dense layers of these sizes with relu between them."""
    layers = []
    for index, (inputs, units) in enumerate(zip(sizes, sizes[1:])):
        if index > 0:
            layers.append(("relu",))
            if index == 1 and dropout_after_first > 0:
                layers.append(("dropout", dropout_after_first))
        layers.append(("dense", inputs, units))
    return layers


WORKLOADS = {
    "heart": {"layers": chain([29, 16, 1]), "loss": "bce", "optimizer": ADAM, "train": [32], "infer": [1, 64]},
    "churn": {"layers": chain([11, 64, 32, 1], 0.2), "loss": "bce", "optimizer": ADAM, "train": [32], "infer": []},
    "mnist_mlp": {"layers": chain([784, 512, 256, 10]), "loss": "ce", "optimizer": MOMENTUM, "train": [64], "infer": [1, 64]},
}


def features(work):
    return work["layers"][0][1]


def classes(work):
    return work["layers"][-1][2]


def parameters(work):
    """A (weight, bias) pair for each dense layer: weights [inputs, units] normal with variance 1 / inputs, biases 0."""
    import numpy
    numbers = numpy.random.default_rng(1235)
    pairs = []
    for layer in work["layers"]:
        if layer[0] == "dense":
            _, inputs, units = layer
            rows = numbers.standard_normal((units, inputs)) * inputs ** -0.5
            pairs.append((numpy.ascontiguousarray(rows.T.astype(numpy.float32)), numpy.zeros(units, numpy.float32)))
    return pairs


def batch(work, rows):
    """Normal inputs [rows, features]; float targets [rows, 1] of 0 and 1 for "bce", class numbers [rows] for "ce"."""
    import numpy
    numbers = numpy.random.default_rng(1234)
    x = numbers.standard_normal((rows, features(work))).astype(numpy.float32)
    if work["loss"] == "bce":
        return x, numbers.integers(0, 2, (rows, 1)).astype(numpy.float32)
    return x, numbers.integers(0, classes(work), (rows,)).astype(numpy.int64)


def write_safetensors(path, tensors):
    """tensors: name -> array of float32 or int64."""
    header, blocks, begin = {}, [], 0
    for name, array in tensors.items():
        block = array.tobytes()
        header[name] = {"dtype": {"float32": "F32", "int64": "I64"}[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [begin, begin + len(block)]}
        begin += len(block)
        blocks.append(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blocks))


def write_folder(folder):
    """Models always; weights and batches when there is numpy. Says whether they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in (HERE / "models").glob("*.gradc"):
        shutil.copy(model, folder)
    try:
        import numpy  # noqa: F401
    except ImportError:
        return False
    for name, work in WORKLOADS.items():
        weights = {}
        for index, (weight, bias) in enumerate(parameters(work), 1):
            weights[f"dense{index}.weight"], weights[f"dense{index}.bias"] = weight, bias
        write_safetensors(folder / f"{name}.weights.safetensors", weights)
        for rows in sorted({*work["train"], *work["infer"]}):
            x, y = batch(work, rows)
            write_safetensors(folder / f"{name}.{rows}.safetensors", {"x": x, "y": y})
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not write_folder(pathlib.Path(sys.argv[1])):
        print("numpy is missing: gradc-bench will make up its own parameters and batches", file=sys.stderr)
