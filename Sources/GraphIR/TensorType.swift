import Basics
import LoopIR

/// The size of an axis: a constant times at most one bounded symbol (`16`, `N`, `64·N`).
public struct Dimension: Hashable, Sendable, Codable, CustomStringConvertible, ExpressibleByIntegerLiteral {
  public var coefficient: Int
  public var symbol: String?

  /// A size known at compile time, or a multiple of a symbol.
  public init(_ coefficient: Int, symbol: String? = nil) {
    self.coefficient = coefficient
    self.symbol = symbol
  }

  public init(integerLiteral value: Int) { self.init(value) }

  /// The batch: the symbol that every model has.
  public static let batch = Dimension(1, symbol: "n")

  /// The size when it is known at compile time.
  public var constant: Int? { symbol == nil ? coefficient : nil }

  /// The size as a loop bound.
  public var index: Index { symbol.map { .variable($0) * coefficient } ?? .constant(coefficient) }

  /// `16`, `N`, `64*N`; the batch symbol is written N.
  public var description: String {
    guard let symbol else { return "\(coefficient)" }
    return (coefficient == 1 ? "" : "\(coefficient)*") + symbol.uppercased()
  }

  /// The size that makes this one when it is multiplied with `other`; nil where there is none.
  public func dividedExactly(by other: Dimension) -> Dimension? {
    guard other.coefficient > 0, coefficient % other.coefficient == 0, other.symbol == nil || other.symbol == symbol else { return nil }
    return Dimension(coefficient / other.coefficient, symbol: other.symbol == nil ? symbol : nil)
  }

  /// A product; nil where both have a symbol.
  public static func product(_ dims: some Sequence<Dimension>) -> Dimension? {
    var result = Dimension(1)
    for dim in dims {
      if dim.symbol != nil {
        guard result.symbol == nil else { return nil }
        result.symbol = dim.symbol
      }
      let (value, overflow) = result.coefficient.multipliedReportingOverflow(by: dim.coefficient)
      guard !overflow else { return nil }
      result.coefficient = value
    }
    return result
  }
}

/// Axes from outermost to innermost; empty for a scalar.
public typealias Shape = [Dimension]

/// Element type and shape of a tensor.
public struct TensorType: Hashable, Sendable, Codable, CustomStringConvertible {
  public var element: ElementType
  public var shape: Shape

  public init(_ element: ElementType, _ shape: Shape) {
    self.element = element
    self.shape = shape
  }

  public var rank: Int { shape.count }

  /// `f32[N, 16]`.
  public var description: String { "\(element.rawValue)[\(shape.map(\.description).joined(separator: ", "))]" }

  /// Elements, as a constant times at most one symbol.
  public var count: Dimension { Dimension.product(shape) ?? Dimension(.max) }

  /// Whether it has no elements, whatever the symbols' values.
  public var isEmpty: Bool { shape.contains { $0.coefficient == 0 } }

  /// Elements with every symbol at its maximum.
  public func maximumCount(_ symbols: [Symbol]) -> Int {
    let count = count
    guard let name = count.symbol else { return count.coefficient }
    return count.coefficient * (symbols.first { $0.name == name }?.maximum ?? 1)
  }

  /// The same shape with another element type.
  public func with(_ element: ElementType) -> TensorType { TensorType(element, shape) }

  /// Elements between neighbours along each axis in row-major order. Only the outermost axis may be symbolic.
  public var strides: [Int] {
    var strides = Array(repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * shape[axis + 1].coefficient }
    return strides
  }

  /// The row-major position of an element.
  public func offset(_ indices: [Index]) -> Index {
    zip(indices, strides).reduce(.constant(0)) { $0 + $1.0 * $1.1 }
  }
}

/// A small tensor with values, for operators' examples and tests.
public struct TensorLiteral: Hashable, Sendable {
  public var element: ElementType
  public var shape: [Int]
  /// Row major; integers and bools as whole numbers.
  public var values: [Double]

  public init(_ values: [Double], shape: [Int]? = nil, element: ElementType = .f32) {
    self.values = values
    self.shape = shape ?? [values.count]
    self.element = element
  }

  /// Its type, with constant dimensions.
  public var type: TensorType { TensorType(element, shape.map { Dimension($0) }) }
}
