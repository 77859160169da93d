"""Writes digits.csv from the copy of the data that is part of scikit-learn: python convert.py"""

import csv
import pathlib

import sklearn.datasets

data = sklearn.datasets.load_digits()
path = pathlib.Path(__file__).parent / "digits.csv"
with path.open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*data.feature_names, "digit"])
    for row, target in zip(data.data, data.target):
        writer.writerow([*(int(value) for value in row), target])
