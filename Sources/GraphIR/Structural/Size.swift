import Basics
import LoopIR

/// A dimension as a number: the batch of this call, for means over it.
public struct Size: Operator {
  public static let name = "size"
  public static let operandNames: [String] = []
  public static let formula = "y = the dimension's size"
  public static let isDifferentiable = false
  public var dimension: Dimension
  public var element: ElementType

  public init(of dimension: Dimension, _ element: ElementType) {
    self.dimension = dimension
    self.element = element
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [TensorType(element, [])] }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.index(dimension.index, element)) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [] }

  public static var examples: [OperatorExample] {
    [OperatorExample("of an axis", Size(of: 3, .f32), [], [TensorLiteral([3], shape: [])], source: "by hand")]
  }
}

extension GraphBuilder {
  /// A dimension's size as a scalar; a constant where it is known.
  public mutating func size(_ dimension: Dimension, _ element: ElementType) throws -> ValueID {
    if let size = dimension.constant { return try constant(Double(size), element) }
    return try add(Size(of: dimension, element), [])
  }
}
