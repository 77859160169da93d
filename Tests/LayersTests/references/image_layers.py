"""Reference values for ImageLayerTests.swift by PyTorch in float64: small networks of one image layer each.

Run with PyTorch 2.15: python image_layers.py. Prints, for each network, the mean squared loss of two rows against sines, and projections
(sum of t[i] cos(0.7 i)) of the output and of the gradients of the parameters. Parameter k is sin(1.7 i + k) / 2.
"""
import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)


def wave(count, phase):
    return torch.sin(1.7 * torch.arange(count) + phase)


def projection(tensor):
    flat = tensor.flatten()
    return (flat * torch.cos(0.7 * torch.arange(flat.numel()))).sum().item()


def check(name, shape, parameters, net):
    parameters = [(wave(torch.Size(size).numel(), k) / 2).reshape(size).requires_grad_() for k, size in enumerate(parameters)]
    x = wave(2 * torch.Size(shape).numel(), 0.5).reshape(2, *shape)
    y = net(x, *parameters)
    loss = F.mse_loss(y, wave(y.numel(), 2).reshape(y.shape))
    if parameters:
        loss.backward()
    numbers = [loss.item(), projection(y)] + [projection(p.grad) for p in parameters]
    print(name, list(y.shape), ", ".join("%.12g" % number for number in numbers))


def bn(x, gamma, beta):
    return F.batch_norm(x, None, None, gamma, beta, training=True)


W1 = (3, 2, 1, 1)
image = (2, 6, 5)
first = lambda x, w: F.conv2d(x, w)
check("conv", (4, 6, 5), [(6, 2, 3, 2), (6,)], lambda x, w, b: F.conv2d(F.pad(x, (2, 1, 1, 0)), w, b, (2, 1), 0, (1, 2), 2))
check("same", image, [(3, 2, 3, 3), (3,)], lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 0, 1)), w, b, 2))
check("line", (2, 7), [(3, 2, 3), (3,)], lambda x, w, b: F.conv1d(x, w, b, 1, 2, 2))
check("depthwise", image, [(4, 1, 3, 3), (4,)], lambda x, w, b: F.conv2d(x, w, b, 1, 1, 1, 2))
check("transposed", (4, 3, 2), [(4, 3, 3, 3), (6,)], lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1, 2))
check("transposed same", image, [(2, 3, 3, 3), (3,)], lambda x, w, b: F.conv_transpose2d(x, w, b, 2)[:, :, 0:12, 0:10])
check("transposed line", (2, 4), [(2, 3, 2)], lambda x, w: F.conv_transpose1d(x, w, None, 3, 0, 1))
check("batch_norm", image, [W1, (3,), (3,)], lambda x, w, g, b: bn(first(x, w), g, b))
check("group_norm", image, [(4, 2, 1, 1), (4,), (4,)], lambda x, w, g, b: F.group_norm(first(x, w), 2, g, b))
check("instance_norm", image, [W1, (3,), (3,)], lambda x, w, g, b: F.instance_norm(first(x, w), weight=g, bias=b))
check(
    "layer_norm", image, [W1, (3,), (3,)],
    lambda x, w, g, b: F.layer_norm(first(x, w).permute(0, 2, 3, 1), (3,), g, b).permute(0, 3, 1, 2))
check("lrn", image, [(5, 2, 1, 1)], lambda x, w: F.local_response_norm(first(x, w), 3, 0.3, 0.75, 2))
check("prelu", image, [W1, (3,)], lambda x, w, a: F.prelu(first(x, w), a))
check("max_pool", image, [W1], lambda x, w: F.max_pool2d(first(x, w), 3, 2, 1))
check("min_pool", image, [W1], lambda x, w: -F.max_pool2d(-first(x, w), 2, 2, ceil_mode=True))
check("avg_pool", image, [W1], lambda x, w: F.avg_pool2d(first(x, w), 3, 2, 1, True, True))
check("avg_pool same", image, [W1], lambda x, w: F.avg_pool2d(first(x, w), 3, 1, 1, count_include_pad=False))
check("adaptive", image, [W1], lambda x, w: F.adaptive_avg_pool2d(first(x, w), (4, 2)))
check("global average", image, [W1], lambda x, w: first(x, w).mean((2, 3)))
check("global largest", image, [W1], lambda x, w: first(x, w).amax((2, 3)))
check("zero_pad", image, [W1], lambda x, w: F.pad(first(x, w), (-1, 2, 1, 0)))
check("nearest", image, [W1], lambda x, w: F.interpolate(first(x, w), scale_factor=2, mode="nearest"))
check("bilinear", image, [W1], lambda x, w: F.interpolate(first(x, w), scale_factor=1.5, mode="bilinear", recompute_scale_factor=True))
check("bilinear aligned", image, [W1], lambda x, w: F.interpolate(first(x, w), size=(4, 9), mode="bilinear", align_corners=True))
check("pixel shuffle", image, [(8, 2, 1, 1)], lambda x, w: F.pixel_shuffle(first(x, w), 2))
check("residual", image, [(2, 2, 3, 3), (2,)], lambda x, w, b: F.relu(F.conv2d(x, w, b, padding=1) + x))

norm = torch.nn.BatchNorm2d(2)
x = wave(2 * 60, 0.5).reshape(2, *image)
norm(x)
norm.eval()
print("after one step", norm.running_mean.tolist(), norm.running_var.tolist(), projection(norm(x)))
