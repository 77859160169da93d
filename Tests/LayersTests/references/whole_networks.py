"""Reference values for WholeNetworkTests.swift: 20 training steps of three networks by PyTorch in float64.

Run with PyTorch 2.15: python whole_networks.py. Prints, for each network, the loss of each step (with penalty) and the norm of the
gradient before clipping. Weights and data are sines, so that no file has to be shared.
"""
import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)


def wave(count, phase):
    return torch.sin(1.7 * torch.arange(count) + phase)


def fill(tensors):
    """Parameter k, element i of its [in, out] layout: sin(1.7 i + k) / 2."""
    for k, (tensor, is_linear) in enumerate(tensors):
        values = wave(tensor.numel(), k) / 2
        with torch.no_grad():
            tensor.copy_(values.reshape(tensor.shape[::-1]).T if is_linear else values.reshape(tensor.shape))


def linear(layer):
    return [(layer.weight, True), (layer.bias, False)]


def train(name, net, width, target, rows, optimizer, clip=None, penalty=None):
    losses, norms = [], []
    for step in range(20):
        n = [4, 4, 3, 2][step % 4]
        x = wave(n * width, step).reshape(n, width)
        weights = 1 + wave(n, step) / 2
        optimizer.zero_grad()
        loss = (rows(net(x), target(n, step)) * weights).sum() / n + (penalty() if penalty else 0)
        loss.backward()
        losses.append(loss.item())
        norms.append(float(nn.utils.clip_grad_norm_(net.parameters(), clip or 1e30)))
        optimizer.step()
    print(name)
    for values in (losses, norms):
        print("[" + ", ".join("%.12g" % v for v in values) + "]")


a, b = nn.Linear(4, 5), nn.Linear(5, 3)
fill(linear(a) + linear(b))
net = nn.Sequential(a, nn.Tanh(), b)
train("classes", net, 4, lambda n, step: (torch.arange(n) + step) % 3, lambda z, y: F.cross_entropy(z, y, reduction="none"),
      torch.optim.Adam(net.parameters(), lr=0.05), clip=0.5)

a, bn, ln, b = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.Linear(4, 1)
fill(linear(a) + linear(b))
net = nn.Sequential(a, nn.ReLU(), bn, ln, b)
decayed = [a.weight, b.weight]
plain = [p for p in net.parameters() if all(p is not q for q in decayed)]
train("numbers", net, 3, lambda n, step: wave(n, 2 * step).reshape(n, 1), lambda z, y: (z - y).abs().mean(1),
      torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0}], lr=0.05),
      penalty=lambda: 0.001 * a.weight.abs().sum() + 0.005 * (a.weight ** 2).sum())
print("[" + ", ".join("%.12g" % v for v in bn.running_mean.tolist() + bn.running_var.tolist()) + "]")

a, b = nn.Linear(3, 4), nn.Linear(4, 1)
fill(linear(a) + linear(b))
net = nn.Sequential(a, nn.SiLU(), b)
train("yes_or_no", net, 3, lambda n, step: ((torch.arange(n) + step) % 2).double().reshape(n, 1),
      lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none").mean(1),
      torch.optim.SGD([{"params": [a.weight, b.weight], "weight_decay": 0.1}, {"params": [a.bias, b.bias], "weight_decay": 0}],
                      lr=0.1, momentum=0.9, nesterov=True))
