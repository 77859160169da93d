"""Reference values for ImageNetworkTests.swift: three convolutional networks by PyTorch, 20 steps each in float64, and the errors of first
steps in float32.

Run with PyTorch 2.15: python images.py. Writes images.safetensors beside itself, with for each network NAME
  NAME.losses              the loss of each step
  NAME.LAYER.PARAMETER     the first step's gradient: its norm, then what `sketch` leaves of it
  NAME.float32_loss        errors in float32 on 20 batches, each for the first weights: root mean square of the loss's, relative
  NAME.float32_gradient    and the median of the norm of the error of all sketched gradients, relative to their norm
A single batch says little: its loss may happen to be exact, and where a value before a relu is as good as zero, float32 takes the other side
in everybody's kernels (one batch of 20 of resnet18: an error of 3 %). PyTorch's kernels are those that it takes by itself (oneDNN, channels
first); channels last it errs up to 2.2 times as much.
The networks are those of the benchmark with fewer channels and smaller images. Weights and data are made by `uniform`, so that no file has
to be shared.
"""
import json
import pathlib
import struct

import numpy
import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
SIDE, ROWS, CLASSES = 16, [6, 6, 6, 3], 10


def hashed(count, seed):
    """32 pseudo-random bits for each position."""
    mask = numpy.uint64(0xFFFFFFFF)
    h = (numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(2654435761) + numpy.uint64(seed * 40503)) & mask
    h ^= h >> numpy.uint64(15)
    h = (h * numpy.uint64(2246822519)) & mask
    return h ^ (h >> numpy.uint64(13))


def uniform(shape, seed):
    """-1 to 1, in float64."""
    count = int(numpy.prod(shape))
    return torch.from_numpy((hashed(count, seed).astype(numpy.float64) + 0.5) / 2**31 - 1).reshape(tuple(shape))


def sketch(gradient):
    """The elements; of more than 256, sums of consecutive ones with pseudo-random signs. A difference keeps its expected norm."""
    values = gradient.detach().double().numpy().reshape(-1)
    block = -(-len(values) // 256)
    if block == 1:
        return values
    signed = values * (1 - 2 * (hashed(len(values), 99) & numpy.uint64(1)).astype(numpy.float64))
    return numpy.add.reduceat(signed, numpy.arange(0, len(values), block))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.main = nn.Sequential(conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(), conv(outputs, outputs),
                                  nn.BatchNorm2d(outputs))
        changes = stride > 1 or inputs != outputs
        self.short = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)) if changes else nn.Identity()

    def forward(self, x):
        return functional.relu(self.main(x) + self.short(x))


def conv(inputs, outputs, kernel=3, stride=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)


def cifar_cnn():
    return nn.Sequential(conv(3, 8, bias=True), nn.ReLU(), conv(8, 16, bias=True), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(16 * (SIDE // 2) ** 2, CLASSES))


def pooled(outputs):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outputs, CLASSES)]


def vgg_bn():
    parts, inputs = [], 3
    for stage, outputs in enumerate((8, 16, 24)):
        parts += [nn.MaxPool2d(2)] if stage else []
        for _ in range(2):
            parts += [conv(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
    return nn.Sequential(*parts, *pooled(24))


def resnet18():
    parts, inputs = [conv(3, 8), nn.BatchNorm2d(8), nn.ReLU()], 8
    for outputs, stride in ((8, 1), (12, 2), (16, 2), (24, 2)):
        parts += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*parts, *pooled(24))


def sgd(decay):
    def make(net):
        weights = [p for p in net.parameters() if p.dim() > 1]
        others = [p for p in net.parameters() if p.dim() == 1]
        return torch.optim.SGD([{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0}], lr=0.01, momentum=0.9)
    return make


NETWORKS = {
    "cifar_cnn": (cifar_cnn, lambda net: torch.optim.Adam(net.parameters(), lr=0.001)),
    "vgg_bn": (vgg_bn, sgd(0)),
    "resnet18": (resnet18, sgd(5e-4)),
}
KINDS = {nn.Conv2d: "conv2d", nn.BatchNorm2d: "batch_norm", nn.Linear: "dense"}


def parameters(net):
    """Path -> tensor, in the order of construction, which numbers the layers of a kind: main path before shortcut."""
    counts, found = {}, {}
    for module in net.modules():
        kind = KINDS.get(type(module))
        if kind is None:
            continue
        counts[kind] = counts.get(kind, 0) + 1
        names = ("gamma", "beta") if kind == "batch_norm" else ("weight", "bias")
        for name, tensor in zip(names, (module.weight, module.bias)):
            if tensor is not None:
                found[f"{kind}{counts[kind]}.{name}"] = tensor
    return found


def is_dense(path):
    return path.startswith("dense") and path.endswith("weight")


def fill(net):
    """Weight k, element i in its own layout, [in, out] for dense ones: uniform with variance 2 / fan-in, seed k; biases and beta a tenth of
    uniform, gamma 1 more."""
    with torch.no_grad():
        for seed, (path, tensor) in enumerate(parameters(net).items()):
            if tensor.dim() == 1:
                tensor.copy_(uniform(tensor.shape, seed) / 10 + (1 if path.endswith("gamma") else 0))
                continue
            shape = tensor.T.shape if is_dense(path) else tensor.shape
            inputs = shape[0] if is_dense(path) else shape[1] * shape[2] * shape[3]
            values = uniform(shape, seed) * (6 / inputs) ** 0.5
            tensor.copy_(values.T if is_dense(path) else values)


def made(name, dtype):
    """The network with its first weights."""
    net = NETWORKS[name][0]().double()
    fill(net)
    return net.to(dtype)


def backward(net, dtype, step, rows):
    x = uniform((rows, 3, SIDE, SIDE), 1000 + step).to(dtype)
    y = (3 * torch.arange(rows) + step) % CLASSES
    loss = functional.cross_entropy(net(x), y)
    loss.backward()
    return loss.item()


def gradients(net):
    return {path: (p.grad.T.contiguous() if is_dense(path) else p.grad).clone() for path, p in parameters(net).items()}


def sketched(found):
    return numpy.concatenate([sketch(g) for g in found.values()])


def train(name, steps):
    """Losses of steps in float64, gradients of the first."""
    net = made(name, torch.float64)
    rule = NETWORKS[name][1](net)
    losses = []
    for step in range(steps):
        rule.zero_grad()
        losses.append(backward(net, torch.float64, step, ROWS[step % 4]))
        if step == 0:
            first = gradients(net)
        rule.step()
    return numpy.array(losses), first


def errors_in_single(name, batches):
    """Relative errors of loss and gradients in float32, for each batch."""
    errors = []
    for batch in range(batches):
        (loss, whole), (found_loss, found) = [
            (backward(net, dtype, batch, ROWS[0]), sketched(gradients(net)))
            for dtype in (torch.float64, torch.float32) for net in [made(name, dtype)]]
        errors.append((abs(found_loss - loss) / loss, numpy.linalg.norm(found - whole) / numpy.linalg.norm(whole)))
    return numpy.array(errors).T


def main():
    tensors = {}
    for name in NETWORKS:
        losses, first = train(name, 20)
        tensors[name + ".losses"] = losses
        for path, gradient in first.items():
            tensors[f"{name}.{path}"] = numpy.concatenate([[gradient.norm().item()], sketch(gradient)])
        losses_off, gradients_off = errors_in_single(name, 20)
        tensors[name + ".float32_loss"] = numpy.array([numpy.sqrt(numpy.mean(losses_off**2))])
        tensors[name + ".float32_gradient"] = numpy.array([numpy.median(gradients_off)])
        print(name, *losses[[0, 1, 2, 19]], tensors[name + ".float32_loss"], tensors[name + ".float32_gradient"])
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.astype("<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (pathlib.Path(__file__).parent / "images.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
