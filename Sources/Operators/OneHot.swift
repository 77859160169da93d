import Basics
import GraphIR
import LoopIR

/// 1 at the position given by an integer, 0 elsewhere, along a new last axis; all 0 where the integer is outside.
public struct OneHot: Operator {
  public static let name = "one_hot"
  public static let operandNames = ["indices"]
  public static let formula = "y[i…, c] = 1 if indices[i…] = c, else 0"
  public static let isDifferentiable = false
  /// The size of the new axis.
  public var depth: Int
  public var element: ElementType

  public init(depth: Int, _ element: ElementType) {
    self.depth = depth
    self.element = element
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // ONNX's OneHot counts negative numbers from the end.
    let indices = try call.operand(0)
    let column = try call.writer.reshape(call.writer.cast(indices, to: .i64), indices.shape + [1])
    let isOne = try call.writer.pointwise("Equal", [column, call.writer.integers(Array(0..<depth))], element: .bool)
    return [call.writer.cast(isOne, to: element)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    guard operands[0].element.isInteger, depth > 0 else {
      throw TypeError("one_hot needs integers and a positive depth, got \(operands[0]) and \(depth)")
    }
    return [TensorType(element, operands[0].shape + [Dimension(depth)])]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let rank = operands[0].rank
    let position = Scalar.index(.variable("i\(rank)"), operands[0].element)
    return .map(.select(.compare(.eq, .operand(0, rank: rank), position), .constant(1, element), .constant(0, element)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  /// Negative integers count from the end; floats are truncated.
  public static let onnxRules = [
    ONNXRule("OneHot", since: 9, keepsTypes: true) { node in
      let (indices, values) = (try node.graph.cast(node.stored(0), to: .i64), try node.stored(2))
      guard let depth = try node.integers(1).first, depth > 0, depth <= 1 << 24 else {
        throw Diagnostic("input 1, the depth, must be a number from 1 to \(1 << 24)")
      }
      var shape = node.type(indices).shape
      let axis = try node.axis(node.int("axis", -1), rank: shape.count + 1)
      shape.insert(1, at: axis)
      let wrapped = try node.graph.select(node.graph.less(indices, 0), node.graph.add(indices, Double(depth)), indices)
      var steps: Shape = shape.map { _ in 1 }
      steps[axis] = Dimension(depth)
      let isHot = try node.graph.equal(node.graph.reshape(wrapped, shape), node.graph.iota(steps, axis: axis, .i64))
      let off = try node.graph.reshape(node.graph.slice(values, axis: 0, from: 0, to: 1), [])
      let on = try node.graph.reshape(node.graph.slice(values, axis: 0, from: 1, to: 2), [])
      return [try node.graph.select(isHot, on, off)]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three classes", OneHot(depth: 3, .f32), [TensorLiteral([2, 0, 5], element: .i32)],
        [TensorLiteral([0, 0, 1, 1, 0, 0, 0, 0, 0], shape: [3, 3])], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// 1 at the position given by an integer, 0 elsewhere, along a new last axis of size `depth`.
  public mutating func oneHot(_ indices: ValueID, depth: Int, _ element: ElementType) throws -> ValueID {
    try add(OneHot(depth: depth, element), [indices])
  }
}
