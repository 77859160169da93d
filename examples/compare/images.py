"""Trains each image example with gradc and the same network with PyTorch, on the same images, and prints a table of test accuracies.

    python images.py --data FOLDER [--gradc PATH] [--seeds N] [EXAMPLE...]

FOLDER holds the files of MNIST and CIFAR-10 under their usual names, together or in folders `mnist` and `cifar10`; an example whose files
are missing is left out. Split, preprocessing, batches, optimizer, schedule and the return to the best weights are those of the recipes;
random shifts, flips and crops follow the same distributions. PyTorch runs twice: with first weights drawn as gradc draws them
(xavier_uniform, biases 0), and with its own. Needs numpy, pandas, scikit-learn and PyTorch.
"""

import argparse
import copy
import gzip
import math
import pathlib
import re
import subprocess
import tempfile

import numpy
import torch
from compare import EXAMPLES, split_rows
from torch import nn
from torch.nn import functional


# ---- Data -------------------------------------------------------------------------------------------------------------------------


def idx(path):
    bytes_ = gzip.open(path).read()
    rank = bytes_[3]
    dims = numpy.frombuffer(bytes_, ">i4", rank, 4)
    return numpy.frombuffer(bytes_, numpy.uint8, offset=4 + 4 * rank).reshape(dims)


def mnist(folder):
    train = idx(folder / "train-images-idx3-ubyte.gz"), idx(folder / "train-labels-idx1-ubyte.gz")
    test = idx(folder / "t10k-images-idx3-ubyte.gz"), idx(folder / "t10k-labels-idx1-ubyte.gz")
    return [(images[:, None], labels) for images, labels in (train, test)]


def records(paths):
    rows = numpy.concatenate([numpy.fromfile(path, numpy.uint8).reshape(-1, 3073) for path in paths])
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0]


def cifar10(folder):
    return [records(sorted(folder.glob(f"{part}_batch*.bin"))) for part in ("data", "test")]


def digits(folder):
    table = numpy.loadtxt(EXAMPLES / "digits/digits.csv", delimiter=",", skiprows=1)
    return table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(int)


def prepared(example, folder):
    """Images and labels for training, validation and test, as floats."""
    if example.shares[2]:
        images, labels = example.load(folder)
        parts = split_rows(len(labels), example.shares, labels)
        low, high = images[parts[0]].min(axis=0), images[parts[0]].max(axis=0)
        images = (images - low) / numpy.where(high > low, high - low, 1)
        sets = [(images[rows], labels[rows]) for rows in parts]
    else:
        (images, labels), test = example.load(folder)
        parts = split_rows(len(labels), example.shares, labels)
        sets = [(images[rows] / 255, labels[rows]) for rows in parts[:2]] + [(test[0] / 255, test[1])]
    return [(torch.tensor(images, dtype=torch.float32), torch.tensor(labels.astype(numpy.int64))) for images, labels in sets]


# ---- The examples -----------------------------------------------------------------------------------------------------------------


class Example:
    shares, batch, rate, patience = (0.9, 0.1, 0), 64, 0.001, None
    standardized, pad, flips, cosine, optimizer = False, 0, False, False, "adam"


class DigitsCNN(Example):
    file, load, needs = "digits/digits_cnn.gradc", staticmethod(digits), None
    shares, batch, epochs, patience = (0.7, 0.15, 0.15), 32, 60, 10

    def network(self):
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(0.25), nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 10),
        )  # fmt: skip


class MNIST(Example):
    file, load, needs = "mnist/mnist.gradc", staticmethod(mnist), "train-images-idx3-ubyte.gz"
    batch, epochs = 128, 10

    def network(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))


class LeNet5(Example):
    file, load, needs = "mnist/lenet5.gradc", staticmethod(mnist), "train-images-idx3-ubyte.gz"
    epochs, standardized, pad, cosine = 12, True, 2, True

    def network(self):
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip


class CIFAR10(Example):
    file, load, needs = "cifar10/cifar10.gradc", staticmethod(cifar10), "data_batch*.bin"
    epochs = 10

    def network(self):
        return nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(2304, 10),
        )  # fmt: skip


EXAMPLE_LIST = {"digits_cnn": DigitsCNN(), "mnist": MNIST(), "lenet5": LeNet5(), "cifar10": CIFAR10()}


# ---- PyTorch ----------------------------------------------------------------------------------------------------------------------


def moved(images, pad, flips):
    """Each image moved by -pad ... pad pixels both ways, zeros beyond the edge; half of them mirrored."""
    if pad:
        count, _, height, width = images.shape
        padded = functional.pad(images, (pad,) * 4)
        down, right = torch.randint(0, 2 * pad + 1, (2, count))
        rows, columns = down[:, None] + torch.arange(height), right[:, None] + torch.arange(width)
        images = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if flips:
        mirrored = torch.rand(len(images)) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images


def start_like_gradc(network):
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def outputs_of(network, images):
    with torch.no_grad():
        return torch.cat([network(rows) for rows in images.split(500)])


def train_with_pytorch(example, sets, seed, like_gradc):
    torch.manual_seed(seed)
    network = example.network()
    if like_gradc:
        start_like_gradc(network)
    mean, deviation = torch.zeros(1), torch.ones(1)
    if example.standardized:
        mean, deviation = (value[None, :, None, None] for value in (sets[0][0].mean((0, 2, 3)), sets[0][0].std((0, 2, 3), correction=0)))
    (images, labels), validation, test = sets
    validation, test = ([(part[0] - mean) / deviation, part[1]] for part in (validation, test))
    optimizer = torch.optim.Adam(network.parameters(), lr=example.rate)
    best, best_state, waited = numpy.inf, None, 0
    for epoch in range(example.epochs):
        if example.cosine:
            optimizer.param_groups[0]["lr"] = example.rate * (1 + math.cos(math.pi * epoch / example.epochs)) / 2
        network.train()
        for rows in torch.randperm(len(images)).split(example.batch):
            batch = (moved(images[rows], example.pad, example.flips) - mean) / deviation
            loss = functional.cross_entropy(network(batch), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        value = functional.cross_entropy(outputs_of(network, validation[0]), validation[1]).item()
        waited += 1
        if value < best:
            best, best_state, waited = value, copy.deepcopy(network.state_dict()), 0
        if example.patience and waited >= example.patience:
            break
    network.load_state_dict(best_state)
    return (outputs_of(network, test[0]).argmax(1) == test[1]).double().mean().item()


# ---- gradc ------------------------------------------------------------------------------------------------------------------------


def train_with_gradc(gradc, example, path, seed):
    with tempfile.TemporaryDirectory() as folder:
        command = [gradc, "train", str(EXAMPLES / example.file), "--seed", str(seed), "--quiet", "--report", "none"]
        command += ["--data", str(path.resolve())] if example.needs else []
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("test ("))
    return float(re.search(r"accuracy ([\d.]+)", line)[1])


# ---- The table --------------------------------------------------------------------------------------------------------------------


def folder_of(example, data):
    if not example.needs:
        return data
    folders = [data, data / "mnist", data / "cifar10"]
    return next((folder for folder in folders if any(folder.glob(example.needs))), None)


def cell(values):
    return f"{numpy.mean(values):.4f}" + (f" ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else "")


def main():
    parser = argparse.ArgumentParser(description="gradc and PyTorch on the same images")
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(EXAMPLE_LIST)}; default: all")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("."), help="the folder of MNIST and CIFAR-10")
    parser.add_argument("--gradc", default="gradc", help="the gradc to run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without-gradc", action="store_true", help="PyTorch alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| example | gradc | PyTorch, same first weights | PyTorch, its own |\n|---|---|---|---|", flush=True)
    for name in options.examples or EXAMPLE_LIST:
        example = EXAMPLE_LIST[name]
        folder = folder_of(example, options.data)
        if folder is None:
            print(f"| {name} | no {example.needs} in {options.data} | | |")
            continue
        sets, seeds = prepared(example, folder), range(options.seeds)
        runs = "not run" if options.without_gradc else cell([train_with_gradc(options.gradc, example, folder, seed) for seed in seeds])
        cells = [cell([train_with_pytorch(example, sets, seed, like) for seed in seeds]) for like in (True, False)]
        print(f"| {name} | {runs} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
