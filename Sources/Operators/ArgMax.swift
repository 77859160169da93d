import Basics
import GraphIR
import LoopIR

/// The position of the largest element along an axis, the first one where several are equal, as i32. NaN is passed over.
public struct ArgMax: ExtremePosition {
  public static let name = "argmax"
  public static let formula = "y[i…] = the first position of max x along the axis"
  public var axis: Int
  public var keepDims: Bool

  public init(axis: Int, keepDims: Bool = false) {
    self.axis = axis
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try call.extremePosition("ArgMax", axis: axis, keepDims: keepDims)
  }

  public func extreme(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.max(x, axes: [axis], keepDims: true)
  }

  public static let onnxRules = [
    ONNXRule("ArgMax") { node in
      try node.extremePosition { try $0.max($1, axes: [$2], keepDims: true) }
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "of rows", ArgMax(axis: -1), [TensorLiteral([1, 2, 3, 6, -1, 6], shape: [2, 3])], [TensorLiteral([2, 0], element: .i32)],
        source: "by hand", checksGradient: false),
      OperatorExample(
        "of columns, axis kept", ArgMax(axis: 0, keepDims: true), [TensorLiteral([1, 2, 2, 1], shape: [2, 2])],
        [TensorLiteral([1, 0], shape: [1, 2], element: .i32)], source: "by hand", checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// The position of the largest element along `axis`, as i32.
  public mutating func argMax(_ x: ValueID, axis: Int, keepDims: Bool = false) throws -> ValueID {
    try add(ArgMax(axis: axis, keepDims: keepDims), [x])
  }
}
