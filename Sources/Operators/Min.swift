import Basics
import GraphIR
import LoopIR

/// The smallest element over some axes; NaN is passed over. Among equal elements the gradient is shared evenly, as in PyTorch's amin.
public struct Min: AxesReduction {
  public static let name = "min"
  public static let combiner = Reduction.Combiner.min
  public static let formula = "y[i…] = the smallest element of x along the reduced axes"
  public var axes: [Int]
  public var keepDims: Bool

  public init(axes: [Int], keepDims: Bool = false) {
    self.axes = axes
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.reduction("ReduceMin", axes: axes, keepDims: keepDims) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.shareAmongChosen(request, axes: axes)]
  }

  public static let onnxRules = [
    ONNXRule("ReduceMin") { node in
      try node.reduced { graph, x, axes, keepDims in
        guard graph.type(x).element == .bool else { return try graph.min(x, axes: axes, keepDims: keepDims) }
        return try graph.cast(graph.min(graph.cast(x, to: .u8), axes: axes, keepDims: keepDims), to: .bool)
      }
    }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 6, 2], shape: [2, 3])
    return [
      OperatorExample("of rows", Min(axes: [1]), [x], [TensorLiteral([1, 2])], source: "by hand"),
      OperatorExample("of columns", Min(axes: [0], keepDims: true), [x], [TensorLiteral([1, 2, 2], shape: [1, 3])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The smallest element over `axes` (all of them unless given; negative ones count from the end).
  public mutating func min(_ x: ValueID, axes: [Int]? = nil, keepDims: Bool = false) throws -> ValueID {
    let axes = axes ?? Array(0..<type(x).rank)
    return axes.isEmpty ? x : try add(Min(axes: axes, keepDims: keepDims), [x])
  }
}
