"""The measured networks as plain data, their first parameters and one batch each.

Every peer gets the same numbers from here, so first losses can be compared. Run as a program it writes what gradc-bench reads:

    python3 workloads.py FOLDER [NAME…]      NAME.gradc, NAME.weights.safetensors, NAME.BATCH.safetensors

A network is a list of layers:

    ("dense", inputs, units)    ("conv", inputs, filters, kernel, stride, groups, bias), padded by half a kernel on both sides
    ("bn", channels)            ("relu",)  ("relu6",)  ("dropout", rate)  ("maxpool", size)  ("gap",)  ("flatten",)
    ("residual", main, shortcut): the sum of both, an empty shortcut is the input itself
    ("embed", tokens, width)    ("pos", positions, width), learned and added    ("ln", width)  ("gelu",), the tanh form
    ("lstm", inputs, units), all outputs, one bias    ("attn", width, heads), causal, packed query, key and value    ("head", inputs, units), no bias

Images are [rows, channels, height, width]; the input of a network that begins with "embed" are tokens [rows, positions], and a loss of "ce"
then judges the scores of each position. A loss of "bce" takes logits of one unit; inference then ends in a sigmoid. A loss of "ce" takes
logits of several classes, and inference hands the logits out.
"""
import json
import math
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
ADAM = {"rule": "adam", "rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
IMAGE = (3, 32, 32)


def momentum(decay=0.0):
    return {"rule": "momentum", "rate": 0.01, "momentum": 0.9, "decay": decay}


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


def conv(inputs, filters, kernel=3, stride=1, groups=1, bias=False):
    return ("conv", inputs, filters, kernel, stride, groups, bias)


def cifar_cnn():
    return [conv(3, 32, bias=True), ("relu",), conv(32, 64, bias=True), ("relu",), ("maxpool", 2), ("flatten",), ("dense", 64 * 16 * 16, 10)]


def cifar_vgg_bn():
    layers, inputs = [], 3
    for stage, filters in enumerate((64, 128, 256)):
        layers += [("maxpool", 2)] if stage > 0 else []
        for _ in range(2):
            layers += [conv(inputs, filters), ("bn", filters), ("relu",)]
            inputs = filters
    return layers + [("gap",), ("dense", 256, 10)]


def resnet18_cifar():
    layers, inputs = [conv(3, 64), ("bn", 64), ("relu",)], 64
    for filters, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            changes = stride > 1 or inputs != filters
            shortcut = [conv(inputs, filters, 1, stride), ("bn", filters)] if changes else []
            main = [conv(inputs, filters, 3, stride), ("bn", filters), ("relu",), conv(filters, filters), ("bn", filters)]
            layers += [("residual", main, shortcut), ("relu",)]
            inputs = filters
    return layers + [("gap",), ("dense", 512, 10)]


def mobilenet_v2():
    layers, inputs = [conv(3, 32, 3, 2), ("bn", 32), ("relu6",)], 32
    for expansion, filters, count, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                             (6, 320, 1, 1)):
        for stride in (first,) + (1,) * (count - 1):
            hidden = inputs * expansion
            block = [conv(inputs, hidden, 1), ("bn", hidden), ("relu6",)] if expansion > 1 else []
            block += [conv(hidden, hidden, 3, stride, hidden), ("bn", hidden), ("relu6",), conv(hidden, filters, 1), ("bn", filters)]
            layers += [("residual", block, [])] if stride == 1 and inputs == filters else block
            inputs = filters
    return layers + [conv(320, 1280, 1), ("bn", 1280), ("relu6",), ("gap",), ("dropout", 0.2), ("dense", 1280, 1000)]


def gpt(tokens=65, positions=128, blocks=4, heads=4, width=128):
    layers = [("embed", tokens, width), ("pos", positions, width)]
    for _ in range(blocks):
        layers += [("residual", [("ln", width), ("attn", width, heads)], []),
                   ("residual", [("ln", width), ("dense", width, 4 * width), ("gelu",), ("dense", 4 * width, width)], [])]
    return layers + [("ln", width), ("head", width, tokens)]


WORKLOADS = {
    "heart": {"layers": chain([29, 16, 1]), "input": (29,), "loss": "bce", "optimizer": ADAM, "train": [32], "infer": [1, 64]},
    "churn": {"layers": chain([11, 64, 32, 1], 0.2), "input": (11,), "loss": "bce", "optimizer": ADAM, "train": [32], "infer": []},
    "mnist_mlp": {"layers": chain([784, 512, 256, 10]), "input": (784,), "loss": "ce", "optimizer": momentum(), "train": [64],
                  "infer": [1, 64]},
    "cifar_cnn": {"layers": cifar_cnn(), "input": IMAGE, "loss": "ce", "optimizer": ADAM, "train": [64], "infer": [1, 64]},
    "cifar_vgg_bn": {"layers": cifar_vgg_bn(), "input": IMAGE, "loss": "ce", "optimizer": momentum(), "train": [64], "infer": [1, 64]},
    "resnet18_cifar": {"layers": resnet18_cifar(), "input": IMAGE, "loss": "ce", "optimizer": momentum(5e-4), "train": [32],
                       "infer": [1, 64]},
    "lstm_char": {"layers": [("embed", 65, 128), ("lstm", 128, 256), ("dense", 256, 65)], "input": (64,), "loss": "ce", "optimizer": ADAM,
                  "train": [32], "infer": []},
    "gpt_tiny": {"layers": gpt(), "input": (128,), "loss": "ce", "optimizer": {**ADAM, "rate": 3e-4, "decay": 0.01}, "train": [16],
                 "infer": [1, 64]},
    "mobilenet_v2_224": {"layers": mobilenet_v2(), "input": (3, 224, 224), "loss": "ce", "optimizer": None, "train": [], "infer": [1]},
}
# What a network of images takes its parameters from; PyTorch's names are in peers/torch_peer.py.
NAMES = {"dense": ("dense", ("weight", "bias")), "conv": ("conv2d", ("weight", "bias")),
         "bn": ("batch_norm", ("gamma", "beta", "running_mean", "running_var")), "embed": ("embedding", ("weight",)),
         "pos": ("positional_embedding", ("weight",)), "ln": ("layer_norm", ("gamma", "beta")), "head": ("dense", ("weight",)),
         "lstm": ("lstm", ("input_weight", "state_weight", "bias")),
         "attn": ("multi_head_attention", ("qkv_weight", "qkv_bias", "output_weight", "output_bias"))}


def has_images(work):
    return len(work["input"]) == 3


def has_tokens(work):
    return work["layers"][0][0] == "embed"


def classes(work):
    return work["layers"][-1][2]


def parameters(layers, numbers=None):
    """One list of arrays a layer: dense weight [inputs, units] and bias, conv weight [filters, inputs / groups, kernel, kernel] and bias if it
    has one, bn gamma, beta, mean and variance; for a residual the lists of both ways. Dense weights are normal with variance 1 / inputs,
    those of convolutions 2 / inputs of a filter, biases 0."""
    import numpy
    numbers = numbers or numpy.random.default_rng(1235)

    def normal(*shape, deviation):
        return (numbers.standard_normal(shape) * deviation).astype(numpy.float32)

    def arrays(layer):
        zeros = lambda count: numpy.zeros(count, numpy.float32)  # noqa: E731
        if layer[0] == "dense":
            _, inputs, units = layer
            return [numpy.ascontiguousarray(normal(units, inputs, deviation=inputs ** -0.5).T), zeros(units)]
        if layer[0] == "conv":
            _, inputs, filters, kernel, _, groups, bias = layer
            shape = (filters, inputs // groups, kernel, kernel)
            return [normal(*shape, deviation=(2 / math.prod(shape[1:])) ** 0.5)] + ([zeros(filters)] if bias else [])
        if layer[0] == "bn":
            count = layer[1]
            return [numpy.ones(count, numpy.float32), zeros(count), normal(count, deviation=0.1),
                    numbers.uniform(0.5, 1.5, count).astype(numpy.float32)]
        if layer[0] == "residual":
            return [parameters(layer[1], numbers), parameters(layer[2], numbers)]
        if layer[0] == "head":
            return [normal(layer[1], layer[2], deviation=layer[1] ** -0.5)]
        if layer[0] in ("embed", "pos"):
            return [normal(layer[1], layer[2], deviation=0.02)]
        if layer[0] == "ln":
            return [numpy.ones(layer[1], numpy.float32), zeros(layer[1])]
        if layer[0] == "lstm":
            _, inputs, units = layer
            deviation = units ** -0.5
            return [normal(inputs, 4 * units, deviation=deviation), normal(units, 4 * units, deviation=deviation),
                    normal(4 * units, deviation=deviation)]
        if layer[0] == "attn":
            width = layer[1]
            return [normal(width, 3 * width, deviation=width ** -0.5), zeros(3 * width), normal(width, width, deviation=width ** -0.5),
                    zeros(width)]
        return []

    return [arrays(layer) for layer in layers]


def named(layers, arrays, counts=None):
    """gradc's name -> array: layers of a kind are counted, in a residual the main way before the shortcut."""
    counts = {} if counts is None else counts
    found = {}
    for layer, values in zip(layers, arrays):
        if layer[0] == "residual":
            for part, inside in zip(layer[1:], values):
                found |= named(part, inside, counts)
        elif values:
            kind, names = NAMES[layer[0]]
            counts[kind] = counts.get(kind, 0) + 1
            found |= {f"{kind}{counts[kind]}.{name}": value for name, value in zip(names, values)}
    return found


def batch(work, rows):
    """Normal inputs [rows, …]; float targets [rows, 1] of 0 and 1 for "bce", class numbers [rows] for "ce"."""
    import numpy
    numbers = numpy.random.default_rng(1234)
    if has_tokens(work):
        tokens = numbers.integers(0, classes(work), (rows, work["input"][0] + 1)).astype(numpy.int64)
        return numpy.ascontiguousarray(tokens[:, :-1]), numpy.ascontiguousarray(tokens[:, 1:])
    x = numbers.standard_normal((rows, *work["input"])).astype(numpy.float32)
    if work["loss"] == "bce":
        return x, numbers.integers(0, 2, (rows, 1)).astype(numpy.float32)
    return x, numbers.integers(0, classes(work), (rows,)).astype(numpy.int64)


def shape_after(layer, shape):
    """The shape of one row behind a layer."""
    kind = layer[0]
    if kind in ("dense", "head", "lstm"):
        return (*shape[:-1], layer[2])
    if kind == "embed":
        return (*shape, layer[2])
    if kind == "conv":
        _, _, filters, kernel, stride, _, _ = layer
        return (filters, *((side + kernel // 2 * 2 - kernel) // stride + 1 for side in shape[1:]))
    if kind == "maxpool":
        return (shape[0], *(side // layer[1] for side in shape[1:]))
    if kind == "gap":
        return shape[:1]
    if kind == "flatten":
        return (math.prod(shape),)
    if kind == "residual":
        for inner in layer[1]:
            shape = shape_after(inner, shape)
    return shape


def products(layers, shape):
    """Multiplications a row of dense layers and convolutions, in order."""
    counts = []
    for layer in layers:
        after = shape_after(layer, shape)
        if layer[0] in ("dense", "head"):
            counts.append(math.prod(shape[:-1]) * layer[1] * layer[2])
        elif layer[0] == "lstm":
            counts.append(shape[0] * 4 * layer[2] * (layer[1] + layer[2]))
        elif layer[0] == "attn":
            # Of the scores and of the values' sums all positions count, as a product that knows no causes has them.
            counts.append(shape[0] * (4 * layer[1] ** 2 + 2 * shape[0] * layer[1]))
        elif layer[0] == "conv":
            counts.append(math.prod(after) * layer[1] // layer[5] * layer[3] ** 2)
        elif layer[0] == "residual":
            counts += products(layer[1], shape) + products(layer[2], shape)
        shape = after
    return counts


def operations(work, kind, rows):
    """Floating point operations of a step as a direct convolution has them: two for each product, in training three times as many, less the
    first layer's gradient with respect to data. What is done element by element is not counted."""
    counts = products(work["layers"], work["input"])
    # Vectors of tokens have gradients.
    total = sum(counts) if kind == "infer" else 3 * sum(counts) - (0 if has_tokens(work) else counts[0])
    return 2 * total * rows


def write_safetensors(path, tensors):
    """tensors: name -> array of float32, float64 or int64."""
    header, blocks, begin = {}, [], 0
    for name, array in tensors.items():
        block = array.tobytes()
        header[name] = {"dtype": {"float32": "F32", "float64": "F64", "int64": "I64"}[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [begin, begin + len(block)]}
        begin += len(block)
        blocks.append(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blocks))


def read_safetensors(path):
    """name -> array."""
    import numpy
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            found[name] = numpy.frombuffer(data[begin:end], {"F32": "<f4", "F64": "<f8", "I64": "<i8"}[entry["dtype"]]).reshape(entry["shape"])
    return found


def write_folder(folder, chosen=()):
    """Models always; weights and batches, of the chosen networks if some are named, when there is numpy. Says whether they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in (HERE / "models").glob("*.gradc"):
        shutil.copy(model, folder)
    try:
        import numpy  # noqa: F401
    except ImportError:
        return False
    for name, work in WORKLOADS.items():
        if chosen and name not in chosen:
            continue
        write_safetensors(folder / f"{name}.weights.safetensors", named(work["layers"], parameters(work["layers"])))
        for rows in sorted({*work["train"], *work["infer"]}):
            x, y = batch(work, rows)
            write_safetensors(folder / f"{name}.{rows}.safetensors", {"x": x, "y": y})
    return True


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if not write_folder(pathlib.Path(sys.argv[1]), sys.argv[2:]):
        print("numpy is missing: gradc-bench will make up its own parameters and batches", file=sys.stderr)
