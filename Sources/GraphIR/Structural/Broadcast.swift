import Basics
import LoopIR

/// Repeats along missing leading axes and axes of size 1.
public struct Broadcast: Operator {
  public static let name = "broadcast"
  public static let operandNames = ["x"]
  public static let formula = "y[i…] = x[the same position, 0 where x has size 1]"
  public var shape: Shape

  public init(shape: Shape) { self.shape = shape }

  /// Nothing: ONNX repeats by itself where it can, and elsewhere the tensor is expanded when it is asked for.
  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { call.inputs }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard try broadcastShape(operands[0].shape, shape) == shape else {
      throw TypeError("cannot broadcast \(operands[0]) to \(TensorType(operands[0].element, shape))")
    }
    return [TensorType(operands[0].element, shape)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let x = operands[0].shape
    let skipped = shape.count - x.count
    return .map(.element(0, x.indices.map { x[$0] == 1 && shape[skipped + $0] != 1 ? .constant(0) : .variable("i\(skipped + $0)") }))
  }

  /// Broadcasts are undone here and nowhere else: the cotangent is summed over what was repeated.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0]).shape
    let skipped = shape.count - x.count
    let repeated = shape.indices.filter { $0 < skipped || (x[$0 - skipped] == 1 && shape[$0] != 1) }
    return [try builder.reshape(builder.sum(request.cotangent, axes: repeated), x)]
  }

  public static let onnxRules = [
    ONNXRule("Expand", since: 8) { node in
      let x = try node.value(0)
      return [try node.graph.broadcast(x, to: broadcastShape(node.type(x).shape, node.dimensions(1)))]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "rows and columns", Broadcast(shape: [2, 3]), [TensorLiteral([1, 2], shape: [2, 1])],
        [TensorLiteral([1, 1, 1, 2, 2, 2], shape: [2, 3])], source: "by hand"),
      OperatorExample(
        "a vector to rows", Broadcast(shape: [2, 2]), [TensorLiteral([1, 2])], [TensorLiteral([1, 2, 1, 2], shape: [2, 2])],
        source: "by hand"),
    ]
  }
}
