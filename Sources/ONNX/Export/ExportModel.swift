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
    let used = Set(nodes.flatMap(export.writer.reads))
    // Only what can be learned is an initialiser of floats: readers take those for parameters.
    let constants = export.writer.constants.filter { used.contains($0.name) }
    var graph = GraphMessage(name: model.name)
    graph.initializer = try model.parameters.filter { used.contains($0.name) }.map { TensorMessage(name: $0.name, try weights($0)) }
    graph.initializer += constants.filter { !$0.tensor.element.isFloat }.map { TensorMessage(name: $0.name, $0.tensor) }
    graph.node = constants.filter { $0.tensor.element.isFloat }.map { constant in
      let value = AttributeMessage(name: "value", value: .tensor(TensorMessage(name: "", constant.tensor)))
      return NodeMessage(opType: "Constant", name: constant.name, output: [constant.name], attribute: [value])
    }
    let given = Array(export.leafTypes.keys) + constants.map(\.name) + export.outputNames
    var names = NodeNames(export.writer, given: given)
    graph.node += names.messages(nodes)
    graph.input = model.inputs.map { ValueInfoMessage($0.name, TensorType($0.element, GraphExport.shape(of: $0))) }
    graph.output = zip(run.outputs, export.outputNames).map { ValueInfoMessage($1, run.type($0.value)) }
    self.init(
      irVersion: 9, opsetImport: [OperatorSetMessage(version: Int64(ONNXWriter.operatorSet))], producerName: "gradc",
      producerVersion: gradcVersion, graph: graph)
  }
}

extension ValueInfoMessage {
  /// A tensor; symbols are dimensions with names.
  init(_ name: String, _ type: TensorType) {
    let shape = type.shape.map { size -> DimensionMessage in
      DimensionMessage(size.constant.map { .value(Int64($0)) } ?? .parameter(size.description))
    }
    self.init(name: name, type: TypeMessage(.tensor(element: Int32(type.element.onnx), shape: shape)))
  }
}
