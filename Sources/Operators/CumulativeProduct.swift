import Basics
import GraphIR
import LoopIR

/// Products along an axis of the elements up to each one.
public struct CumulativeProduct: ScanningOperator {
  public static let name = "cumulative_product"
  public static let combiner = Reduction.Combiner.product
  public static let formula = "y[…, i, …] = product over k up to i of x[…, k, …]"
  public var axis: Int
  public var exclusive: Bool
  public var reverse: Bool

  /// Beyond this the table of what belongs to a product would be large.
  private static let largestSize = 1024

  public init(axis: Int, exclusive: Bool = false, reverse: Bool = false) {
    self.axis = axis
    self.exclusive = exclusive
    self.reverse = reverse
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // Products over an axis of its own with 1 for what does not belong to them: ONNX has no scan of products in this operator set.
    let x = try call.operand(0)
    let axis = axis < 0 ? axis + x.rank : axis
    guard let size = x.shape[axis].constant, size <= Self.largestSize else { return nil }
    let trailing = Shape(x.shape[(axis + 1)...])
    let rows = try call.writer.reshape(x, Shape(x.shape[..<axis]) + [1, Dimension(size)] + trailing)
    let belongs = (0..<size).flatMap { row in
      (0..<size).map { ($0 == row ? !exclusive : (reverse ? $0 > row : $0 < row)) ? 1 : 0 }
    }
    let mask = call.writer.constant(HostTensor(belongs, shape: [size, size] + trailing.map { _ in 1 }, element: .bool))
    let factors = try call.writer.pointwise("Where", [mask, rows, call.writer.number(1, x.element)], element: x.element)
    let attributes: ONNXAttributes = ["keepdims": .int(0)]
    return call.writer.node("ReduceProd", [factors, call.writer.integers([axis + 1])], attributes, types: call.results)
  }

  /// The sum over what follows of dy y, divided by x. The first zero has the same with a 1 in its place; behind it all is 0.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y, dy) = (request.operands[0], request.result, request.cotangent)
    let element = builder.type(x).element
    let isZero = try builder.equal(x, 0)
    let zeros = try builder.cumulativeSum(builder.cast(isZero, to: element), axis: axis, reverse: reverse)
    let isFirst = try builder.logicalAnd(isZero, builder.equal(zeros, 1))
    let filled = try builder.add(
      CumulativeProduct(axis: axis, exclusive: exclusive, reverse: reverse), [builder.select(isFirst, 1, x)])
    func following(_ y: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
      try builder.cumulativeSum(builder.multiply(dy, y), axis: axis, exclusive: exclusive, reverse: !reverse)
    }
    let quotient = try builder.divide(following(y, &builder), builder.select(isZero, 1, x))
    let before = try builder.select(builder.equal(zeros, 0), quotient, 0)
    return [try builder.select(isFirst, following(filled, &builder), before)]
  }

  public static let onnxRules = [
    ONNXRule("CumProd") { node in
      let (axis, exclusive, reverse) = try node.scanning()
      return [try node.add(CumulativeProduct(axis: axis, exclusive: exclusive, reverse: reverse), node.value(0))]
    }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])
    return [
      OperatorExample(
        "of rows", CumulativeProduct(axis: 1), [x], [TensorLiteral([1, 2, 6, 4, 20, 120], shape: [2, 3])], source: "by hand"),
      OperatorExample(
        "of columns, from the end", CumulativeProduct(axis: 0, reverse: true), [x],
        [TensorLiteral([4, 10, 18, 4, 5, 6], shape: [2, 3])], source: "by hand"),
      OperatorExample(
        "without the element", CumulativeProduct(axis: 1, exclusive: true), [x], [TensorLiteral([1, 1, 2, 1, 4, 20], shape: [2, 3])],
        source: "by hand"),
      OperatorExample(
        "zeros", CumulativeProduct(axis: 0), [TensorLiteral([2, 3, 0, 4, 0, 5])], [TensorLiteral([2, 6, 0, 0, 0, 0])], source: "by hand"),
      OperatorExample(
        "zeros, from the end", CumulativeProduct(axis: 0, exclusive: true, reverse: true), [TensorLiteral([2, 3, 0, 4])],
        [TensorLiteral([0, 0, 4, 1])], source: "by hand"),
    ]
  }
}
