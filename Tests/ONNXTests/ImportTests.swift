import Basics
import GraphIR
import Layers
import LoopIR
import ONNX
import Testing

/// Whole graphs, by hand: what becomes of names, shapes and initialisers.
@Suite struct ImportTests {
  private typealias Sizes = [DimensionMessage.Size]

  private func info(_ name: String, _ sizes: Sizes, _ type: TensorDataType = .float) -> ValueInfoMessage {
    ValueInfoMessage(name: name, type: TypeMessage(.tensor(element: type.rawValue, shape: sizes.map { DimensionMessage($0) })))
  }

  private func tensor(_ name: String, _ values: [Double], _ shape: [Int]) -> TensorMessage {
    TensorMessage(name: name, HostTensor(values, shape: shape, element: .f32))
  }

  private func integers(_ name: String, _ values: [Int], _ shape: [Int]? = nil) -> TensorMessage {
    TensorMessage(name: name, HostTensor(values, shape: shape))
  }

  private func node(_ type: String, _ inputs: [String], _ outputs: [String], _ attributes: [AttributeMessage] = []) -> NodeMessage {
    NodeMessage(opType: type, name: "n_\(outputs[0])", input: inputs, output: outputs, attribute: attributes)
  }

  private func model(
    _ nodes: [NodeMessage], inputs: [ValueInfoMessage], outputs: [String], initializers: [TensorMessage] = [],
    functions: [FunctionMessage] = [], version: Int64 = 18
  ) throws -> ONNXModel {
    let graph = GraphMessage(
      name: "g", node: nodes, initializer: initializers, input: inputs, output: outputs.map { ValueInfoMessage(name: $0) })
    let imports = [OperatorSetMessage(version: version)] + (functions.isEmpty ? [] : [OperatorSetMessage(domain: "own", version: 1)])
    return try ONNXModel(ModelMessage(irVersion: 9, opsetImport: imports, graph: graph, functions: functions), path: "hand.onnx")
  }

  private func built(_ model: ONNXModel, _ mode: Mode = .inference) throws -> ModelBuilder {
    var builder = ModelBuilder(name: "run", mode: mode, element: .f32, symbols: [Symbol(name: "n", maximum: 8)])
    try model.build(&builder)
    return builder
  }

  private func outputType(_ model: ONNXModel) throws -> String {
    let builder = try built(model)
    return builder.type(builder.outputs[0].value).description
  }

  // MARK: Shapes

  @Test func shapeArithmeticOfTheBatchFolds() throws {
    // What exporters write for x.flatten(1): the first size, and -1.
    let nodes = [
      node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "zero"], ["batch"], [AttributeMessage(name: "axis", value: .int(0))]),
      node("Unsqueeze", ["batch", "axes"], ["row"]),
      node("Concat", ["row", "rest"], ["target"], [AttributeMessage(name: "axis", value: .int(0))]),
      node("Reshape", ["x", "target"], ["y"]),
    ]
    let initializers = [integers("zero", [0], []), integers("axes", [0]), integers("rest", [-1])]
    let open = try model(
      nodes, inputs: [info("x", [.parameter("batch"), .value(3), .value(4)])], outputs: ["y"], initializers: initializers)
    #expect(try outputType(open) == "f32[N, 12]")
    var bound = open
    bound.dimensions = ["batch": 5]
    #expect(try outputType(bound) == "f32[5, 12]")
  }

  @Test func aMultipleOfTheBatchIsASize() throws {
    let nodes = [
      node("Shape", ["x"], ["shape"]), node("Slice", ["shape", "zero", "one"], ["batch"]), node("Mul", ["batch", "six"], ["rows"]),
      node("Concat", ["rows", "two"], ["target"], [AttributeMessage(name: "axis", value: .int(0))]),
      node("Reshape", ["x", "target"], ["wide"]),
      node("Concat", ["batch", "rest"], ["back"], [AttributeMessage(name: "axis", value: .int(0))]),
      node("Reshape", ["wide", "back"], ["y"]),
    ]
    let initializers = [
      integers("zero", [0]), integers("one", [1]), integers("six", [6]), integers("two", [2]), integers("rest", [-1]),
    ]
    let found = try model(nodes, inputs: [info("x", [.parameter("N"), .value(12)])], outputs: ["y"], initializers: initializers)
    #expect(try outputType(found) == "f32[N, 12]")
    #expect(try built(found).graph.graph.description.contains("f32[6*N, 2]"))
  }

  @Test func sizesWithoutNumbersAreAskedFor() throws {
    let free = try model([node("Relu", ["x"], ["y"])], inputs: [info("x", [.parameter("N"), .parameter("length")])], outputs: ["y"])
    expectError("hand.onnx", "input 'x'", "'length'", "--dim length=SIZE") { _ = try built(free) }
    let later = try model([node("Relu", ["x"], ["y"])], inputs: [info("x", [.value(2), .unknown])], outputs: ["y"])
    expectError("input 'x'", "size of axis 1") { _ = try built(later) }
  }

  // MARK: Initialisers

  @Test func floatTensorsAreLearnedAndTheRestIsConstant() throws {
    let nodes = [
      node("MatMul", ["x", "layer.weight"], ["a"]), node("Mul", ["a", "half"], ["b"]),
      node("Gather", ["b", "picks"], ["y"], [AttributeMessage(name: "axis", value: .int(1))]),
    ]
    let found = try model(
      nodes, inputs: [info("x", [.parameter("N"), .value(2)])], outputs: ["y"],
      initializers: [tensor("layer.weight", [1, 2, 3, 4, 5, 6], [2, 3]), tensor("half", [0.5], []), integers("picks", [2, 0])])
    let builder = try built(found, .training)
    #expect(builder.parameters.map(\.name) == ["layer.weight"])
    #expect(builder.parameters[0].shape == [2, 3])
    #expect(try outputType(found) == "f32[N, 2]")
    #expect(try found.tensor("layer.weight")?.doubles == [1, 2, 3, 4, 5, 6])
  }

  // MARK: Functions

  @Test func functionsSeeTheirInputsAndAttributesAlone() throws {
    let leaky = FunctionMessage(
      name: "Soft", domain: "own", input: ["v"], output: ["w"], attribute: ["slope"],
      node: [
        NodeMessage(
          opType: "LeakyRelu", input: ["v"], output: ["w"],
          attribute: [AttributeMessage(name: "alpha", value: .reference(name: "slope", kind: .float))])
      ], opsetImport: [OperatorSetMessage(version: 16)])
    let call = NodeMessage(
      opType: "Soft", domain: "own", input: ["x"], output: ["y"], attribute: [AttributeMessage(name: "slope", value: .float(0.25))])
    let found = try model([call], inputs: [info("x", [.value(2)])], outputs: ["y"], functions: [leaky])
    let graph = try built(found).graph.graph
    #expect(graph.description.contains("leaky_relu"))
    #expect(graph.description.contains("0.25"))
    var outside = leaky
    outside.node[0].input = ["x"]
    let blind = try model([call], inputs: [info("x", [.value(2)])], outputs: ["y"], functions: [outside])
    expectError("'x' is used before anything computes it") { _ = try built(blind) }
    var endless = leaky
    endless.node[0] = NodeMessage(opType: "Soft", domain: "own", input: ["v"], output: ["w"])
    endless.opsetImport = [OperatorSetMessage(domain: "own", version: 1)]
    let circular = try model([call], inputs: [info("x", [.value(2)])], outputs: ["y"], functions: [endless])
    expectError("calls itself") { _ = try built(circular) }
  }

  // MARK: Errors

  @Test func errorsNameTheNode() throws {
    let x = info("x", [.value(2), .value(3)])
    let wrong = try model([node("Add", ["x", "b"], ["y"])], inputs: [x, info("b", [.value(4)])], outputs: ["y"])
    expectError("hand.onnx", "node 'n_y' (Add)") { _ = try built(wrong) }
    let early = try model([node("Relu", ["later"], ["y"]), node("Relu", ["x"], ["later"])], inputs: [x], outputs: ["y"])
    expectError("node 'n_y' (Relu)", "'later' is used before anything computes it") { _ = try built(early) }
    let nowhere = try model([node("Relu", ["x"], ["y"])], inputs: [x], outputs: ["z"])
    expectError("'z'") { _ = try built(nowhere) }
    let unknown = try model([node("Frobnicate", ["x"], ["y"]), node("Twist", ["y"], ["z"])], inputs: [x], outputs: ["z"])
    #expect(unknown.unsupportedNodes().map(\.message).filter { $0.contains("Frobnicate") || $0.contains("Twist") }.count == 2)
    expectError("node 'n_y' (Frobnicate)", "not supported", kind: .unsupported) { _ = try built(unknown) }
    let twice = [tensor("w", [1], [1]), tensor("w", [2], [1])]
    expectError("initializer 'w' stands twice") { _ = try model([], inputs: [x], outputs: [], initializers: twice) }
  }

  /// x[row, column] for each row of the batch, with the rows counted: PyTorch's exporter writes masks of attention so.
  @Test func tuplesThatBeginWithTheRowLeaveTheBatchOpen() throws {
    let nodes = [
      node("Shape", ["x"], ["batch"], [AttributeMessage(name: "end", value: .int(1))]), node("Squeeze", ["batch"], ["count"]),
      node("Range", ["zero", "count", "one"], ["row"]), node("Unsqueeze", ["row", "axes"], ["rows"]),
      node("Concat", ["batch", "two"], ["shape"], [AttributeMessage(name: "axis", value: .int(0))]),
      node("Expand", ["columns", "shape"], ["spread"]), node("Expand", ["rows", "shape"], ["counted"]),
      node("Unsqueeze", ["counted", "last"], ["a"]), node("Unsqueeze", ["spread", "last"], ["b"]),
      node("Concat", ["a", "b"], ["tuples"], [AttributeMessage(name: "axis", value: .int(2))]),
      node("GatherND", ["x", "tuples"], ["y"]),
    ]
    let initializers = [
      integers("zero", [0], []), integers("one", [1], []), integers("axes", [1]), integers("two", [2]), integers("last", [2]),
      integers("columns", [2, 0], [1, 2]),
    ]
    let found = try model(nodes, inputs: [info("x", [.parameter("N"), .value(3)])], outputs: ["y"], initializers: initializers)
    #expect(try outputType(found) == "f32[N, 2]")
  }

  // MARK: Tensors that a file merged

  private func normalization(_ x: String, _ tensors: [String], _ y: String) -> NodeMessage {
    NodeMessage(opType: "BatchNormalization", name: "/\(y)/BatchNormalization", input: [x] + tensors, output: [y])
  }

  @Test func freshNormalisationsShareNothing() throws {
    // As PyTorch's older exporter writes them: all ones are one tensor, all zeros another.
    let copies = [("one", "b.weight"), ("zero", "b.bias"), ("zero", "b.running_mean"), ("one", "b.running_var")]
    let nodes =
      copies.map { node("Identity", [$0.0], [$0.1]) } + [
        normalization("x", ["one", "zero", "zero", "one"], "a"),
        normalization("a", copies.map(\.1), "b"), node("Identity", ["b"], ["y"]),
      ]
    let found = try model(
      nodes, inputs: [info("x", [.parameter("N"), .value(2)])], outputs: ["y"],
      initializers: [tensor("one", [1, 1], [2]), tensor("zero", [0, 0], [2])])
    let builder = try built(found, .training)
    #expect(
      Set(builder.parameters.map(\.name))
        == ["one", "zero", "a.running_mean", "a.running_var", "b.weight", "b.bias", "b.running_mean", "b.running_var"])
    #expect(builder.parameters.filter(\.isState).map(\.name).allSatisfy { $0.contains("running") })
    #expect(try found.tensor("a.running_var")?.doubles == [1, 1])
  }

  @Test func weightsThatAreSharedOnPurposeStayOne() throws {
    let nodes = [
      node("Identity", ["w"], ["v"]), node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "v"], ["g"]), node("Add", ["g", "b"], ["i"]),
      node("Identity", ["b"], ["c"]), node("Add", ["i", "c"], ["y"]),
    ]
    let found = try model(
      nodes, inputs: [info("x", [.parameter("N"), .value(2)])], outputs: ["y"],
      initializers: [tensor("w", [1, 1, 1, 1], [2, 2]), tensor("b", [1, 2], [2])])
    #expect(try built(found).parameters.map(\.name) == ["w", "b"])
  }
}
