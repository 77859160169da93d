"""Keras on TensorFlow, training of images by `train_on_batch`, channels last as TensorFlow likes them."""
import os

from protocol import converse, request, workloads

ASKED = request()
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
import numpy  # noqa: E402
import tensorflow  # noqa: E402

tensorflow.config.threading.set_intra_op_parallelism_threads(ASKED.threads)
tensorflow.config.threading.set_inter_op_parallelism_threads(1)
import keras  # noqa: E402
from keras import layers as kinds  # noqa: E402


class Builder:
    """Applies layers, and remembers which weights each is to have."""

    def __init__(self):
        self.weights = []
        self.flattened = None

    def sequence(self, layers, arrays, x, shape):
        for layer, values in zip(layers, arrays):
            x = self.layer(layer, values, x, shape)
            shape = workloads.shape_after(layer, shape)
        return x

    def layer(self, layer, values, x, shape):
        kind = layer[0]
        if kind == "residual":
            return kinds.Add()([self.sequence(part, inside, x, shape) for part, inside in zip(layer[1:], values)])
        if kind == "conv":
            return self.convolution(layer, values, x)
        if kind == "dense":
            made = kinds.Dense(layer[2])
            self.weights.append((made, [self.rearranged(values[0]), values[1]]))
        elif kind == "bn":
            made = kinds.BatchNormalization(momentum=0.9, epsilon=1e-5)
            self.weights.append((made, values))
        else:
            if kind == "flatten":
                self.flattened = shape
            made = {"relu": kinds.ReLU, "relu6": lambda: kinds.ReLU(6.0), "gap": kinds.GlobalAveragePooling2D, "flatten": kinds.Flatten,
                    "maxpool": lambda: kinds.MaxPooling2D(layer[1]), "dropout": lambda: kinds.Dropout(layer[1])}[kind]()
        return made(x)

    def convolution(self, layer, values, x):
        _, _, filters, kernel, stride, groups, bias = layer
        # With a stride TensorFlow would pad after the last pixel alone.
        if stride > 1 and kernel > 1:
            x = kinds.ZeroPadding2D(kernel // 2)(x)
        made = kinds.Conv2D(filters, kernel, stride, "same" if stride == 1 else "valid", groups=groups, use_bias=bias)
        self.weights.append((made, [values[0].transpose(2, 3, 1, 0), *values[1:]]))
        return made(x)

    def rearranged(self, weight):
        """Rows in the order in which an image with channels last is flattened."""
        if self.flattened is None:
            return weight
        channels, height, width = self.flattened
        self.flattened = None
        return weight.reshape(channels, height, width, -1).transpose(1, 2, 0, 3).reshape(weight.shape)


def network(work, rows):
    builder = Builder()
    channels, height, width = work["input"]
    images = keras.Input((height, width, channels), batch_size=rows)
    model = keras.Model(images, builder.sequence(work["layers"], workloads.parameters(work["layers"]), images, work["input"]))
    for layer, values in builder.weights:
        layer.set_weights(values)
    return model


def optimizer(settings):
    """Keras decays weights apart from their gradient."""
    if settings["rule"] == "momentum":
        return keras.optimizers.SGD(settings["rate"], settings["momentum"], weight_decay=settings["decay"] or None)
    return keras.optimizers.Adam(settings["rate"], settings["beta1"], settings["beta2"], settings["epsilon"])


def training(work, x, y):
    model = network(work, len(x))
    model.compile(optimizer(work["optimizer"]), keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def steps(count):
        for _ in range(count):
            value = model.train_on_batch(x, y)
            model.reset_metrics()
        return lambda: float(value)

    return steps


X, Y = workloads.batch(ASKED.work, ASKED.rows)
converse(training(ASKED.work, numpy.ascontiguousarray(X.transpose(0, 2, 3, 1)), Y))
