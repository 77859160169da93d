import Basics

/// A node of a graph as its operator's export rule sees it: operands by their names in the ONNX graph, and the writer.
public struct ONNXCall: Sendable {
  public var writer: ONNXWriter
  /// The operands as they are in the file, perhaps not yet repeated to the shapes in `operands`.
  public var inputs: [ONNXTensor]
  /// The types of the operands.
  public var operands: [TensorType]
  /// The types of the results.
  public var results: [TensorType]

  public init(writer: ONNXWriter) {
    self.writer = writer
    inputs = []
    operands = []
    results = []
  }

  /// The element type of the first operand.
  public var element: ElementType { operands[0].element }

  /// Operand `k` as a whole.
  public mutating func operand(_ k: Int) throws -> ONNXTensor { try writer.expand(inputs[k], to: operands[k].shape) }

  /// All operands as wholes.
  public mutating func wholeOperands() throws -> [ONNXTensor] { try inputs.indices.map { try operand($0) } }

  /// One ONNX node of the whole operands, with the results as they are.
  public mutating func node(_ type: String, _ attributes: ONNXAttributes = [:]) throws -> [ONNXTensor] {
    let operands = try wholeOperands()
    return writer.node(type, operands, attributes, types: results)
  }

  /// One ONNX node that works element by element and broadcasts by itself.
  public mutating func pointwise(_ type: String, _ attributes: ONNXAttributes = [:]) throws -> [ONNXTensor] {
    [try writer.pointwise(type, inputs, attributes, element: results[0].element)]
  }

  /// A reduction over axes, negative ones counted from the end.
  public mutating func reduction(_ type: String, axes: [Int], keepDims: Bool) throws -> [ONNXTensor] {
    let operands = [try operand(0), writer.integers(axes)]
    return writer.node(type, operands, ["keepdims": .int(keepDims ? 1 : 0)], types: results)
  }

  /// What ONNX cannot say.
  public func unsupported(_ what: String) -> Diagnostic { Diagnostic(what, kind: .unsupported) }
}
