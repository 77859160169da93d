import Basics
import LoopIR

/// One of the values of a tuple.
public struct Element: Operator {
  public static let name = "element"
  public static let operandNames = ["tuple"]
  public static let formula = "y = tuple.index"
  public var index: Int
  /// The types of the tuple's values.
  public var types: [TensorType]

  public init(_ index: Int, of types: [TensorType]) {
    self.index = index
    self.types = types
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard types.indices.contains(index) else { throw TypeError("a tuple of \(types.count) values has no element \(index)") }
    return [types[index]]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.operand(0, rank: results[0].rank)) }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "of a single value", Element(0, of: [TensorType(.f32, [2])]), [TensorLiteral([1, 2])], [TensorLiteral([1, 2])],
        source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// The values of a node: itself, or the elements of a tuple.
  public mutating func elements(_ value: ValueID) throws -> [ValueID] {
    let types = graph[value].types
    return types.count == 1 ? [value] : try types.indices.map { try add(Element($0, of: types), [value]) }
  }
}
