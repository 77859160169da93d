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
