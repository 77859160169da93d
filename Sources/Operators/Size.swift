import Basics
import GraphIR
import LoopIR

/// A size as a number: what a mean over a symbolic axis divides by.
public struct Size: Operator {
  public static let name = "size"
  public static let operandNames: [String] = []
  public static let formula = "y = size, the value of its symbol put in"
  public static let isDifferentiable = false
  public var size: Dimension
  public var element: ElementType

  public init(_ size: Dimension, _ element: ElementType) {
    self.size = size
    self.element = element
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    if let size = size.constant { return [call.writer.number(Double(size), element)] }
    return [call.writer.cast(try call.writer.reshape(call.writer.sizes([size]), []), to: element)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard element != .bool else { throw TypeError("size needs a number type, got bool") }
    return [TensorType(element, [])]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    if let constant = size.constant { return .map(.constant(Double(constant), element)) }
    return .map(element == .i64 ? .index(size.index, .i64) : .cast(element, .index(size.index, .i64)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [] }

  public static let onnxRules = [
    ONNXRule(
      "Size",
      values: { node in
        let size = try size(of: node.type(0).shape)
        return [try size.constant.map { .constant(HostTensor([$0], shape: [])) } ?? .value(node.add(Size(size, .i64)))]
      }),
    ONNXRule(
      "Shape",
      values: { node in
        let shape = try node.type(0).shape
        func bounded(_ position: Int) -> Int { min(max(position < 0 ? position + shape.count : position, 0), shape.count) }
        let (start, end) = (bounded(try node.int("start", 0)), bounded(try node.int("end", shape.count)))
        let taken = Array(shape[start..<max(start, end)])
        let known = taken.compactMap(\.constant)
        if known.count == taken.count { return [.constant(HostTensor(known))] }
        let sizes = try taken.map { size in
          let value = try size.constant.map { try node.graph.constant(Double($0), .i64) } ?? node.add(Size(size, .i64))
          return try node.graph.reshape(value, [1])
        }
        return [.value(try node.graph.concat(sizes, axis: 0))]
      }),
  ]

  private static func size(of shape: Shape) throws -> Dimension {
    guard let size = Dimension.product(shape) else {
      throw Diagnostic("a product of two symbolic sizes is not supported", kind: .unsupported)
    }
    return size
  }

  public static var examples: [OperatorExample] {
    [OperatorExample("twelve", Size(12, .f32), [], [TensorLiteral([12], shape: [])], source: "by hand")]
  }
}

extension GraphBuilder {
  /// How many elements have these sizes, as a scalar: a constant unless one of them is symbolic.
  public mutating func size(of shape: some Sequence<Dimension>, _ element: ElementType) throws -> ValueID {
    guard let size = Dimension.product(shape) else { throw TypeError("a product of two symbolic sizes is not supported") }
    if let constant = size.constant { return try self.constant(Double(constant), element) }
    return try add(Size(size, element), [])
  }
}
