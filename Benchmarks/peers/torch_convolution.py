"""PyTorch: one convolution and its gradients, as torch_convolution.py FILE STRIDE,PADDING,DILATION,GROUPS THREADS channels_first|channels_last."""
import os
import sys

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = sys.argv[3]
from protocol import converse, workloads  # noqa: E402

import torch  # noqa: E402

torch.set_num_threads(int(sys.argv[3]))
STRIDE, PADDING, DILATION, GROUPS = map(int, sys.argv[2].split(","))
LAST = sys.argv[4] == "channels_last"


def tensor(array):
    """Always [N, C, H, W] by its axes; how it lies in memory is another matter."""
    made = torch.from_numpy(array.copy())
    return made.to(memory_format=torch.channels_last) if LAST else made


X, W, DY = (tensor(workloads.read_safetensors(sys.argv[1])[name]) for name in ("x", "w", "dy"))
X.requires_grad_()
W.requires_grad_()


def steps(count):
    for _ in range(count):
        y = torch.nn.functional.conv2d(X, W, None, STRIDE, PADDING, DILATION, GROUPS)
        gradients = torch.autograd.grad(y, [X, W], DY)
    values = [y.detach(), *gradients]
    total = sum((value.double() ** 2).sum().item() for value in values)
    return lambda: (total / sum(value.numel() for value in values)) ** 0.5


converse(steps)
