import Basics
import LoopIR

/// The same elements in row-major order under another shape.
public struct Reshape: Operator {
  public static let name = "reshape"
  public static let operandNames = ["x"]
  public static let formula = "y = x, read in row-major order"
  public var shape: Shape

  public init(shape: Shape) { self.shape = shape }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { [try call.writer.reshape(call.operand(0), shape)] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let result = TensorType(operands[0].element, shape)
    guard Dimension.product(operands[0].shape) == Dimension.product(shape), Dimension.product(shape) != nil else {
      throw TypeError("cannot reshape \(operands[0]) to \(result): \(operands[0].count) elements are not \(result.count)")
    }
    return [result]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let flat = results[0].offset(shape.indices.map { .variable("i\($0)") })
    let x = operands[0]
    let indices = zip(x.strides, x.shape.indices).map { stride, axis -> Index in
      let quotient = Index.divide(flat, stride)
      return axis == 0 ? quotient : .remainder(quotient, max(1, x.shape[axis].coefficient))
    }
    return .map(.element(0, indices))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.reshape(request.cotangent, builder.type(request.operands[0]).shape)]
  }

  public static let onnxRules = [
    ONNXRule("Reshape") { node in
      guard let sizes = try node.ints("shape") else { throw Diagnostic("attribute 'shape' is missing") }
      return [try reshaped(node, sizes.map { Dimension($0) }, zeroKeeps: true)]
    },
    ONNXRule("Reshape", since: 5) { node in [try reshaped(node, node.dimensions(1), zeroKeeps: node.int("allowzero", 0) == 0)] },
    ONNXRule("Flatten") { node in
      let x = try node.value(0)
      let rank = node.type(x).rank
      let axis = try node.int("axis", 1)
      return [try node.graph.flattened(x, from: axis == rank ? rank : node.axis(axis, rank: rank))]
    },
    ONNXRule("Squeeze") { node in
      let x = try node.value(0)
      let shape = node.type(x).shape
      let axes = try node.axes(operand: 1, rank: shape.count) ?? shape.indices.filter { shape[$0] == 1 }
      guard axes.allSatisfy({ shape[$0] == 1 }) else { throw Diagnostic("axes \(axes) of \(node.type(x)) are not all of size 1") }
      return [try node.graph.reshape(x, shape.indices.filter { !axes.contains($0) }.map { shape[$0] })]
    },
    ONNXRule("Unsqueeze") { node in
      let x = try node.value(0)
      guard let given = try node.ints("axes") ?? (node.has(1) ? node.integers(1) : nil) else { throw Diagnostic("the axes are missing") }
      var shape = node.type(x).shape
      let axes = try given.map { try node.axis($0, rank: shape.count + given.count) }.sorted()
      guard Set(axes).count == axes.count else { throw Diagnostic("axes \(given) name one axis twice") }
      for axis in axes { shape.insert(1, at: axis) }
      return [try node.graph.reshape(x, shape)]
    },
  ]

  /// A size of 0 means that of the same axis of x, where `zeroKeeps`; -1 what is left.
  private static func reshaped(_ node: ONNXNode, _ sizes: Shape, zeroKeeps: Bool) throws -> ValueID {
    let x = try node.value(0)
    let type = node.type(x)
    var shape = try sizes.indices.map { axis -> Dimension in
      guard sizes[axis] == 0, zeroKeeps else { return sizes[axis] }
      guard axis < type.rank else { throw Diagnostic("the new shape keeps axis \(axis), which \(type) does not have") }
      return type.shape[axis]
    }
    if let open = shape.firstIndex(of: -1) {
      shape[open] = 1
      guard let known = Dimension.product(shape), let total = Dimension.product(type.shape), let rest = total.dividedExactly(by: known)
      else {
        throw Diagnostic("\(type) cannot be reshaped to [\(sizes.map(\.description).joined(separator: ", "))]")
      }
      shape[open] = rest
    }
    guard shape.allSatisfy({ $0.coefficient >= 0 }) else {
      throw Diagnostic("sizes must not be negative, but for one -1, got [\(sizes.map(\.description).joined(separator: ", "))]")
    }
    return try node.graph.reshape(x, shape)
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x3 to 3x2", Reshape(shape: [3, 2]), [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])],
        [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2])], source: "by hand")
    ]
  }
}
