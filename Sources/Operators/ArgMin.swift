import Basics
import GraphIR
import LoopIR

/// The position of the smallest element along an axis, the first one where several are equal, as i32. NaN is passed over.
public struct ArgMin: ExtremePosition {
  public static let name = "argmin"
  public static let formula = "y[i…] = the first position of min x along the axis"
  public var axis: Int
  public var keepDims: Bool

  public init(axis: Int, keepDims: Bool = false) {
    self.axis = axis
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try call.extremePosition("ArgMin", axis: axis, keepDims: keepDims)
  }

  public func extreme(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.min(x, axes: [axis], keepDims: true)
  }

  public static let onnxRules = [
    ONNXRule("ArgMin") { node in
      try node.extremePosition { try $0.min($1, axes: [$2], keepDims: true) }
    }
  ]

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
