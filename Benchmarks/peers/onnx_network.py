"""The inference of a network of workloads.py as an ONNX model."""
import numpy
from onnx import TensorProto, helper, numpy_helper

import workloads


class Builder:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, array):
        self.constants.append(numpy_helper.from_array(numpy.ascontiguousarray(array), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, kind, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def sequence(self, layers, arrays, x):
        for layer, values in zip(layers, arrays):
            x = self.layer(layer, values, x)
        return x

    def layer(self, layer, values, x):
        kind = layer[0]
        if kind == "dense":
            return self.node("Gemm", x, *map(self.constant, values))
        if kind == "conv":
            _, _, _, kernel, stride, groups, _ = layer
            return self.node("Conv", x, *map(self.constant, values), kernel_shape=[kernel] * 2, strides=[stride] * 2,
                             pads=[kernel // 2] * 4, group=groups)
        if kind == "bn":
            return self.node("BatchNormalization", x, *map(self.constant, values), epsilon=1e-5)
        if kind == "relu":
            return self.node("Relu", x)
        if kind == "relu6":
            return self.node("Clip", x, self.constant(numpy.float32(0)), self.constant(numpy.float32(6)))
        if kind == "maxpool":
            return self.node("MaxPool", x, kernel_shape=[layer[1]] * 2, strides=[layer[1]] * 2)
        if kind == "gap":
            return self.node("Flatten", self.node("GlobalAveragePool", x), axis=1)
        if kind == "flatten":
            return self.node("Flatten", x, axis=1)
        if kind == "residual":
            return self.node("Add", *(self.sequence(part, inside, x) for part, inside in zip(layer[1:], values)))
        return x  # dropout


def model(work, rows):
    """As bytes; x is [rows, …], y the logits or, for a loss of "bce", the probability."""
    builder = Builder()
    y = builder.sequence(work["layers"], workloads.parameters(work["layers"]), "x")
    if work["loss"] == "bce":
        builder.node("Sigmoid", y)
    builder.nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        builder.nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (rows, *work["input"]))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (rows, workloads.classes(work)))], builder.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
