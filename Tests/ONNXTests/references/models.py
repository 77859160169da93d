"""Writes the files beside it: models and tensors as Python's onnx package encodes them. Run it in this folder; it needs onnx, numpy and torch."""

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper


def write(model, name):
    with open(name, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def value(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


def mlp():
    """Two layers; the weights are raw."""
    weights = {
        "w1": numpy.arange(12, dtype=numpy.float32).reshape(3, 4) / 8, "b1": numpy.zeros(4, numpy.float32),
        "w2": numpy.array([[1], [-2], [0.5], [4]], numpy.float32), "b2": numpy.array([0.25], numpy.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="fc1", alpha=1.0, transB=0),
            helper.make_node("Relu", ["h"], ["a"], name="act"),
            helper.make_node("Gemm", ["a", "w2", "b2"], ["y"], name="fc2"),
        ],
        "mlp", [value("x", TensorProto.FLOAT, ["N", 3])], [value("y", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()])
    write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="models.py", ir_version=8), "mlp.onnx")


def subgraphs():
    """A Loop with an If inside it, whose branches have initialisers of their own."""
    branch = lambda name, number: helper.make_graph(
        [helper.make_node("Add", ["v_in", "c"], [name])], name, [], [value(name, TensorProto.FLOAT, [])],
        [numpy_helper.from_array(numpy.float32(number), "c")])
    body = helper.make_graph(
        [
            helper.make_node("If", ["keep_in"], ["v_out"], then_branch=branch("t", 1), else_branch=branch("e", -1)),
            helper.make_node("Identity", ["keep_in"], ["keep_out"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("keep_in", TensorProto.BOOL, []), value("v_in", TensorProto.FLOAT, [])],
        [value("keep_out", TensorProto.BOOL, []), value("v_out", TensorProto.FLOAT, [])])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "keep", "v"], ["y"], body=body)], "loop",
        [value("n", TensorProto.INT64, []), value("keep", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, [])],
        [value("y", TensorProto.FLOAT, [])])
    write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "subgraphs.onnx")


def everything():
    """Every message, every kind of attribute and every kind of type; it means nothing."""
    array = numpy_helper.from_array(numpy.array([1, 2], numpy.int32), "constant")
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("sparse", TensorProto.FLOAT, [2], [1.5, -2.5]), helper.make_tensor("where", TensorProto.INT64, [2], [1, 5]), [2, 3])
    tensor_type = helper.make_tensor_type_proto(TensorProto.FLOAT, ["batch", 3, None])
    tensor_type.denotation = "IMAGE"
    tensor_type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    types = [
        tensor_type, helper.make_tensor_type_proto(TensorProto.INT64, None), helper.make_sequence_type_proto(tensor_type),
        helper.make_optional_type_proto(helper.make_sequence_type_proto(tensor_type)),
        helper.make_map_type_proto(TensorProto.STRING, tensor_type), helper.make_sparse_tensor_type_proto(TensorProto.DOUBLE, [2, 3]),
    ]
    opaque = onnx.TypeProto()
    opaque.opaque_type.domain, opaque.opaque_type.name = "some.domain", "some_name"
    inner = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "inner", [], [value("b", TensorProto.FLOAT, None)])
    node = helper.make_node(
        "Everything", ["x", "", "z"], ["y", ""], name="all kinds", domain="own", doc_string="a node", overload="second",
        f=1.5, i=-3, s="text", t=array, g=inner, tp=tensor_type, floats=[1.0, -2.0], ints=[1, -1, 2**62], strings=["a", b"\xff\x00"],
        tensors=[array, array], graphs=[inner, inner], sparse=sparse, type_protos=types + [opaque])
    several = node.attribute.add()
    several.name, several.type = "sparse_tensors", onnx.AttributeProto.SPARSE_TENSORS
    several.sparse_tensors.extend([sparse])
    node.attribute.append(helper.make_attribute("empty", [], attr_type=onnx.AttributeProto.INTS))
    node.attribute[0].doc_string = "an attribute"
    helper.set_metadata_props(node, {"key": "of the node"})
    infos = [helper.make_value_info(f"v{k}", each, f"value {k}") for k, each in enumerate(types)]
    graph = helper.make_graph([node], "everything", infos, infos[:1], [array], "a graph", infos[1:3], [sparse])
    helper.set_metadata_props(graph, {"key": "of the graph"})
    note = graph.quantization_annotation.add()
    note.tensor_name = "x"
    entry = note.quant_parameter_tensor_names.add()
    entry.key, entry.value = "SCALE_TENSOR", "s"
    call = helper.make_node("Elu", ["x"], ["y"])
    reference = call.attribute.add()
    reference.name, reference.ref_attr_name, reference.type = "alpha", "slope", onnx.AttributeProto.FLOAT
    function = helper.make_function(
        "own", "Everything", ["x"], ["y"], [call], [helper.make_opsetid("", 22)], ["slope"], [helper.make_attribute("size", 2)],
        "a function", overload="second", value_info=infos[:1])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 22), helper.make_opsetid("own", 1)], functions=[function], producer_name="models.py",
        producer_version="1", domain="some.domain", model_version=7, doc_string="a model", ir_version=10)
    helper.set_model_props(model, {"key": "of the model"})
    write(model, "everything.onnx")


def types():
    """Each element type twice: `NAME` in a field of its own, `NAME_raw` raw."""
    numbers = {
        TensorProto.FLOAT: [0.5, -1.25, 3e38], TensorProto.DOUBLE: [0.1, -1e300, 2.0], TensorProto.INT32: [-(2**31), -1, 2**31 - 1],
        TensorProto.INT64: [-(2**63), -1, 2**63 - 1], TensorProto.UINT64: [0, 1, 2**64 - 1], TensorProto.UINT32: [0, 1, 2**32 - 1],
        TensorProto.INT8: [-128, -1, 127], TensorProto.UINT8: [0, 1, 255], TensorProto.INT16: [-(2**15), -1, 2**15 - 1],
        TensorProto.UINT16: [0, 1, 2**16 - 1], TensorProto.BOOL: [True, False, True], TensorProto.FLOAT16: [0.5, -1.25, 65504],
        TensorProto.BFLOAT16: [0.5, -1.25, 3e38],
    }
    tensors = []
    for element, values in numbers.items():
        tensor = helper.make_tensor(TensorProto.DataType.Name(element), element, [3], values)
        tensors += [tensor, numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name + "_raw")]
        assert not tensor.HasField("raw_data") and tensors[-1].HasField("raw_data")
    tensors += [
        helper.make_tensor("STRING", TensorProto.STRING, [2], ["a", "b"]),
        helper.make_tensor("COMPLEX64", TensorProto.COMPLEX64, [1], [1 + 2j]),
        helper.make_tensor("FLOAT8E5M2", TensorProto.FLOAT8E5M2, [2], [1.0, 2.0]),
        helper.make_tensor("INT4", TensorProto.INT4, [3], [1, -2, 3]),
        helper.make_tensor("none", TensorProto.FLOAT, [0, 3], []),
    ]
    graph = helper.make_graph([], "types", [], [], tensors)
    write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), "types.onnx")


def external():
    """Weights in a file of their own, the second one with its offset and length."""
    with open("external.bin", "wb") as file:
        file.write(numpy.array([1, 2, 3, 4, 5, 6], numpy.float32).tobytes())
    tensors = []
    for name, count, entries in [("all", 6, {}), ("part", 2, {"offset": "8", "length": "8", "checksum": "0"})]:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[count], data_location=TensorProto.EXTERNAL)
        for key, text in {"location": "external.bin", **entries}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text
        tensors.append(tensor)
    graph = helper.make_graph([], "external", [], [], tensors)
    write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), "external.onnx")


def exported():
    """A small convolutional network as PyTorch's exporter writes it."""
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(2, 3)).eval()
    torch.onnx.export(
        network, (torch.zeros(1, 1, 6, 6),), "torch.onnx", dynamo=False, opset_version=17, input_names=["image"], output_names=["scores"],
        dynamic_axes={"image": {0: "batch"}})


def tensors():
    with open("tensor.pb", "wb") as file:
        file.write(numpy_helper.from_array(numpy.array([[1, -2], [3, -4]], numpy.int64), "numbers").SerializeToString())
    sequence = numpy_helper.from_list([numpy.float32([1, 2]), numpy.float32([3])], "several")
    nothing = numpy_helper.from_list([], "empty", dtype=onnx.SequenceProto.TENSOR)
    optional = numpy_helper.from_optional(numpy.float32([1, 2]), "maybe")
    absent = numpy_helper.from_optional(None, "", dtype=onnx.OptionalProto.TENSOR)
    for message, name in [(sequence, "sequence"), (nothing, "sequence_empty"), (optional, "optional"), (absent, "optional_absent")]:
        with open(name + ".pb", "wb") as file:
            file.write(message.SerializeToString())


if __name__ == "__main__":
    for make in [mlp, subgraphs, everything, types, external, exported, tensors]:
        make()
