import Basics
import LoopIR

/// The sum over some axes.
public struct Sum: Operator {
  public static let name = "sum"
  public static let operandNames = ["x"]
  public static let formula = "y[i…] = sum over the reduced axes of x"
  public var axes: [Int]
  public var keepDims: Bool

  public init(axes: [Int], keepDims: Bool = false) {
    self.axes = axes
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.reduction("ReduceSum", axes: axes, keepDims: keepDims) }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    [try reducedType(operands[0], axes: axes, keepDims: keepDims)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .reduction(reduction(.sum, of: operands[0], axes: axes, keepDims: keepDims))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0])
    let kept = try reducedType(x, axes: axes, keepDims: true).shape
    return [try builder.broadcast(builder.reshape(request.cotangent, kept), to: x.shape)]
  }

  public static let onnxRules = [
    ONNXRule("ReduceSum") { node in try node.reduced { try $0.sum($1, axes: $2, keepDims: $3) } }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])
    return [
      OperatorExample("of rows", Sum(axes: [1]), [x], [TensorLiteral([6, 15])], source: "by hand"),
      OperatorExample("of columns", Sum(axes: [0], keepDims: true), [x], [TensorLiteral([5, 7, 9], shape: [1, 3])], source: "by hand"),
      OperatorExample("of all", Sum(axes: [0, 1]), [x], [TensorLiteral([21], shape: [])], source: "by hand"),
    ]
  }
}

/// The type of a reduction's result; negative axes count from the end.
public func reducedType(_ x: TensorType, axes: [Int], keepDims: Bool) throws -> TensorType {
  let reduced = Set(axes.map { $0 < 0 ? $0 + x.rank : $0 })
  guard reduced.count == axes.count, reduced.allSatisfy({ (0..<x.rank).contains($0) }) else {
    throw TypeError("axes \(axes) do not fit \(x): each must lie in \(-x.rank) ..< \(x.rank), and only once")
  }
  return TensorType(
    x.element, x.shape.indices.compactMap { reduced.contains($0) ? (keepDims ? Dimension(1) : nil) : x.shape[$0] })
}

/// The reduction of operand 0 over some axes; `map` is applied to each element before it is combined.
public func reduction(
  _ combiner: Reduction.Combiner, of x: TensorType, axes: [Int], keepDims: Bool, map: (Scalar) -> Scalar = { $0 }
) -> Reduction {
  let reduced = Set(axes.map { $0 < 0 ? $0 + x.rank : $0 })
  var extents: [Dimension] = []
  var outer = 0
  let indices = x.shape.indices.map { axis -> Index in
    if reduced.contains(axis) {
      extents.append(x.shape[axis])
      if keepDims { outer += 1 }
      return .variable("r\(extents.count - 1)")
    }
    outer += 1
    return .variable("i\(outer - 1)")
  }
  return Reduction(combiner, extents: extents, body: map(.element(0, indices)))
}
