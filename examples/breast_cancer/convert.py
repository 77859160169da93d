"""Writes breast_cancer.csv from the copy of the data that is part of scikit-learn: python convert.py"""

import csv
import pathlib

import sklearn.datasets

data = sklearn.datasets.load_breast_cancer()
path = pathlib.Path(__file__).parent / "breast_cancer.csv"
with path.open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*data.feature_names, "diagnosis"])
    for row, target in zip(data.data, data.target):
        writer.writerow([*(format(float(value), ".15g") for value in row), data.target_names[target]])
