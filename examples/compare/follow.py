"""Follows a training of gradc in PyTorch, step by step, from the same first weights, with the same rows in the same order.

    python follow.py --data FOLDER [--gradc PATH] [--epochs N] [EXAMPLE...]

Both sides compute in f64. Prints the largest difference of the validation loss over all epochs. Dropout is taken out, as its masks
differ; batch normalisation, the L2 penalty and the schedule stay. Needs what compare.py needs.
"""

import argparse
import csv
import json
import pathlib
import struct
import subprocess
import tempfile

import numpy
import torch
from torch import nn

import compare

SEED = 3


def read_weights(path):
    """The tensors of a safetensors file in f64."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        tensors[name] = numpy.frombuffer(content[8 + size + begin : 8 + size + end], "<f8").reshape(tensor["shape"])
    return tensors


def train_with_gradc(gradc, name, table, epochs, folder):
    """First weights, and the validation loss of each epoch."""
    model = pathlib.Path(folder) / f"{name}.gradc"
    model.write_text((compare.EXAMPLES / name / model.name).read_text().replace(" |> dropout(0.2)", ""))
    command = [gradc, "train", model.name, "--data", str(table), "--seed", str(SEED), "--precision", "f64", "--quiet"]
    command += ["--early-stopping", "no", "--report", "none"]
    for more in (["--epochs", "0", "--save", "first.safetensors"], ["--epochs", str(epochs), "--log", "log.csv"]):
        subprocess.run(command + more, cwd=folder, capture_output=True, check=True)
    with open(pathlib.Path(folder) / "log.csv", newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    return read_weights(pathlib.Path(folder) / "first.safetensors"), losses


def network_of(example, weights):
    network = example.network()
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for index, layer in enumerate(layers, 1):
        layer.weight.data = torch.tensor(weights[f"dense{index}.weight"].T.copy())
        layer.bias.data = torch.tensor(weights[f"dense{index}.bias"].copy())
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    return network


def follow(example, data, weights, epochs):
    """The validation loss of each epoch."""
    features, target, parts = data
    kind = torch.int64 if example.metrics == ("accuracy",) else torch.float64
    inputs = [torch.tensor(features[rows]) for rows in parts]
    targets = [torch.tensor(target[rows], dtype=kind) for rows in parts]
    network = network_of(example, weights)
    optimizer = torch.optim.Adam(network.parameters(), lr=example.rate)
    schedule = example.schedule(optimizer) if hasattr(example, "schedule") else None
    for epoch in range(epochs):
        network.train()
        for rows in torch.tensor(compare.shuffled(len(parts[0]), SEED, epoch)).split(example.batch):
            loss = compare.loss_of(example, network(inputs[0][rows]), targets[0][rows])
            if example.penalty:
                loss = loss + sum(example.penalty / 2 * (weight**2).sum() for weight in example.penalized(network))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            value = compare.loss_of(example, network(inputs[1]), targets[1]).item()
        if schedule:
            schedule.step(value)
        yield value


def main():
    parser = argparse.ArgumentParser(description="one training in gradc and in PyTorch, step by step")
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(compare.EXAMPLE_NAMES)}; default: all")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("."), help="the folder of the tables that do not ship")
    parser.add_argument("--gradc", default="gradc", help="the gradc to run")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for name in options.examples or compare.EXAMPLE_NAMES:
        example = compare.EXAMPLE_NAMES[name]
        table = (options.data / example.table).resolve()
        if not table.exists():
            print(f"{name}: no {table.name} in {options.data}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            weights, losses = train_with_gradc(options.gradc, name, table, options.epochs, folder)
        theirs = list(follow(example, example.load(table), weights, options.epochs))
        worst = max(abs(a - b) for a, b in zip(losses, theirs, strict=True))
        print(f"{name}: val_loss {losses[0]:.6f} to {losses[-1]:.6f} in {options.epochs} epochs, largest difference {worst:.1e}", flush=True)


if __name__ == "__main__":
    main()
