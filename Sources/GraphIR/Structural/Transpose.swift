import Basics
import LoopIR

/// The axes in another order. A result whose symbolic axis is not outermost exists only as a view: it cannot be stored row by row.
public struct Transpose: Operator {
  public static let name = "transpose"
  public static let operandNames = ["x"]
  public static let formula = "axis k of y is axis permutation[k] of x"
  public var permutation: [Int]

  public init(_ permutation: [Int]) { self.permutation = permutation }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { [try call.writer.transpose(call.operand(0), permutation)] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard permutation.sorted() == Array(0..<operands[0].rank) else {
      throw TypeError("transpose of \(operands[0]): \(permutation) is not a permutation of its \(operands[0].rank) axes")
    }
    return [TensorType(operands[0].element, permutation.map { operands[0].shape[$0] })]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(.element(0, inverse.map { .variable("i\($0)") }))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.transpose(request.cotangent, inverse)]
  }

  /// Where each axis of x is in y.
  private var inverse: [Int] {
    var inverse = permutation
    for (axis, source) in permutation.enumerated() { inverse[source] = axis }
    return inverse
  }

  public static let onnxRules = [
    ONNXRule("Transpose") { node in
      let x = try node.value(0)
      return [try node.graph.transpose(x, node.ints("perm") ?? Array(0..<node.type(x).rank).reversed())]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a matrix", Transpose([1, 0]), [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])],
        [TensorLiteral([1, 4, 2, 5, 3, 6], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "three axes", Transpose([2, 0, 1]), [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [1, 2, 3])],
        [TensorLiteral([1, 4, 2, 5, 3, 6], shape: [3, 1, 2])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The axes in the order of `permutation`. Turning what was turned is one turn, or none.
  public mutating func transpose(_ x: ValueID, _ permutation: [Int]) throws -> ValueID {
    if permutation == Array(0..<type(x).rank) { return x }
    if let first = graph[x].op as? Transpose, permutation.sorted() == Array(0..<type(x).rank) {
      return try transpose(graph[x].operands[0], permutation.map { first.permutation[$0] })
    }
    return try add(Transpose(permutation), [x])
  }
}
