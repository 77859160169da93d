"""Reference values for WholeNetworkCodeTests.swift: four networks by PyTorch, 20 steps each, in float64 and the first step in float32.

Run with PyTorch 2.15: python networks.py. Writes networks.safetensors beside itself, with for each network NAME
  NAME.losses             the loss of each step, penalties included
  NAME.gradient           the first step's gradients, laid end to end: weights as [in, out], in the order of the layers
  NAME.float32_loss       relative error of the first loss in float32
  NAME.float32_gradient   norm of the error of the first gradient in float32, relative to the gradient's norm
Weights and data are sines, so that no file has to be shared.
"""
import json
import pathlib
import struct

import torch
from torch import nn
from torch.nn import functional as F


def wave(count, phase):
    return torch.sin(1.7 * torch.arange(count, dtype=torch.float64) + phase)


def fill(net):
    """Weight k, element i of its [in, out] layout: sin(1.7 i + k) / sqrt(in); bias k: sin(1.7 i + k) / 10."""
    for k, layer in enumerate(m for m in net if isinstance(m, nn.Linear)):
        with torch.no_grad():
            inputs, outputs = layer.in_features, layer.out_features
            layer.weight.copy_((wave(inputs * outputs, 2 * k) / inputs**0.5).reshape(inputs, outputs).T)
            layer.bias.copy_(wave(outputs, 2 * k + 1) / 10)


def flat(net):
    parts = []
    for m in net:
        if isinstance(m, nn.Linear):
            parts += [m.weight.grad.T.reshape(-1), m.bias.grad]
        if isinstance(m, nn.BatchNorm1d):
            parts += [m.weight.grad, m.bias.grad]
    return torch.cat(parts).double()


def labels(n, step, classes):
    return (3 * torch.arange(n) + step) % classes


NETWORKS = {
    "heart": (29, lambda: nn.Sequential(nn.Linear(29, 16), nn.ReLU(), nn.Linear(16, 1)),
              lambda z, n, step: F.binary_cross_entropy_with_logits(z, labels(n, step, 2).to(z.dtype).reshape(n, 1)), 0),
    "churn": (11, lambda: nn.Sequential(nn.Linear(11, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)),
              lambda z, n, step: F.binary_cross_entropy_with_logits(z, labels(n, step, 2).to(z.dtype).reshape(n, 1)), 0),
    "wine": (11, lambda: nn.Sequential(nn.Linear(11, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(),
                                       nn.Linear(32, 1)),
             lambda z, n, step: (z - (2 * wave(n, 2 * step)).to(z.dtype).reshape(n, 1)).abs().mean(), 0.001),
    "digits": (64, lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
               lambda z, n, step: F.cross_entropy(z, labels(n, step, 10)), 0),
}


def train(width, make, loss_of, penalty, dtype, steps):
    net = make().to(dtype)
    fill(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses, gradient = [], None
    for step in range(steps):
        n = [16, 16, 16, 7][step % 4]
        x = wave(n * width, step).reshape(n, width).to(dtype)
        optimizer.zero_grad()
        loss = loss_of(net(x), n, step)
        # λ/2 Σ w² on the weights of all dense layers but the last.
        for layer in [m for m in net if isinstance(m, nn.Linear)][:-1]:
            loss = loss + penalty / 2 * (layer.weight**2).sum()
        loss.backward()
        losses.append(loss.item())
        if gradient is None:
            gradient = flat(net)
        optimizer.step()
    return torch.tensor(losses, dtype=torch.float64), gradient


def main():
    tensors = {}
    for name, (width, make, loss_of, penalty) in NETWORKS.items():
        losses, gradient = train(width, make, loss_of, penalty, torch.float64, 20)
        losses32, gradient32 = train(width, make, loss_of, penalty, torch.float32, 1)
        tensors[name + ".losses"] = losses
        tensors[name + ".gradient"] = gradient
        tensors[name + ".float32_loss"] = ((losses32[0] - losses[0]) / losses[0]).abs().reshape(1)
        tensors[name + ".float32_gradient"] = ((gradient32 - gradient).norm() / gradient.norm()).reshape(1)
        print(name, losses[0].item(), losses[-1].item(), *[tensors[name + k].item() for k in (".float32_loss", ".float32_gradient")])
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.detach().numpy().tobytes()
        header[name] = {"dtype": "F64", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (pathlib.Path(__file__).parent / "networks.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


main()
