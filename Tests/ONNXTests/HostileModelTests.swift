import Basics
import GraphIR
import Layers
import LoopIR
import ONNX
import Testing

/// Well-formed files whose graphs mean harm.
@Suite struct HostileModelTests {
  private func tensor(_ sizes: [Int64]?, _ element: Int32 = 1) -> TypeMessage {
    TypeMessage(.tensor(element: element, shape: sizes?.map { DimensionMessage($0 < 0 ? .parameter("N") : .value($0)) }))
  }

  private func value(_ name: String, _ sizes: [Int64]? = [-1, 3], _ element: Int32 = 1) -> ValueInfoMessage {
    ValueInfoMessage(name: name, type: tensor(sizes, element))
  }

  private func node(_ type: String, _ input: [String], _ output: [String], _ attributes: [String: AttributeMessage.Value] = [:])
    -> NodeMessage
  {
    NodeMessage(
      opType: type, input: input, output: output,
      attribute: attributes.sorted { $0.key < $1.key }.map { AttributeMessage(name: $0, value: $1) })
  }

  private func numbers(_ name: String, _ values: [Int]) -> TensorMessage { TensorMessage(name: name, HostTensor(values)) }

  /// Builds the graphs of inference and training.
  private func build(_ graph: GraphMessage, functions: [FunctionMessage] = []) throws {
    let message = ModelMessage(
      irVersion: 10, opsetImport: [OperatorSetMessage(version: 18), OperatorSetMessage(domain: "own", version: 1)], graph: graph,
      functions: functions)
    for mode in [Mode.inference, .training] {
      let model = try ONNXModel(message, path: "hostile.onnx")
      var builder = ModelBuilder(name: "hostile", mode: mode, element: .f32, symbols: [Symbol(name: "n", maximum: 4)])
      try model.build(&builder)
    }
  }

  /// A graph of these nodes from x [N, 3] to y.
  private func graph(_ nodes: [NodeMessage], _ initializers: [TensorMessage] = [], x: [Int64]? = [-1, 3]) -> GraphMessage {
    GraphMessage(name: "g", node: nodes, initializer: initializers, input: [value("x", x)], output: [value("y")])
  }

  @Test func namesMustFit() {
    #expect(throws: Never.self) { try build(graph([node("Relu", ["x"], ["y"])])) }
    // A cycle, and something that nothing computes.
    let cycle = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]
    expectError("'b' is used before anything computes it") { try build(graph(cycle)) }
    expectError("'nothing' is used before") { try build(graph([node("Relu", ["nothing"], ["y"])])) }
    expectError("'y' is used before") { try build(graph([])) }
    let weights = [numbers("w", [1]), numbers("w", [2])]
    expectError("'w' stands twice") { try build(graph([node("Relu", ["x"], ["y"])], weights)) }
    var twice = graph([node("Relu", ["x"], ["y"])])
    twice.input.append(value("x"))
    expectError("'x' is declared twice") { try build(twice) }
    twice.input.removeLast()
    twice.output.append(value("y"))
    expectError("'y' is declared twice") { try build(twice) }
  }

  @Test func giantDimensionsAreRefused() {
    let giant = Int64(Int32.max)
    expectError("more than 2^31 elements a row") { try build(graph([node("Relu", ["x"], ["y"])], x: [-1, giant, giant, giant])) }
    expectError("more than 2^31 elements a row") { try build(graph([node("Relu", ["x"], ["y"])], x: [-1, 0, giant, giant])) }
    expectError("has size 2147483648") { try build(graph([node("Relu", ["x"], ["y"])], x: [-1, giant + 1])) }
    // Shapes that only a node makes giant.
    for (type, shape) in [
      ("Expand", [1 << 30, 1 << 30, 3]), ("Expand", [1 << 62, 3]), ("Tile", [1 << 62, 1]), ("Tile", [1 << 40, 1 << 40]),
    ] {
      expectFailure {
        try build(graph([node(type, ["x", "s"], ["z"]), node("ReduceSum", ["z"], ["y"])], [numbers("s", shape)], x: [1, 3]))
      }
    }
    for shape in [[1 << 20, 1 << 20, 1 << 20], [1 << 62, 4], [-1], [Int.min, 1]] {
      let nodes = [node("ConstantOfShape", ["s"], ["z"]), node("ReduceSum", ["z"], ["t"]), node("Add", ["x", "t"], ["y"])]
      expectFailure { try build(graph(nodes, [numbers("s", shape)])) }
    }
  }

  @Test func constantsAreNotComputedAtAnySize() throws {
    // Sixteen gigabytes of ones, of which the sum is a shape: it is no small constant.
    let nodes = [
      node("ConstantOfShape", ["s"], ["z"]), node("ReduceSum", ["z"], ["t"], ["keepdims": .int(0)]),
      node("Cast", ["t"], ["c"], ["to": .int(7)]),
      node("Unsqueeze", ["c", "axes"], ["u"]), node("Expand", ["x", "u"], ["y"]),
    ]
    expectFailure { try build(graph(nodes, [numbers("s", [1 << 16, 1 << 16]), numbers("axes", [0])])) }
    let range = [node("Range", ["from", "to", "by"], ["z"]), node("ReduceSum", ["z"], ["t"]), node("Cast", ["t"], ["c"], ["to": .int(1)])]
    let ends = ["from": 0, "to": 1 << 40, "by": 1].map { TensorMessage(name: $0.key, HostTensor([$0.value], shape: [])) }
    expectFailure { try build(graph(range + [node("Add", ["x", "c"], ["y"])], ends)) }
  }

  /// A function that calls the next one twice, thirty deep, would be a billion nodes; constants leave no trace in the graph.
  @Test func functionsThatDoubleAreRefused() {
    var functions: [FunctionMessage] = []
    for level in 0..<30 {
      let calls = (0..<2).map { k in
        NodeMessage(opType: "f\(level + 1)", domain: "own", input: [k == 0 ? "a" : "m"], output: [k == 0 ? "m" : "b"])
      }
      functions.append(
        FunctionMessage(
          name: "f\(level)", domain: "own", input: ["a"], output: ["b"], node: calls, opsetImport: [OperatorSetMessage(version: 18)]))
    }
    let last = FunctionMessage(
      name: "f30", domain: "own", input: ["a"], output: ["b"], node: [node("Identity", ["a"], ["b"])],
      opsetImport: [OperatorSetMessage(version: 18)])
    let start = NodeMessage(opType: "f0", domain: "own", input: ["x"], output: ["y"])
    expectError("once its loops and functions are written out") { try build(graph([start]), functions: functions + [last]) }
  }

  @Test func functionsEnd() {
    func chain(_ count: Int, last: String) -> [FunctionMessage] {
      (0..<count).map { level in
        let next = NodeMessage(opType: level + 1 < count ? "f\(level + 1)" : last, domain: "own", input: ["a"], output: ["b"])
        return FunctionMessage(name: "f\(level)", domain: "own", input: ["a"], output: ["b"], node: [next])
      }
    }
    let start = NodeMessage(opType: "f0", domain: "own", input: ["x"], output: ["y"])
    expectError("calls itself") { try build(graph([start]), functions: chain(1, last: "f0")) }
    expectError("calls itself") { try build(graph([start]), functions: chain(5, last: "f2")) }
    expectError("nested deeper than 100") { try build(graph([start]), functions: chain(20_000, last: "f0")) }
  }

  @Test func loopsEnd() {
    let body = GraphMessage(
      name: "body", node: [node("Identity", ["c"], ["d"]), node("Identity", ["v"], ["w"])],
      input: [value("i", [], 7), value("c", [], 9), value("v")], output: [value("d", [], 9), value("w")])
    let start = TensorMessage(name: "n", HostTensor([Int.max], shape: []))
    let truth = TensorMessage(name: "t", HostTensor([1], shape: [], element: .bool))
    let loop = node("Loop", ["n", "t", "x"], ["y"], ["body": .graph(body)])
    expectError("steps are not unrolled", kind: .unsupported) { try build(graph([loop], [start, truth])) }
  }

  /// Whatever stands in a name, a terminal sees letters.
  @Test func namesInMessagesAreHarmless() {
    let name = "a\u{1B}[2J\u{202E}\u{7}"
    expectError("a\\u{1b}[2J\\u{202e}\\u{7}") { try build(graph([node("Relu", [name], ["y"])])) }
    expectError("a\\u{1b}[2J\\u{202e}\\u{7}", kind: .unsupported) { try build(graph([node(name, ["x"], ["y"])])) }
  }

  private func expectFailure(location: Testing.SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
    do {
      try body()
      Issue.record("no error", sourceLocation: location)
    } catch let error as Diagnostic {
      #expect(error.kind == .input || error.kind == .unsupported, "\(error)", sourceLocation: location)
    } catch { Issue.record("\(error)", sourceLocation: location) }
  }
}
