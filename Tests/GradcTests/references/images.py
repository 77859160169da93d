"""Reference values for ImageNetworkTests.swift: three convolutional networks by PyTorch, 20 steps each, in float64 and the first step in
float32.

Run with PyTorch 2.15: python images.py. Writes images.safetensors beside itself, with for each network NAME
  NAME.losses              the loss of each step
  NAME.LAYER.PARAMETER     the first step's gradient: its norm, then what `sketch` leaves of it
  NAME.float32_loss        relative error of the first loss in float32
  NAME.float32_gradient    norm of the error of all sketched gradients in float32, relative to their norm
Both errors are the largest of PyTorch's kernels (oneDNN channels first, channels last, and without oneDNN), which differ by up to 6 times.
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


def train(name, dtype, steps, memory_format=torch.contiguous_format):
    make, optimizer = NETWORKS[name]
    net = make().double()
    fill(net)
    net = net.to(dtype).to(memory_format=memory_format)
    rule = optimizer(net)
    losses, gradients = [], {}
    for step in range(steps):
        n = ROWS[step % 4]
        x = uniform((n, 3, SIDE, SIDE), 1000 + step).to(dtype)
        y = (3 * torch.arange(n) + step) % CLASSES
        rule.zero_grad()
        loss = functional.cross_entropy(net(x), y)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            gradients = {path: (p.grad.T.contiguous() if is_dense(path) else p.grad).clone() for path, p in parameters(net).items()}
        rule.step()
    return numpy.array(losses), gradients


def errors_in_single(name, loss, whole, with_onednn, memory_format):
    """Relative errors of the first step's loss and gradients in float32."""
    with torch.backends.mkldnn.flags(enabled=with_onednn):
        losses, gradients = train(name, torch.float32, 1, memory_format)
    found = numpy.concatenate([sketch(g) for g in gradients.values()])
    return abs(losses[0] - loss) / loss, numpy.linalg.norm(found - whole) / numpy.linalg.norm(whole)


def main():
    tensors = {}
    for name in NETWORKS:
        losses, gradients = train(name, torch.float64, 20)
        tensors[name + ".losses"] = losses
        for path, gradient in gradients.items():
            tensors[f"{name}.{path}"] = numpy.concatenate([[gradient.norm().item()], sketch(gradient)])
        whole = numpy.concatenate([sketch(g) for g in gradients.values()])
        errors = [errors_in_single(name, losses[0], whole, *way) for way in ((True, torch.contiguous_format), (True, torch.channels_last),
                                                                             (False, torch.contiguous_format))]
        tensors[name + ".float32_loss"], tensors[name + ".float32_gradient"] = (numpy.array([max(each)]) for each in zip(*errors))
        print(name, *losses[[0, 1, 2, 19]], errors)
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
