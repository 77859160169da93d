"""Networks of torch, torchvision, transformers, Keras and scikit-learn with random weights, small enough for a test on one core.

`networks` maps a name to a function that makes a `Network`. Sizes of inputs are smaller than usual where the architecture allows it:
64 x 64 pixels for ResNet, MobileNet, EfficientNet and DenseNet, 32 x 32 for VGG (then its pooling to 7 x 7 is left out), ViT and Swin;
two or four blocks for transformers.
"""

import os
from dataclasses import dataclass, field

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
import torch
from torch import nn


@dataclass
class Network:
    """A network, how to make inputs for it, and how it is written as ONNX."""

    module: nn.Module
    """In torch; its parameters are what gradients are compared for."""
    shapes: list
    """Of each input without the batch; (shape, count) for whole numbers below count."""
    names: list = field(default_factory=lambda: ["input"])
    note: str = ""
    write: object = None
    """Writes the ONNX file, where torch's exporter does not."""
    reference: object = None
    """Makes the same network in float64, where `double` does not."""
    factors: object = lambda name: 1
    """By what the exporter multiplied a parameter."""
    older: bool = True
    """Whether the exporter by TorchScript is asked, or the one by torch.export."""
    folds: bool = False
    """Whether the newer exporter may simplify: it splits by sequences else."""

    def inputs(self, batch, seed=0):
        """Random inputs, as arrays."""
        random = np.random.default_rng(seed + batch)
        arrays = []
        for shape in self.shapes:
            if len(shape) == 2 and isinstance(shape[0], tuple):
                arrays.append(random.integers(0, shape[1], (batch, *shape[0])).astype(np.int64))
            else:
                arrays.append(random.standard_normal((batch, *shape)).astype(np.float32))
        return arrays

    def export(self, path):
        """Writes the ONNX file. Names of parameters stay, and batch normalisation and dropout are not folded away."""
        if self.write:
            return self.write(path)
        self.module.eval()
        inputs = tuple(torch.from_numpy(x) for x in self.inputs(2))
        if not self.older:
            batch = torch.export.Dim("batch")
            torch.onnx.export(
                self.module, inputs, path, input_names=self.names, output_names=["output"], optimize=self.folds, external_data=False,
                dynamic_shapes=({0: batch},) * len(inputs), verbose=False)
            return
        torch.onnx.export(
            self.module, inputs, path, input_names=self.names, output_names=["output"],
            dynamic_axes={name: {0: "batch"} for name in self.names + ["output"]}, opset_version=17, dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)


networks = {}


def network(make):
    """Adds a function to `networks`, called as the function with dashes."""
    networks[make.__name__.strip("_").replace("_", "-")] = make
    return make


def shaken(module):
    """Random running statistics, scales and biases: those that a fresh network has hide errors, and PyTorch's older exporter makes one
    initializer of parameters with equal values."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(part.running_mean, 0, 0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    for parameter in module.parameters():
        if bool((parameter == parameter.flatten()[0]).all()):
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def vision(make, side=64):
    import torchvision

    return Network(shaken(make(torchvision.models)), [(3, side, side)], note=f"{side} x {side}, 10 classes")


@network
def resnet18():
    return vision(lambda models: models.resnet18(num_classes=10))


@network
def mobilenet_v2():
    return vision(lambda models: models.mobilenet_v2(num_classes=10))


@network
def mobilenet_v3():
    return vision(lambda models: models.mobilenet_v3_small(num_classes=10))


@network
def efficientnet_b0():
    return vision(lambda models: models.efficientnet_b0(num_classes=10))


@network
def densenet121():
    return vision(lambda models: models.densenet121(num_classes=10))


@network
def vgg11():
    def make(models):
        features = models.vgg11(num_classes=10).features
        return nn.Sequential(features, nn.Flatten(), nn.Linear(512, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 10))

    return vision(make, 32)


class UNet(nn.Module):
    """Two levels down and up, with skips (Ronneberger et al. 2015)."""

    def __init__(self, width=16):
        super().__init__()

        def block(inputs, outputs):
            layers = []
            for count in (inputs, outputs):
                layers += [nn.Conv2d(count, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            return nn.Sequential(*layers)

        self.down1, self.down2, self.middle = block(3, width), block(width, 2 * width), block(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = block(4 * width, 2 * width)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.join1 = block(3 * width, width)
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(self.pool(first))
        y = self.join2(torch.cat([self.up2(self.middle(self.pool(second))), second], 1))
        return self.last(self.join1(torch.cat([self.up1(y), first], 1)))


@network
def unet():
    return Network(shaken(UNet()), [(3, 32, 32)], note="two levels, 32 x 32")


class Recurrent(nn.Module):
    """Words to a class by the last state of a recurrent network."""

    def __init__(self, kind, bidirectional=False):
        super().__init__()
        self.embedding = nn.Embedding(50, 12)
        self.cells = kind(12, 16, num_layers=2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(32 if bidirectional else 16, 5)

    def forward(self, words):
        return self.head(self.cells(self.embedding(words))[0][:, -1])


@network
def lstm():
    return Network(shaken(Recurrent(nn.LSTM, bidirectional=True)), [((9,), 50)], note="two layers, both directions, 9 steps")


@network
def gru():
    return Network(shaken(Recurrent(nn.GRU)), [((9,), 50)], note="two layers, 9 steps")


class First(nn.Module):
    """The first result of a network of transformers."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, first):
        return self.network(first, return_dict=False)[0]


class Masked(nn.Module):
    """Words and a mask, which has to be given by name."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, words, mask):
        return self.network(input_ids=words, attention_mask=mask, return_dict=False)[0]


def small(**settings):
    return dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, attn_implementation="eager", **settings)


@network
def bert():
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(vocab_size=120, max_position_embeddings=32, num_labels=3, **small())
    return Network(
        shaken(Masked(BertForSequenceClassification(config))), [((12,), 120), ((12,), 2)], ["words", "mask"], note="2 blocks of 48, 12 words", older=False)


@network
def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=100, n_positions=32, n_embd=48, n_layer=2, n_head=4, use_cache=False, tie_word_embeddings=False,
        bos_token_id=0, eos_token_id=0, attn_implementation="eager")
    return Network(shaken(First(GPT2LMHeadModel(config))), [((10,), 100)], ["words"], note="2 blocks of 48, 10 words", older=False, folds=True)


@network
def vit():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(image_size=32, patch_size=8, num_labels=10, **small())
    return Network(shaken(First(ViTForImageClassification(config))), [(3, 32, 32)], note="2 blocks of 48, 32 x 32 in patches of 8", older=False)


@network
def swin():
    from transformers import SwinConfig, SwinForImageClassification

    config = SwinConfig(
        image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=10,
        attn_implementation="eager")
    return Network(shaken(First(SwinForImageClassification(config))), [(3, 32, 32)], note="2 stages of 2 blocks, 32 x 32 in windows of 4", older=False)


@network
def keras_cnn():
    import keras
    from keras import layers

    def make(precision):
        keras.config.set_dtype_policy(precision)
        model = keras.Sequential([
            keras.Input((16, 16, 3)), layers.Conv2D(8, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(),
            layers.MaxPooling2D(), layers.SeparableConv2D(12, 3, activation="swish"), layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3), layers.Dense(10, activation="softmax")])
        model(np.zeros((1, 16, 16, 3), np.float32))
        return model

    model = make("float32")
    # All of the values, or the reference would begin with other ones: Keras draws from a generator of its own.
    random = np.random.default_rng(0)
    model.set_weights([
        random.uniform(0.5, 1.5, w.shape) if "variance" in v.path else 0.3 * random.standard_normal(w.shape) + ("gamma" in v.path)
        for v, w in zip(model.weights, model.get_weights())])
    normalization = model.layers[1]
    # The file has gamma divided by the deviation.
    deviation = np.sqrt(normalization.moving_variance.numpy().astype(np.float64) + normalization.epsilon)

    def write(path):
        keras.config.set_dtype_policy("float32")
        model.export(path, format="onnx", verbose=False)

    def reference():
        double = make("float64")
        double.set_weights(model.get_weights())
        return double

    return Network(model, [(16, 16, 3)], note="channels last, 16 x 16", write=write, reference=reference,
                   factors=lambda path: 1 / deviation if "gamma" in path else 1)


class Perceptron(nn.Module):
    """What a scaler and an MLP of scikit-learn compute."""

    def __init__(self, scaler, perceptron, ending):
        super().__init__()
        self.mean, self.scale = torch.tensor(scaler.mean_), torch.tensor(scaler.scale_)
        self.layers = nn.ModuleList()
        for weight, bias in zip(perceptron.coefs_, perceptron.intercepts_):
            layer = nn.Linear(*weight.shape)
            layer.weight, layer.bias = nn.Parameter(torch.tensor(weight.T)), nn.Parameter(torch.tensor(bias))
            self.layers.append(layer)
        self.ending = ending

    def forward(self, x):
        x = (x - self.mean) / self.scale
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.ending(self.layers[-1](x))


def sklearn_network(estimator, x, y, ending, options):
    from skl2onnx import to_onnx
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), estimator).fit(x, y)

    def write(path):
        with open(path, "wb") as file:
            file.write(to_onnx(pipeline, x[:1].astype(np.float32), options=options(estimator), target_opset=17).SerializeToString())

    return Network(Perceptron(*[step for _, step in pipeline.steps], ending), [(x.shape[1],)], note="fitted", write=write)


@network
def sklearn_classifier():
    from sklearn.datasets import load_iris
    from sklearn.neural_network import MLPClassifier

    return sklearn_network(
        MLPClassifier(hidden_layer_sizes=(12, 8), random_state=0, max_iter=50), *load_iris(return_X_y=True), lambda x: torch.softmax(x, 1),
        lambda estimator: {id(estimator): {"zipmap": False}})


@network
def sklearn_regressor():
    from sklearn.datasets import load_diabetes
    from sklearn.neural_network import MLPRegressor

    return sklearn_network(
        MLPRegressor(hidden_layer_sizes=(16,), random_state=0, max_iter=50), *load_diabetes(return_X_y=True), lambda x: x, lambda estimator: None)
