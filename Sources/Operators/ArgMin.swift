import Basics
import GraphIR
import LoopIR

/// The position of the smallest element along an axis, the first one where several are equal, as i32. NaN is passed over.
public struct ArgMin: Operator {
  public static let name = "argmin"
  public static let operandNames = ["x"]
  public static let formula = "y[i…] = the first position of min x along the axis"
  public static let isDifferentiable = false
  public var axis: Int
  public var keepDims: Bool

  public init(axis: Int, keepDims: Bool = false) {
    self.axis = axis
    self.keepDims = keepDims
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireNumber(Self.name, [operands[0].element])
    return [try reducedType(operands[0], axes: [axis], keepDims: keepDims).with(.i32)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let extreme = try builder.min(x[0], axes: [axis], keepDims: true)
      return [try builder.firstPosition(of: extreme, in: x[0], axis: axis, keepDims: keepDims)]
    }
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "of rows", ArgMin(axis: -1), [TensorLiteral([1, 2, 3, 6, -1, 6], shape: [2, 3])], [TensorLiteral([0, 1], element: .i32)],
        source: "by hand", checksGradient: false),
      OperatorExample(
        "of columns, axis kept", ArgMin(axis: 0, keepDims: true), [TensorLiteral([1, 2, 2, 1], shape: [2, 2])],
        [TensorLiteral([0, 1], shape: [1, 2], element: .i32)], source: "by hand", checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// The position of the smallest element along `axis`, as i32.
  public mutating func argMin(_ x: ValueID, axis: Int, keepDims: Bool = false) throws -> ValueID {
    try add(ArgMin(axis: axis, keepDims: keepDims), [x])
  }
}
