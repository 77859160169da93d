"""The inference of a network of workloads.py as an ONNX model."""
import numpy
from onnx import TensorProto, helper, numpy_helper

import workloads


class Builder:
    def __init__(self, positions=None):
        self.nodes, self.constants, self.positions = [], [], positions

    def constant(self, array):
        self.constants.append(numpy_helper.from_array(numpy.asarray(array, order="C"), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, kind, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def sequence(self, layers, arrays, x):
        for layer, values in zip(layers, arrays):
            x = self.layer(layer, values, x)
        return x

    def attention(self, layer, values, x):
        _, width, heads = layer
        projected = self.node("Add", self.node("MatMul", x, self.constant(values[0])), self.constant(values[1]))
        split = self.node("Reshape", projected, self.constant(numpy.array([0, self.positions, 3, heads, width // heads])))
        turned = self.node("Transpose", split, perm=[2, 0, 3, 1, 4])
        q, k, v = (self.node("Gather", turned, self.constant(numpy.array(part)), axis=0) for part in range(3))
        scores = self.node("Mul", self.node("MatMul", q, self.node("Transpose", k, perm=[0, 1, 3, 2])),
                           self.constant(numpy.float32((width // heads) ** -0.5)))
        causes = numpy.triu(numpy.full((self.positions, self.positions), -numpy.inf, numpy.float32), 1)
        shares = self.node("Softmax", self.node("Add", scores, self.constant(causes)), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", shares, v), perm=[0, 2, 1, 3])
        joined = self.node("Reshape", mixed, self.constant(numpy.array([0, self.positions, width])))
        return self.node("Add", self.node("MatMul", joined, self.constant(values[2])), self.constant(values[3]))

    def layer(self, layer, values, x):
        kind = layer[0]
        if kind == "dense":
            if self.positions is None:
                return self.node("Gemm", x, *map(self.constant, values))
            return self.node("Add", self.node("MatMul", x, self.constant(values[0])), self.constant(values[1]))
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
        if kind == "head":
            return self.node("MatMul", x, self.constant(values[0]))
        if kind == "embed":
            return self.node("Gather", self.constant(values[0]), x)
        if kind == "pos":
            return self.node("Add", x, self.constant(values[0]))
        if kind == "ln":
            return self.node("LayerNormalization", x, *map(self.constant, values), epsilon=1e-5)
        if kind == "gelu":
            return self.node("Gelu", x, approximate="tanh")
        if kind == "attn":
            return self.attention(layer, values, x)
        if kind == "residual":
            return self.node("Add", *(self.sequence(part, inside, x) for part, inside in zip(layer[1:], values)))
        return x  # dropout


def model(work, rows):
    """As bytes; x is [rows, …], y the logits or, for a loss of "bce", the probability."""
    tokens = workloads.has_tokens(work)
    builder = Builder(work["input"][0] if tokens else None)
    y = builder.sequence(work["layers"], workloads.parameters(work["layers"]), "x")
    if work["loss"] == "bce":
        builder.node("Sigmoid", y)
    builder.nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        builder.nodes, "network", [helper.make_tensor_value_info("x", TensorProto.INT64 if tokens else TensorProto.FLOAT, (rows, *work["input"]))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (rows, *(work["input"] if tokens else ()), workloads.classes(work)))], builder.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
