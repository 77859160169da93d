import Basics
import LoopIR

/// The same elements in row-major order under another shape.
public struct Reshape: Operator {
  public static let name = "reshape"
  public static let operandNames = ["x"]
  public static let formula = "y = x, read in row-major order"
  public var shape: Shape

  public init(shape: Shape) { self.shape = shape }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { [try call.writer.reshape(call.operand(0), shape)] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let result = TensorType(operands[0].element, shape)
    guard Dimension.product(operands[0].shape) == Dimension.product(shape), Dimension.product(shape) != nil else {
      throw TypeError("cannot reshape \(operands[0]) to \(result): \(operands[0].count) elements are not \(result.count)")
    }
    return [result]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let flat = results[0].offset(shape.indices.map { .variable("i\($0)") })
    let x = operands[0]
    let indices = zip(x.strides, x.shape.indices).map { stride, axis -> Index in
      let quotient = Index.divide(flat, stride)
      return axis == 0 ? quotient : .remainder(quotient, max(1, x.shape[axis].coefficient))
    }
    return .map(.element(0, indices))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.reshape(request.cotangent, builder.type(request.operands[0]).shape)]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x3 to 3x2", Reshape(shape: [3, 2]), [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])],
        [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2])], source: "by hand")
    ]
  }
}
