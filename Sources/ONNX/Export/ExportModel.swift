import Basics
import GraphIR
import LoopIR

extension ModelMessage {
  /// The model's `run` graph as ONNX, with the values of its parameters: an inference model whose inputs, outputs and parameters have the
  /// names that they have here and whose batch is the symbolic dimension `N`. The same model gives the same message. Throws an error of the
  /// kind `unsupported` that names layer and operator where ONNX has no words for one.
  public init(_ model: Model, gradcVersion: String, weights: (Parameter) throws -> HostTensor) throws {
    guard let run = model.graph("run") else { throw Diagnostic.bug("a model without the graph 'run' cannot be exported") }
    let export = try GraphExport(run, inputs: model.inputs)
    let nodes = Simplification(export).run()
    let used = Set(nodes.flatMap(\.inputs))
    // Only what can be learned is an initialiser of floats: readers take those for parameters.
    let constants = export.writer.constants.filter { used.contains($0.name) }
    var graph = GraphMessage(name: model.name)
    graph.initializer = try model.parameters.filter { used.contains($0.name) }.map { TensorMessage(name: $0.name, try weights($0)) }
    graph.initializer += constants.filter { !$0.tensor.element.isFloat }.map { TensorMessage(name: $0.name, $0.tensor) }
    graph.node = constants.filter { $0.tensor.element.isFloat }.map { constant in
      let value = AttributeMessage(name: "value", value: .tensor(TensorMessage(name: "", constant.tensor)))
      return NodeMessage(opType: "Constant", name: constant.name, output: [constant.name], attribute: [value])
    }
    graph.node += nodes.map { NodeMessage($0) }
    graph.input = model.inputs.map { ValueInfoMessage($0.name, TensorType($0.element, GraphExport.shape(of: $0))) }
    graph.output = zip(run.outputs, export.outputNames).map { ValueInfoMessage($1, run.type($0.value)) }
    self.init(
      irVersion: 9, opsetImport: [OperatorSetMessage(version: Int64(ONNXWriter.operatorSet))], producerName: "gradc",
      producerVersion: gradcVersion, graph: graph)
  }
}

extension ValueInfoMessage {
  /// A tensor; symbols are dimensions with names.
  fileprivate init(_ name: String, _ type: TensorType) {
    let shape = type.shape.map { size -> DimensionMessage in
      DimensionMessage(size.constant.map { .value(Int64($0)) } ?? .parameter(size.description))
    }
    self.init(name: name, type: TypeMessage(.tensor(element: Int32(type.element.onnx), shape: shape)))
  }
}

extension NodeMessage {
  fileprivate init(_ node: ONNXWriter.Node) {
    self.init(
      opType: node.type, name: node.name, input: node.inputs, output: node.outputs,
      attribute: node.attributes.map { AttributeMessage(name: $0.name, value: .init($0.value)) })
  }
}

extension AttributeMessage.Value {
  fileprivate init(_ value: ONNXAttribute) {
    switch value {
    case .int(let value): self = .int(Int64(value))
    case .float(let value): self = .float(Float(value))
    case .string(let value): self = .string(Array(value.utf8))
    case .ints(let values): self = .ints(values.map { Int64($0) })
    case .floats(let values): self = .floats(values.map { Float($0) })
    case .strings(let values): self = .strings(values.map { Array($0.utf8) })
    case .tensor(let tensor): self = .tensor(TensorMessage(name: "", tensor))
    case .graph: preconditionFailure("no rule writes subgraphs")
    }
  }
}
