"""Writes the networks of networks.py as ONNX files: python export_models.py [-o FOLDER] [NAME...]

Needs torch, torchvision, transformers, keras, scikit-learn, skl2onnx and onnx; gradc itself needs none of them.
"""

import argparse
import os
import warnings

import torch

from networks import networks

parser = argparse.ArgumentParser()
parser.add_argument("names", nargs="*", help=", ".join(networks))
parser.add_argument("-o", "--output", default="models")
arguments = parser.parse_args()
os.makedirs(arguments.output, exist_ok=True)
warnings.filterwarnings("ignore")

for name in arguments.names or networks:
    torch.manual_seed(0)
    path = os.path.join(arguments.output, f"{name}.onnx")
    network = networks[name]()
    network.export(path)
    count = sum(parameter.numel() for parameter in network.module.parameters())
    print(f"{path}: {count:,} parameters, {network.note}", flush=True)
