"""A tenth class for a network of nine: python finetune.py MNIST_FOLDER [--gradc COMMAND]

gradc trains a small CNN on the digits 0 to 8 and exports it; the exported file gets a head of ten classes, is fine-tuned on all ten digits (a
tenth of the training images) and exported again. ONNX Runtime says what both know of the test images. Needs numpy and onnxruntime.
"""

import argparse
import gzip
import os
import shlex
import subprocess

import numpy as np
import onnxruntime

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("mnist", help="the folder of the four IDX files")
parser.add_argument("--gradc", default="gradc")
arguments = parser.parse_args()


def read(part):
    """Images as bytes [n, 28, 28], and labels."""
    with gzip.open(os.path.join(arguments.mnist, f"{part}-images-idx3-ubyte.gz")) as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(os.path.join(arguments.mnist, f"{part}-labels-idx1-ubyte.gz")) as file:
        return images, np.frombuffer(file.read(), np.uint8, offset=8)


def gradc(*words):
    print("$ gradc", *words, flush=True)
    subprocess.run([*shlex.split(arguments.gradc), *words], check=True)


def accuracies(path, images, labels):
    """The share of right answers by ONNX Runtime: on the digits 0 to 8, on the nines, and on all."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    pixels = images[:, None].astype(np.float32) / 255
    found = np.concatenate([session.run(None, {name: part})[0].argmax(1) for part in np.array_split(pixels, 20)])
    right = found == labels
    print(f"{path} in ONNX Runtime: digits 0 to 8 {right[labels < 9].mean():.4f}, nines {right[labels == 9].mean():.4f}, all {right.mean():.4f}")


images, labels = read("train")
known = labels < 9
np.savez("nine.npz", x=images[known], y=labels[known])
tenth = np.random.default_rng(0).permutation(len(labels))[: len(labels) // 10]
np.savez("ten.npz", x=images[tenth], y=labels[tenth])
test_images, test_labels = read("t10k")

gradc("train", f"{here}/nine.gradc", "--data", "nine.npz", "--report", "none")
gradc("export", f"{here}/nine.gradc", "--weights", "nine.safetensors", "-o", "nine.onnx")
accuracies("nine.onnx", test_images, test_labels)
gradc(
    "train", "nine.onnx", "--replace-head", "10", "--recipe", f"{here}/ten.gradc", "--data", "ten.npz", "--save", "ten.safetensors", "--report",
    "none")
gradc("export", "nine.onnx", "--weights", "ten.safetensors", "-o", "ten.onnx")
accuracies("ten.onnx", test_images, test_labels)
