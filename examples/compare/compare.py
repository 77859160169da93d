"""Trains each example with gradc and the same network with PyTorch, on the same rows, and prints a table of test figures.

    python compare.py --data FOLDER [--gradc PATH] [--seeds N] [EXAMPLE...]

FOLDER holds heart.csv, Churn_Modelling.csv and winequality-red.csv; an example whose table is missing is left out. The split, the
preprocessing, the batches, the optimizer, early stopping and the return to the best weights are those of the recipes. PyTorch runs
twice: with first weights drawn as gradc draws them (xavier_uniform, biases 0), and with its own. Seeds change first weights, dropout
and the order of the rows, not the split. Needs numpy, pandas, scikit-learn and PyTorch.
"""

import argparse
import copy
import itertools
import pathlib
import re
import subprocess
import tempfile

import numpy
import pandas
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent
MASK = (1 << 64) - 1


# ---- The split: the algorithm of Runtime/split.c ----------------------------------------------------------------------------------


def random_number(key, counter):
    """The number at `counter` of the stream `key` (SplitMix64)."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def shuffled(count, seed, epoch=0):
    key = random_number(random_number(seed, 0x73687566666C65), epoch)
    numbers = (random_number(key, counter) >> 32 for counter in itertools.count())
    rows = list(range(count))
    for bound in range(count, 1, -1):
        while True:
            product = next(numbers) * bound
            if product & 0xFFFFFFFF >= 2**32 % bound:
                break
        other = product >> 32
        rows[bound - 1], rows[other] = rows[other], rows[bound - 1]
    return rows


def whole_and_rest(count, share):
    exact = count * share
    whole = int(numpy.floor(exact + 1e-9))
    return whole, exact - whole


def part_sizes(count, shares):
    sizes, rests = map(list, zip(*(whole_and_rest(count, share) for share in shares)))
    while sum(sizes) < count:
        part = rests.index(max(rests))
        sizes[part] += 1
        rests[part] -= 1
    return sizes


def split_rows(count, shares, labels=None, seed=42):
    """Rows for training, validation and test, each ascending. With labels each class is divided in the same proportion."""
    labels = [0] * count if labels is None else list(labels)
    class_counts = numpy.bincount(labels).tolist()
    room = part_sizes(count, shares)
    plan, rests = [], []
    for index, class_count in enumerate(class_counts):
        plan.append([0, 0, 0])
        for part, share in enumerate(shares):
            whole, rest = whole_and_rest(class_count, share)
            plan[index][part] = min(whole, room[part])
            room[part] -= plan[index][part]
            rests.append((-rest, index, part))
    rests.sort()
    for at_most in (1, count):
        for _, index, part in rests:
            given = min(class_counts[index] - sum(plan[index]), room[part], at_most)
            plan[index][part] += given
            room[part] -= given
    parts = ([], [], [])
    for row in shuffled(count, random_number(seed, 0x73706C6974)):
        left = plan[labels[row]]
        part = next((part for part in range(2) if left[part]), 2)
        left[part] -= 1
        parts[part].append(row)
    return [numpy.array(sorted(rows)) for rows in parts]


# ---- The examples -----------------------------------------------------------------------------------------------------------------


def standardized(columns, rows):
    values = columns.to_numpy(float)
    deviation = values[rows].std(axis=0)
    return (values - values[rows].mean(axis=0)) / numpy.where(deviation > 0, deviation, 1)


def min_max(columns, rows):
    values = columns.to_numpy(float)
    low, high = values[rows].min(axis=0), values[rows].max(axis=0)
    return (values - low) / numpy.where(high > low, high - low, 1)


def one_hot(table, names, drop_first=False):
    columns = []
    for name in names:
        categories = sorted(table[name].unique())[1 if drop_first else 0 :]
        columns += [(table[name] == category).to_numpy(float) for category in categories]
    return numpy.stack(columns, axis=1)


def dense_chain(widths):
    layers = [nn.Linear(widths[0], widths[1])]
    for units, following in itertools.pairwise(widths[1:]):
        layers += [nn.ReLU(), nn.Linear(units, following)]
    return nn.Sequential(*layers)


class Heart:
    table, metrics, shares = "heart.csv", ("accuracy", "auc"), (0.7, 0.15, 0.15)
    batch, epochs, patience, rate, penalty = 32, 300, 20, 0.001, 0

    def load(self, path):
        table = pandas.read_csv(path)
        target = table["target"].to_numpy()
        parts = split_rows(len(table), self.shares, target)
        numbers = standardized(table[["age", "trestbps", "chol", "thalach", "oldpeak", "slope"]], parts[0])
        return numpy.hstack([numbers, one_hot(table, ["sex", "cp", "fbs", "restecg", "exang", "ca", "thal"])]), target, parts

    def network(self):
        return dense_chain([29, 16, 1])


class Churn:
    table, metrics, shares = "Churn_Modelling.csv", ("accuracy", "auc"), (0.8, 0.1, 0.1)
    batch, epochs, patience, rate, penalty = 32, 100, 10, 0.001, 0

    def load(self, path):
        table = pandas.read_csv(path)
        target = table["Exited"].to_numpy()
        parts = split_rows(len(table), self.shares, target)
        numbers = standardized(table[["CreditScore", "Age", "Tenure", "Balance", "NumOfProducts", "EstimatedSalary"]], parts[0])
        flags = table[["HasCrCard", "IsActiveMember"]].to_numpy(float)
        return numpy.hstack([numbers, flags, one_hot(table, ["Geography", "Gender"], drop_first=True)]), target, parts

    def network(self):
        first, second = (nn.Sequential(nn.Linear(*shape), nn.ReLU(), nn.Dropout(0.2)) for shape in ((11, 64), (64, 32)))
        return nn.Sequential(first, second, nn.Linear(32, 1))


class Wine:
    table, metrics, shares = "winequality-red.csv", ("mae", "r2"), (0.7, 0.15, 0.15)
    batch, epochs, patience, rate, penalty = 64, 200, 20, 0.002, 0.001

    def load(self, path):
        table = pandas.read_csv(path, sep=";")
        target = table.pop("quality").to_numpy(float)
        parts = split_rows(len(table), self.shares)
        return standardized(table, parts[0]), target, parts

    def network(self):
        shapes = ((11, 64), (64, 32))
        first, second = (nn.Sequential(nn.Linear(*shape), nn.BatchNorm1d(shape[1]), nn.ReLU(), nn.Dropout(0.2)) for shape in shapes)
        return nn.Sequential(first, second, nn.Linear(32, 1))

    def penalized(self, network):
        """The dense layers that carry the L2 penalty: all but the last."""
        return [layer.weight for layer in network.modules() if isinstance(layer, nn.Linear)][:-1]

    def schedule(self, optimizer):
        # gradc counts patience as Keras does: the rate falls in the fifth epoch without improvement, PyTorch's in the one after it.
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=4, threshold=1e-4, threshold_mode="abs")


class BreastCancer:
    table, metrics, shares = EXAMPLES / "breast_cancer/breast_cancer.csv", ("accuracy", "auc"), (0.7, 0.15, 0.15)
    batch, epochs, patience, rate, penalty = 32, 100, 10, 0.001, 0

    def load(self, path):
        table = pandas.read_csv(path)
        target = (table.pop("diagnosis") == "malignant").to_numpy(int)
        parts = split_rows(len(table), self.shares, target)
        return standardized(table, parts[0]), target, parts

    def network(self):
        return dense_chain([30, 16, 1])


class Digits:
    table, metrics, shares = EXAMPLES / "digits/digits.csv", ("accuracy",), (0.7, 0.15, 0.15)
    batch, epochs, patience, rate, penalty = 32, 60, 10, 0.001, 0

    def load(self, path):
        table = pandas.read_csv(path)
        target = table.pop("digit").to_numpy()
        parts = split_rows(len(table), self.shares, target)
        return min_max(table, parts[0]), target, parts

    def network(self):
        return dense_chain([64, 64, 32, 10])


EXAMPLE_NAMES = {"heart": Heart(), "churn": Churn(), "wine": Wine(), "breast_cancer": BreastCancer(), "digits": Digits()}


# ---- PyTorch ----------------------------------------------------------------------------------------------------------------------


def start_like_gradc(network):
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def loss_of(example, outputs, targets):
    if outputs.shape[1] > 1:
        return nn.functional.cross_entropy(outputs, targets)
    if example.metrics[0] == "mae":
        return nn.functional.l1_loss(outputs[:, 0], targets)
    return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets)


def figures(example, outputs, targets):
    """The example's metrics of outputs before sigmoid or softmax."""
    outputs, targets = outputs.double().numpy(), targets.numpy()
    if outputs.shape[1] > 1:
        return {"accuracy": (outputs.argmax(axis=1) == targets).mean()}
    values = outputs[:, 0]
    if example.metrics[0] == "mae":
        error = values - targets
        return {"mae": abs(error).mean(), "r2": 1 - (error**2).sum() / ((targets - targets.mean()) ** 2).sum()}
    return {"accuracy": ((values > 0) == targets).mean(), "auc": roc_auc_score(targets, values)}


def train_with_pytorch(example, data, seed, like_gradc):
    features, target, parts = data
    torch.manual_seed(seed)
    inputs = [torch.tensor(features[rows], dtype=torch.float32) for rows in parts]
    is_classes = example.metrics == ("accuracy",)
    targets = [torch.tensor(target[rows], dtype=torch.int64 if is_classes else torch.float32) for rows in parts]
    network = example.network()
    if like_gradc:
        start_like_gradc(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=example.rate)
    schedule = example.schedule(optimizer) if hasattr(example, "schedule") else None
    best, best_state, waited = numpy.inf, None, 0
    for _ in range(example.epochs):
        network.train()
        for rows in torch.randperm(len(inputs[0])).split(example.batch):
            loss = loss_of(example, network(inputs[0][rows]), targets[0][rows])
            if example.penalty:
                loss = loss + sum(example.penalty / 2 * (weight**2).sum() for weight in example.penalized(network))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            value = loss_of(example, network(inputs[1]), targets[1]).item()
        if schedule:
            schedule.step(value)
        waited += 1
        if value < best:
            best, best_state, waited = value, copy.deepcopy(network.state_dict()), 0
        if waited >= example.patience:
            break
    network.load_state_dict(best_state)
    with torch.no_grad():
        return figures(example, network(inputs[2]), targets[2])


# ---- gradc ------------------------------------------------------------------------------------------------------------------------


def train_with_gradc(gradc, name, path, seed):
    with tempfile.TemporaryDirectory() as folder:
        model = EXAMPLES / name / f"{name}.gradc"
        command = [gradc, "train", str(model), "--data", str(path), "--seed", str(seed), "--quiet", "--report", "none"]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("test ("))
    return {key: float(value) for key, value in re.findall(r"(\w+) (-?[\d.]+(?:e-?\d+)?)(?:\s|$)", line.split(")")[1])}


# ---- The table --------------------------------------------------------------------------------------------------------------------


def cell(runs, metric):
    values = [run[metric] for run in runs]
    return f"{numpy.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def main():
    parser = argparse.ArgumentParser(description="gradc and PyTorch on the same rows")
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(EXAMPLE_NAMES)}; default: all")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("."), help="the folder of the tables that do not ship")
    parser.add_argument("--gradc", default="gradc", help="the gradc to run")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| example | test figure | gradc | PyTorch, same first weights | PyTorch, its own |\n|---|---|---|---|---|", flush=True)
    for name in options.examples or EXAMPLE_NAMES:
        example = EXAMPLE_NAMES[name]
        path = (options.data / example.table).resolve()
        if not path.exists():
            print(f"| {name} | no {path.name} in {options.data} | | | |")
            continue
        data, seeds = example.load(path), range(options.seeds)
        columns = [[train_with_gradc(options.gradc, name, path, seed) for seed in seeds]]
        columns += [[train_with_pytorch(example, data, seed, like) for seed in seeds] for like in (True, False)]
        for metric in example.metrics:
            print(f"| {name} | {metric} | {' | '.join(cell(runs, metric) for runs in columns)} |", flush=True)


if __name__ == "__main__":
    main()
