import Basics
import GraphIR
import LoopIR

/// The product over some axes.
public struct Product: AxesReduction {
  public static let name = "product"
  public static let combiner = Reduction.Combiner.product
  public static let formula = "y[i…] = product over the reduced axes of x"
  public var axes: [Int]
  public var keepDims: Bool

  public init(axes: [Int], keepDims: Bool = false) {
    self.axes = axes
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try call.reduction("ReduceProd", axes: axes, keepDims: keepDims)
  }

  /// The product of the other elements, in linear time and right at zeros: y / x without zeros; with one zero only that element has a
  /// gradient, the product of the rest; with more none has.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = request.operands[0]
    let kept = try reducedType(builder.type(x), axes: axes, keepDims: true).shape
    let isZero = try builder.equal(x, 0)
    let others = try builder.select(isZero, 1, x)
    let rest = try builder.product(others, axes: axes, keepDims: true)
    let zeros = try builder.sum(builder.cast(isZero, to: builder.type(x).element), axes: axes, keepDims: true)
    let atZero = try builder.select(builder.equal(zeros, 1), rest, 0)
    let elsewhere = try builder.divide(builder.reshape(request.result, kept), others)
    return [try builder.multiply(builder.reshape(request.cotangent, kept), builder.select(isZero, atZero, elsewhere))]
  }

  public static let onnxRules = [
    ONNXRule("ReduceProd") { node in try node.reduced { try $0.product($1, axes: $2, keepDims: $3) } }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 0, 2], shape: [2, 3])
    return [
      OperatorExample("of rows", Product(axes: [1]), [x], [TensorLiteral([6, 0])], source: "by hand"),
      OperatorExample(
        "of columns", Product(axes: [0], keepDims: true), [x], [TensorLiteral([4, 0, 6], shape: [1, 3])], source: "by hand"),
      OperatorExample("two zeros", Product(axes: [0]), [TensorLiteral([0, 3, 0])], [TensorLiteral([0], shape: [])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The product over `axes` (all of them unless given; negative ones count from the end).
  public mutating func product(_ x: ValueID, axes: [Int]? = nil, keepDims: Bool = false) throws -> ValueID {
    let axes = axes ?? Array(0..<type(x).rank)
    return axes.isEmpty ? x : try add(Product(axes: axes, keepDims: keepDims), [x])
  }
}
