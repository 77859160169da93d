import Basics
import GraphIR
import LoopIR

/// The largest element over some axes; NaN is passed over. Among equal elements the gradient is shared evenly, as in PyTorch's amax.
public struct Max: AxesReduction {
  public static let name = "max"
  public static let combiner = Reduction.Combiner.max
  public static let formula = "y[i…] = the largest element of x along the reduced axes"
  public var axes: [Int]
  public var keepDims: Bool

  public init(axes: [Int], keepDims: Bool = false) {
    self.axes = axes
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.reduction("ReduceMax", axes: axes, keepDims: keepDims) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.shareAmongChosen(request, axes: axes)]
  }

  public static let onnxRules = [
    ONNXRule("ReduceMax") { node in
      try node.reduced { graph, x, axes, keepDims in
        guard graph.type(x).element == .bool else { return try graph.max(x, axes: axes, keepDims: keepDims) }
        return try graph.cast(graph.max(graph.cast(x, to: .u8), axes: axes, keepDims: keepDims), to: .bool)
      }
    }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 6, 2], shape: [2, 3])
    return [
      OperatorExample("of rows", Max(axes: [1]), [x], [TensorLiteral([3, 6])], source: "by hand"),
      OperatorExample("of columns", Max(axes: [0], keepDims: true), [x], [TensorLiteral([4, 6, 3], shape: [1, 3])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The largest element over `axes` (all of them unless given; negative ones count from the end).
  public mutating func max(_ x: ValueID, axes: [Int]? = nil, keepDims: Bool = false) throws -> ValueID {
    let axes = axes ?? Array(0..<type(x).rank)
    return axes.isEmpty ? x : try add(Max(axes: axes, keepDims: keepDims), [x])
  }
}
