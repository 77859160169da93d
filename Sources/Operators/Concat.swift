import Basics
import GraphIR
import LoopIR

/// Tensors one after the other along an axis whose sizes are known at compile time.
public struct Concat: Operator {
  public static let name = "concat"
  public static let operandNames = ["x..."]
  public static let formula = "y = x0, then x1, … along the axis"
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.node("Concat", ["axis": .int(axis)]) }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard let first = operands.first else { throw TypeError("concat needs at least one operand") }
    let axis = try resolveAxis(Self.name, axis, first)
    var shape = first.shape
    shape[axis] = 0
    for operand in operands {
      var others = operand.shape
      if operand.rank == first.rank { others[axis] = shape[axis] }
      guard operand.element == first.element, others == shape else {
        throw TypeError("concat along axis \(axis) needs equal element types and other axes, got \(first) and \(operand)")
      }
      shape[axis].coefficient += try requireConstant(Self.name, axis: axis, of: operand)
    }
    return [TensorType(first.element, shape)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let axis = axis < 0 ? axis + results[0].rank : axis
    let position = Index.variable("i\(axis)")
    var end = results[0].shape[axis].coefficient
    var scalar: Scalar?
    for (k, operand) in operands.enumerated().reversed() {
      let start = end - operand.shape[axis].coefficient
      var indices = operand.shape.indices.map { Index.variable("i\($0)") }
      indices[axis] = position + -start
      let element = Scalar.element(k, indices)
      scalar = scalar.map { .select(.compare(.lt, .index(position, .i64), .integer(end, .i64)), element, $0) } ?? element
      end = start
    }
    return .map(scalar!)
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    var start = 0
    return try request.operands.map { operand in
      let type = builder.type(operand)
      let size = type.shape[axis < 0 ? axis + type.rank : axis].coefficient
      defer { start += size }
      return try builder.slice(request.cotangent, axis: axis, from: start, to: start + size)
    }
  }

  public static let onnxRules = [
    ONNXRule("Concat") { node in [try node.graph.concat(node.values(), axis: node.int("axis", 1))] },
    ONNXRule("Concat", since: 4) { node in
      guard let axis = try node.int("axis") else { throw Diagnostic("attribute 'axis' is missing") }
      return [try node.graph.concat(node.values(), axis: axis)]
    },
  ]

  public static var examples: [OperatorExample] {
    let a = TensorLiteral([1, 2, 3, 4], shape: [2, 2])
    let b = TensorLiteral([5, 6], shape: [2, 1])
    return [
      OperatorExample(
        "columns", Concat(axis: -1), [a, b, a], [TensorLiteral([1, 2, 5, 1, 2, 3, 4, 6, 3, 4], shape: [2, 5])], source: "by hand"),
      OperatorExample(
        "rows", Concat(axis: 0), [a, TensorLiteral([7, 8], shape: [1, 2])], [TensorLiteral([1, 2, 3, 4, 7, 8], shape: [3, 2])],
        source: "by hand"),
      OperatorExample("one", Concat(axis: 0), [a], [a], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Tensors one after the other along `axis`. Many are joined in groups first: each element is searched among the parts.
  public mutating func concat(_ values: [ValueID], axis: Int) throws -> ValueID {
    guard values.count > 32 else { return values.count == 1 ? values[0] : try add(Concat(axis: axis), values) }
    let size = Int(Double(values.count).squareRoot().rounded(.up))
    let groups = try stride(from: 0, to: values.count, by: size).map { start in
      try concat(Array(values[start..<Swift.min(start + size, values.count)]), axis: axis)
    }
    return try concat(groups, axis: axis)
  }
}
