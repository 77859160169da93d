"""Reference values for RecurrentNetworkTests.swift: recurrent networks by PyTorch, 20 steps of Adam each in float64, and the errors of first
steps in float32.

Run with PyTorch 2.15: python recurrent.py. Writes recurrent.safetensors beside itself, with for each network NAME
  NAME.losses              the loss of each step
  NAME.PARAMETER           the first step's gradient
  NAME.float32_loss        errors in float32 on 20 batches, each for the first weights: root mean square of the loss's, relative
  NAME.float32_gradient    and the median of the norm of the error of all gradients, relative to their norm
Parameters are gradc's: weights transposed, one bias, which is PyTorch's bias_ih while its bias_hh is zero but for the third gate of a GRU.
"""
import json
import pathlib
import struct

import numpy
import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
STEPS, FEATURES, UNITS, CLASSES, ROWS = 6, 3, 4, 3, [5, 5, 5, 2]
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


def uniform(shape, seed):
    """-1 to 1, in float64."""
    mask = numpy.uint64(0xFFFFFFFF)
    count = int(numpy.prod(shape))
    h = (numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(2654435761) + numpy.uint64(seed * 40503)) & mask
    h ^= h >> numpy.uint64(15)
    h = (h * numpy.uint64(2246822519)) & mask
    h ^= h >> numpy.uint64(13)
    return torch.from_numpy((h.astype(numpy.float64) + 0.5) / 2**31 - 1).reshape(tuple(shape))


class Network:
    """One recurrent layer, then dense(3) and a cross-entropy. `result` is what the layer returns: last, sequences or state."""

    def __init__(self, kind, result="last", layers=1, bidirectional=False, reversed=False, activation="tanh", state=False, mask=False):
        self.kind, self.result, self.layers, self.bidirectional = kind, result, layers, bidirectional
        self.reversed, self.state, self.mask = reversed, state, mask
        make = {"lstm": nn.LSTM, "gru": nn.GRU, "simple_rnn": nn.RNN}[kind]
        more = {"nonlinearity": activation} if kind == "simple_rnn" else {}
        self.net = make(FEATURES, UNITS, layers, batch_first=True, bidirectional=bidirectional, **more).double()
        self.directions = ["forward", "backward"] if bidirectional else [""]
        self.states = (2 if kind == "lstm" else 1) * len(self.directions)

    def walks(self):
        """The path of each walk, PyTorch's suffix, and the size of what it reads."""
        for layer in range(self.layers):
            for direction in self.directions:
                path = [self.kind + "1"] + ([f"layer{layer + 1}"] if self.layers > 1 else []) + ([direction] if direction else [])
                size = FEATURES if layer == 0 else UNITS * len(self.directions)
                yield ".".join(path), f"_l{layer}" + ("_reverse" if direction == "backward" else ""), size

    def parameters(self):
        """gradc's parameters by name, uniform in half of -1 ... 1, seeded by their places in the sorted list."""
        shapes = {}
        for path, _, size in self.walks():
            width = GATES[self.kind] * UNITS
            shapes[path + ".input_weight"], shapes[path + ".state_weight"] = (size, width), (UNITS, width)
            shapes[path + ".bias"] = (width,)
            if self.kind == "gru":
                shapes[path + ".state_bias"] = (UNITS,)
        count = len(self.directions) * UNITS
        if self.result == "sequences":
            count *= STEPS
        if self.result == "state":
            count = self.states * UNITS
        shapes["dense1.weight"], shapes["dense1.bias"] = (count, CLASSES), (CLASSES,)
        return {name: uniform(shapes[name], seed) / 2 for seed, name in enumerate(sorted(shapes))}

    def loss(self, parameters, rows, step):
        dtype = parameters["dense1.bias"].dtype
        own = {}
        for path, suffix, _ in self.walks():
            own["weight_ih" + suffix] = parameters[path + ".input_weight"].T
            own["weight_hh" + suffix] = parameters[path + ".state_weight"].T
            bias = parameters[path + ".bias"]
            own["bias_ih" + suffix] = bias
            rest = torch.zeros_like(bias)
            own["bias_hh" + suffix] = torch.cat([rest[:-UNITS], parameters[path + ".state_bias"]]) if self.kind == "gru" else rest
        x = uniform((rows, STEPS, FEATURES), 1000 + step).to(dtype)
        if self.reversed:
            x = x.flip(1)
        given = None
        if self.state:
            # A walk's output, then its cell.
            parts = uniform((rows, self.states * UNITS), 2000 + step).to(dtype).split(UNITS, 1)
            parts = [torch.stack(parts[k::2] if self.kind == "lstm" else parts) for k in range(2 if self.kind == "lstm" else 1)]
            given = tuple(parts) if self.kind == "lstm" else parts[0]
        if self.mask:
            lengths = torch.tensor([1 + (row + step) % STEPS for row in range(rows)])
            x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = torch.func.functional_call(self.net, own, (x, given))
        last = last if self.kind == "lstm" else (last,)
        # States of the last layer: [states, directions, rows, units].
        last = torch.stack([s[-len(self.directions):] for s in last])
        if self.result == "sequences":
            if self.mask:
                raise ValueError("PyTorch's padded outputs are zeros")
            value = (y.flip(1) if self.reversed else y).flatten(1)
        elif self.result == "state":
            value = last.permute(2, 1, 0, 3).flatten(1)
        else:
            value = last[0].permute(1, 0, 2).flatten(1)
        logits = value @ parameters["dense1.weight"] + parameters["dense1.bias"]
        labels = (3 * torch.arange(rows) + step) % CLASSES
        return functional.cross_entropy(logits, labels)


NETWORKS = {
    "lstm": Network("lstm"), "gru": Network("gru"), "simple_rnn": Network("simple_rnn"),
    "relu_rnn": Network("simple_rnn", activation="relu", result="sequences"),
    "lstm_both": Network("lstm", bidirectional=True), "gru_both": Network("gru", bidirectional=True, result="sequences"),
    "lstm_two": Network("lstm", layers=2), "gru_two_both": Network("gru", layers=2, bidirectional=True),
    "lstm_reversed": Network("lstm", reversed=True, result="sequences"), "gru_reversed": Network("gru", reversed=True),
    "lstm_state": Network("lstm", state=True, result="state"), "gru_both_state": Network("gru", state=True, bidirectional=True, result="state"),
    "lstm_both_state": Network("lstm", state=True, bidirectional=True, result="state"),
    "lstm_mask": Network("lstm", mask=True), "gru_mask": Network("gru", mask=True), "rnn_mask": Network("simple_rnn", mask=True, state=True),
    "lstm_mask_both": Network("lstm", mask=True, bidirectional=True, result="state"),
}


def leaves(network, dtype):
    return {name: value.to(dtype).requires_grad_() for name, value in network.parameters().items()}


def train(network, steps):
    parameters = leaves(network, torch.float64)
    rule = torch.optim.Adam(parameters.values(), lr=0.01)
    losses = []
    for step in range(steps):
        rule.zero_grad()
        loss = network.loss(parameters, ROWS[step % 4], step)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            first = {name: value.grad.clone().numpy() for name, value in parameters.items()}
        rule.step()
    return numpy.array(losses), first


def errors_in_single(network, batches):
    errors = []
    for batch in range(batches):
        found = []
        for dtype in (torch.float64, torch.float32):
            parameters = leaves(network, dtype)
            loss = network.loss(parameters, ROWS[0], batch)
            loss.backward()
            found.append((loss.item(), numpy.concatenate([v.grad.double().numpy().ravel() for v in parameters.values()])))
        (loss, whole), (single, other) = found
        errors.append((abs(single - loss) / loss, numpy.linalg.norm(other - whole) / numpy.linalg.norm(whole)))
    return numpy.array(errors).T


def main():
    tensors = {}
    for name, network in NETWORKS.items():
        losses, first = train(network, 20)
        tensors[name + ".losses"] = losses
        for path, gradient in first.items():
            tensors[f"{name}.{path}"] = gradient.ravel()
        losses_off, gradients_off = errors_in_single(network, 20)
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
    (pathlib.Path(__file__).parent / "recurrent.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
