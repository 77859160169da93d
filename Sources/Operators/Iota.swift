import Basics
import GraphIR
import LoopIR

/// Each element's position along an axis.
public struct Iota: Operator {
  public static let name = "iota"
  public static let operandNames: [String] = []
  public static let formula = "y[i…] = i[axis]"
  public static let isDifferentiable = false
  public var shape: Shape
  public var axis: Int
  public var element: ElementType

  public init(shape: Shape, axis: Int, _ element: ElementType) {
    self.shape = shape
    self.axis = axis
    self.element = element
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let trailing = Shape(repeating: 1, count: shape.count - axis - 1)
    if let size = shape[axis].constant {
      let positions = HostTensor(Array(0..<size), shape: [size] + trailing.map(\.coefficient), element: element)
      return [call.writer.constant(positions)]
    }
    let size = try call.writer.reshape(call.writer.sizes([shape[axis]]), [])
    let ends = [0, 1].map { call.writer.constant(HostTensor([$0], shape: [])) }
    let range = call.writer.node("Range", [ends[0], size, ends[1]], shape: [shape[axis]])
    return [try call.writer.reshape(call.writer.cast(range, to: element), [shape[axis]] + trailing)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let type = TensorType(element, shape)
    guard element != .bool, shape.indices.contains(axis) else {
      throw TypeError("iota needs a number type and an axis of its shape, got \(type) and axis \(axis)")
    }
    return [type]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(.index(.variable("i\(axis)"), element))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [] }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "columns", Iota(shape: [2, 3], axis: 1, .i32), [], [TensorLiteral([0, 1, 2, 0, 1, 2], shape: [2, 3], element: .i32)],
        source: "by hand"),
      OperatorExample("as floats", Iota(shape: [3], axis: 0, .f32), [], [TensorLiteral([0, 1, 2])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Each element's position along `axis`.
  public mutating func iota(_ shape: Shape, axis: Int, _ element: ElementType) throws -> ValueID {
    try add(Iota(shape: shape, axis: axis, element), [])
  }
}
