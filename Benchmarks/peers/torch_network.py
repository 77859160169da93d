"""The networks of workloads.py as PyTorch modules."""
import torch
from torch import nn

import workloads


class Residual(nn.Module):
    def __init__(self, main, shortcut):
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


class Positions(nn.Module):
    def __init__(self, count, width):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, width))

    def forward(self, x):
        return x + self.weight


class Outputs(nn.Module):
    """An LSTM's outputs; of PyTorch's two biases the second is zero."""

    def __init__(self, inputs, units, arrays):
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)
        weights = [arrays[0].T.copy(), arrays[1].T.copy(), arrays[2], 0 * arrays[2]]
        with_values(self.lstm, weights)

    def forward(self, x):
        return self.lstm(x)[0]


class CausalAttention(nn.Module):
    def __init__(self, width, heads, arrays):
        super().__init__()
        self.heads = heads
        self.qkv = with_values(nn.Linear(width, 3 * width), [arrays[0].T.copy(), arrays[1]])
        self.out = with_values(nn.Linear(width, width), [arrays[2].T.copy(), arrays[3]])

    def forward(self, x):
        rows, positions, width = x.shape
        q, k, v = (part.view(rows, positions, self.heads, -1).transpose(1, 2) for part in self.qkv(x).split(width, 2))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(rows, positions, width))


class GlobalAverage(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def with_values(module, arrays):
    """Parameters and then statistics, in the order of workloads.parameters."""
    places = [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.dim() > 0)]
    with torch.no_grad():
        for place, array in zip(places, arrays, strict=True):
            place.copy_(torch.from_numpy(array))
    return module


def module(layer, arrays):
    kind = layer[0]
    if kind == "dense":
        return with_values(nn.Linear(layer[1], layer[2]), [arrays[0].T.copy(), arrays[1]])
    if kind == "conv":
        _, inputs, filters, kernel, stride, groups, bias = layer
        return with_values(nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, groups=groups, bias=bias), arrays)
    if kind == "bn":
        return with_values(nn.BatchNorm2d(layer[1]), arrays)
    if kind == "head":
        return with_values(nn.Linear(layer[1], layer[2], bias=False), [arrays[0].T.copy()])
    if kind == "embed":
        return with_values(nn.Embedding(layer[1], layer[2]), arrays)
    if kind == "pos":
        return with_values(Positions(layer[1], layer[2]), arrays)
    if kind == "ln":
        return with_values(nn.LayerNorm(layer[1]), arrays)
    if kind == "lstm":
        return Outputs(layer[1], layer[2], arrays)
    if kind == "attn":
        return CausalAttention(layer[1], layer[2], arrays)
    if kind == "gelu":
        return nn.GELU(approximate="tanh")
    if kind == "residual":
        return Residual(sequence(layer[1], arrays[0]), sequence(layer[2], arrays[1]))
    return {"relu": nn.ReLU, "relu6": nn.ReLU6, "flatten": nn.Flatten, "gap": GlobalAverage, "dropout": lambda: nn.Dropout(layer[1]),
            "maxpool": lambda: nn.MaxPool2d(layer[1])}[kind]()


def sequence(layers, arrays):
    return nn.Sequential(*map(module, layers, arrays))


def network(work):
    return sequence(work["layers"], workloads.parameters(work["layers"]))


def optimizer(settings, parameters):
    """As in torch.optim everything decays, with `fused` kernels."""
    if settings["rule"] == "momentum":
        return torch.optim.SGD(parameters, lr=settings["rate"], momentum=settings["momentum"], weight_decay=settings["decay"], fused=True)
    if settings.get("decay"):
        return torch.optim.AdamW(parameters, lr=settings["rate"], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
                                 weight_decay=settings["decay"], fused=True)
    return torch.optim.Adam(parameters, lr=settings["rate"], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
                            fused=True)
