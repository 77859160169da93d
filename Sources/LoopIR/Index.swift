/// An integer expression that addresses elements and bounds loops: affine terms, floor division and remainder by constants,
/// minimum, and range-stated values read from memory. Variables are loop variables, program symbols (`n`) and `part`.
public indirect enum Index: Hashable, Sendable {
  case constant(Int)
  case variable(String)
  case add(Index, Index)
  /// A product with a constant.
  case multiply(Index, Int)
  /// Floor division by a positive constant; the dividend is never negative.
  case divide(Index, Int)
  /// Remainder by a positive constant; the dividend is never negative.
  case remainder(Index, Int)
  case minimum(Index, Index)
  case maximum(Index, Index)
  /// An integer scalar known to lie in 0 ..< bound (an embedding's row, a class): what is outside is clamped by who builds it.
  case indirect(Scalar, bound: Int)

  /// The constant's value, when the expression is one.
  public var constantValue: Int? { if case .constant(let value) = self { value } else { nil } }

  /// A sum in simplified form.
  public static func + (a: Index, b: Index) -> Index {
    switch (a, b) {
    case (.constant(let x), .constant(let y)): .constant(x + y)
    case (.constant(0), _): b
    case (_, .constant(0)): a
    case (.constant, _): .add(b, a)
    case (.add(let x, .constant(let y)), .constant(let z)): x + .constant(y + z)
    default: .add(a, b)
    }
  }

  /// A sum with a constant in simplified form.
  public static func + (a: Index, b: Int) -> Index { a + .constant(b) }

  /// A difference in simplified form.
  public static func - (a: Index, b: Index) -> Index { a + b * -1 }

  /// A difference with a constant in simplified form.
  public static func - (a: Index, b: Int) -> Index { a + .constant(-b) }

  /// A product with a constant in simplified form.
  public static func * (a: Index, factor: Int) -> Index {
    switch (a, factor) {
    case (_, 0): .constant(0)
    case (_, 1): a
    case (.constant(let x), _): .constant(x * factor)
    case (.multiply(let x, let y), _): x * (y * factor)
    case (.add(let x, let y), _): x * factor + y * factor
    default: .multiply(a, factor)
    }
  }

  /// The variables that the expression reads, those inside indirect scalars excepted.
  public var variables: Set<String> {
    switch self {
    case .constant: []
    case .variable(let name): [name]
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b): a.variables.union(b.variables)
    case .multiply(let a, _), .divide(let a, _), .remainder(let a, _): a.variables
    case .indirect(let scalar, _): scalar.indexVariables
    }
  }
}
