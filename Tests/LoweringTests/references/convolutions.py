"""Reference values for ConvolutionTests.swift: convolutions and their gradients by PyTorch in float64.

Run with PyTorch 2.15: python convolutions.py. Writes beside itself
  convolutions.txt   one line a case, columns as in its first line; sizes of axes are joined by x, - stands for nothing
  convolutions.i16   little-endian 16-bit integers, case after case: y, dx, dw of all rows, then dw of the first row alone
All operands are small integers made by `numbers` below, so results are integers too and exact. Where `block` is more than 1 a tensor is not
stored itself but, for each `block` consecutive elements, their sum with the signs of `signs` below.

Every combination of stride 1 to 3, dilation 1 and 2, groups 1, 2 and channels, padding none, one, same and asymmetric, and kernels of
1, 3, 5 (in two dimensions also 3x2) is there, over odd and even sizes that take turns; then shapes with more channels.
"""
import itertools
import pathlib

import numpy
import torch
from torch.nn import functional

HERE = pathlib.Path(__file__).parent
torch.set_num_threads(1)


def hashed(count, seed):
    """32 pseudo-random bits for each position."""
    mask = numpy.uint64(0xFFFFFFFF)
    h = (numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(2654435761) + numpy.uint64(seed * 40503)) & mask
    h ^= h >> numpy.uint64(15)
    h = (h * numpy.uint64(2246822519)) & mask
    return h ^ (h >> numpy.uint64(13))


def numbers(shape, seed):
    """-4 to 4."""
    count = int(numpy.prod(shape))
    return torch.from_numpy((hashed(count, seed) % numpy.uint64(9)).astype(numpy.float64) - 4).reshape(shape)


def signs(count):
    return 1 - 2 * (hashed(count, 99) & numpy.uint64(1)).astype(numpy.int64)


def extent(kernel, dilation):
    return [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]


def same(size, kernel, stride, dilation):
    """As many outputs as size / stride, rounded up; what is odd goes after."""
    total = [max((-(-n // s) - 1) * s + e - n, 0) for n, s, e in zip(size, stride, extent(kernel, dilation))]
    return [t // 2 for t in total], [t - t // 2 for t in total]


def paddings(rank, size, kernel, stride, dilation):
    yield [0] * rank, [0] * rank
    yield [1] * rank, [1] * rank
    yield same(size, kernel, stride, dilation)
    yield [0, 1][:rank] if rank > 1 else [2], [2, 0][:rank] if rank > 1 else [1]


class Case:
    def __init__(self, kind, rows, maximum, channels, size, filters, kernel, stride, dilation, before, after, groups, extra=None, block=1):
        rank = len(size)
        spread = lambda v: [v] * rank if isinstance(v, int) else list(v)  # noqa: E731
        self.kind, self.rows, self.maximum, self.channels, self.size, self.filters = kind, rows, maximum, channels, list(size), filters
        self.kernel, self.stride, self.dilation = spread(kernel), spread(stride), spread(dilation)
        self.before, self.after, self.groups, self.block = spread(before), spread(after), groups, block
        self.extra = spread(extra or 0)

    def forward(self, x, w):
        rank = len(self.size)
        if self.kind.startswith("conv_transpose"):
            whole = (functional.conv_transpose1d if rank == 1 else functional.conv_transpose2d)(
                x, w, stride=self.stride, output_padding=0, groups=self.groups, dilation=self.dilation)
            # Output padding makes the result larger at the end, padding smaller on both sides.
            whole = functional.pad(whole, [p for e in reversed(self.extra) for p in (0, e)])
            for axis, (before, after) in enumerate(zip(self.before, self.after)):
                whole = whole.narrow(2 + axis, before, whole.shape[2 + axis] - before - after)
            return whole
        padded = functional.pad(x, [p for b, a in zip(reversed(self.before), reversed(self.after)) for p in (b, a)])
        return (functional.conv1d if rank == 1 else functional.conv2d)(
            padded, w, stride=self.stride, dilation=self.dilation, groups=self.groups)

    def results(self):
        x = numbers((self.rows, self.channels, *self.size), 1).requires_grad_()
        inner = (self.channels, self.filters // self.groups) if "transpose" in self.kind else (self.filters, self.channels // self.groups)
        w = numbers((*inner, *self.kernel), 2).requires_grad_()
        y = self.forward(x, w)
        dy = numbers(y.shape, 3)
        dx, dw = torch.autograd.grad(y, [x, w], dy)
        (first,) = torch.autograd.grad(self.forward(x[:1].detach(), w), [w], dy[:1])
        return [self.reduced(t) for t in (y, dx, dw, first)]

    def reduced(self, tensor):
        values = tensor.detach().numpy().reshape(-1)
        whole = values.round().astype(numpy.int64)
        assert (whole == values).all()
        if self.block > 1:
            whole = whole * signs(len(whole))
            whole = numpy.add.reduceat(whole, numpy.arange(0, len(whole), self.block))
        assert abs(whole).max(initial=0) < 2**15, (self.line(), abs(whole).max())
        return whole.astype("<i2")

    def line(self):
        join = lambda v: "x".join(map(str, v))  # noqa: E731
        return " ".join(map(str, (
            self.kind, self.rows, self.maximum, self.channels, join(self.size), self.filters, join(self.kernel), join(self.stride),
            join(self.dilation), join(self.before), join(self.after), self.groups, join(self.extra), self.block)))


COLUMNS = "kind rows maximum channels size filters kernel stride dilation before after groups extra block"


def combinations(kind, kernels, sizes, large):
    """The whole product; channels, filters and sizes take turns."""
    rank = len(sizes[0])
    turn = 0
    for stride, dilation, grouping, padding in itertools.product((1, 2, 3), (1, 2), ("one", "two", "all"), range(4)):
        for kernel in kernels:
            channels, filters, groups = {
                "one": [(4, 3, 1), (3, 5, 1)], "two": [(4, 6, 2), (6, 4, 2)], "all": [(4, 4, 4), (3, 6, 3)]}[grouping][turn % 2]
            size = sizes[(turn // 2) % len(sizes)]
            fits = all(e <= n for e, n in zip(extent(kernel, [dilation] * rank), size))
            size = size if fits else large
            before, after = list(paddings(rank, size, kernel, [stride] * rank, [dilation] * rank))[padding]
            yield Case(kind, 2, 3, channels, size, filters, kernel, stride, dilation, before, after, groups)
            turn += 1


def transposed():
    turn = 0
    for stride, dilation, grouping, padding in itertools.product((1, 2, 3), (1, 2), ("one", "two", "all"), range(3)):
        kernel = [(3, 3), (2, 2), (4, 4), (3, 2)][turn % 4]
        channels, filters, groups = {
            "one": [(4, 3, 1), (3, 5, 1)], "two": [(4, 6, 2), (6, 4, 2)], "all": [(4, 4, 4), (3, 6, 3)]}[grouping][turn % 2]
        before, after = [([0, 0], [0, 0]), ([1, 1], [1, 1]), ([0, 1], [1, 0])][padding]
        extra = [0, 0] if turn % 3 else [min(1, max(stride, dilation) - 1)] * 2
        yield Case("conv_transpose2d", 2, 3, channels, [(3, 4), (4, 3)][turn % 2], filters, kernel, stride, dilation, before, after, groups,
                   extra)
        turn += 1


def uneven():
    """Strides and dilations that differ between the axes, and one row of pixels."""
    yield Case("conv2d", 2, 3, 4, (7, 6), 4, (3, 2), (2, 1), (1, 2), (1, 0), (0, 2), 2)
    yield Case("conv2d", 2, 3, 3, (6, 9), 4, (2, 4), (1, 3), (3, 1), (0, 2), (1, 1), 1)
    yield Case("conv2d", 2, 3, 5, (1, 9), 5, (1, 3), (1, 2), 1, (0, 1), (0, 1), 5)
    yield Case("conv2d", 2, 3, 3, (4, 4), 2, (4, 4), 1, 1, 0, 0, 1)
    yield Case("conv2d", 2, 3, 2, (3, 3), 3, (3, 3), 1, 1, 3, 3, 1)
    yield Case("conv_transpose2d", 2, 3, 4, (3, 2), 4, (3, 4), (1, 2), (2, 1), (1, 0), (0, 1), 2, (0, 1))


def wide():
    """What the algorithms of larger networks are chosen for."""
    def square(kind, rows, maximum, channels, size, filters, kernel, stride=1, dilation=1, padding=0, groups=1, extra=None):
        return Case(kind, rows, maximum, channels, size, filters, kernel, stride, dilation, padding, padding, groups, extra, 16)
    for rows, maximum, channels, size, filters, padding in (
            (2, 3, 16, (8, 8), 16, 1), (7, 8, 32, (8, 8), 32, 1), (7, 8, 17, (7, 9), 33, 1), (2, 3, 64, (6, 6), 64, 1),
            (7, 8, 64, (4, 4), 32, 1), (2, 3, 24, (9, 8), 16, 0), (2, 3, 16, (5, 11), 48, 2), (2, 3, 40, (13, 10), 20, 1),
            (2, 3, 128, (5, 5), 96, 1), (7, 8, 3, (16, 16), 32, 1), (2, 3, 1, (14, 14), 6, 0), (2, 3, 32, (12, 12), 4, 1)):
        yield square("conv2d", rows, maximum, channels, size, filters, 3, padding=padding)
    yield Case("conv2d", 2, 3, 16, (8, 7), 16, 3, 1, 1, (0, 2), (1, 0), 1, None, 16)
    yield square("conv2d", 7, 8, 16, (9, 9), 32, 3, stride=2, padding=1)
    yield square("conv2d", 2, 3, 3, (15, 17), 32, 3, stride=2, padding=1)
    yield square("conv2d", 2, 3, 3, (19, 17), 16, 7, stride=2, padding=3)
    yield square("conv2d", 7, 8, 8, (12, 11), 16, 5, padding=2)
    yield square("conv2d", 2, 3, 6, (14, 14), 16, 5)
    yield square("conv2d", 2, 3, 32, (10, 9), 16, 3, dilation=2, padding=2)
    yield square("conv2d", 2, 3, 32, (8, 8), 32, 3, padding=1, groups=2)
    yield square("conv2d", 2, 3, 32, (7, 6), 48, 3, stride=3, padding=1, groups=4)
    for kernel, stride, padding in ((3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 2, 2), (3, 3, 0)):
        yield square("conv2d", 2, 3, 32, (9, 10), 32, kernel, stride, 1, padding, 32)
    yield square("conv2d", 7, 8, 20, (7, 7), 40, 3, 1, 2, 2, 20)
    for rows, maximum, channels, size, filters, stride in (
            (2, 3, 24, (7, 5), 40, 1), (7, 8, 64, (4, 4), 32, 1), (2, 3, 32, (8, 8), 64, 2), (2, 3, 96, (7, 7), 24, 1), (2, 3, 3, (8, 9), 5, 3)):
        yield square("conv2d", rows, maximum, channels, size, filters, 1, stride)
    yield square("conv2d", 2, 3, 200, (3, 3), 10, 3, padding=1)
    yield square("conv1d", 2, 3, 32, (40,), 32, 3, padding=1)
    yield square("conv1d", 7, 8, 16, (33,), 24, 5, stride=2, padding=2)
    yield square("conv1d", 2, 3, 24, (31,), 24, 7, dilation=2, padding=6, groups=24)
    yield square("conv_transpose2d", 2, 3, 16, (5, 6), 16, 4, stride=2, padding=1)
    yield square("conv_transpose2d", 7, 8, 32, (4, 4), 16, 3, stride=2, padding=1, extra=1)
    yield square("conv_transpose2d", 2, 3, 16, (7, 7), 32, 3, padding=1)
    yield square("conv_transpose2d", 2, 3, 24, (4, 5), 16, 2, stride=2)


def main():
    cases = [*combinations("conv2d", [(1, 1), (3, 3), (5, 5), (3, 2)], [(5, 7), (6, 5), (7, 6)], (11, 9)),
             *combinations("conv1d", [(1,), (3,), (5,)], [(7,), (10,), (9,)], (11,)), *transposed(), *uneven(), *wide()]
    with open(HERE / "convolutions.txt", "w") as table, open(HERE / "convolutions.i16", "wb") as values:
        table.write(COLUMNS + "\n")
        for case in cases:
            table.write(case.line() + "\n")
            for result in case.results():
                values.write(result.tobytes())


if __name__ == "__main__":
    main()
