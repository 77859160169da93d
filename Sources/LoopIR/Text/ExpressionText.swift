import Basics

/// Words that have a meaning in the text form; a name that is one of them (or no identifier at all) is written in quotes.
enum ReservedWords {
  static let all: Set<String> = Set(
    ElementType.allCases.map(\.rawValue)
      + [
        "inf", "nan", "true", "false", "for", "when", "otherwise", "let", "var", "array", "gemm", "while", "limit", "comment", "describe",
        "step",
        "lanes",
        "unrolled", "at", "stride", "beta", "parts",
      ])

  /// The name as it is written.
  static func written(_ name: String) -> String {
    let letters = name.utf8.enumerated().allSatisfy { position, byte in
      byte == UInt8(ascii: "_") || (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
        || position > 0 && byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
    return letters && !name.isEmpty && !all.contains(name) ? name : name.quotedForLexer
  }
}

extension Index: CustomStringConvertible {
  /// `i * 29 + j`, `n / 16`, `min(i + 4, n)`, `at(rows[i], 100)` (an indirect index below 100).
  public var description: String { text(0) }

  /// Level 0: a sum may stand here; 1: a product; 2: only what needs no parentheses.
  private func text(_ level: Int) -> String {
    func wrapped(_ own: Int, _ text: String) -> String { own < level ? "(\(text))" : text }
    switch self {
    case .constant(let value): return "\(value)"
    case .variable(let name): return ReservedWords.written(name)
    case .add(let a, .constant(let value)) where value < 0 && value > .min: return wrapped(0, "\(a.text(0)) - \(-value)")
    case .add(let a, let b): return wrapped(0, "\(a.text(0)) + \(b.text(1))")
    case .multiply(let a, let factor): return wrapped(1, "\(a.text(1)) * \(factor)")
    case .divide(let a, let divisor): return wrapped(1, "\(a.text(1)) / \(divisor)")
    case .remainder(let a, let divisor): return wrapped(1, "\(a.text(1)) % \(divisor)")
    case .minimum(let a, let b): return "min(\(a), \(b))"
    case .maximum(let a, let b): return "max(\(a), \(b))"
    case .indirect(let scalar, let bound): return "at(\(scalar), \(bound))"
    }
  }
}

extension Literal: CustomStringConvertible {
  /// `f32 0.5`, `i64 -3`, `true`; floats by the shortest decimal that gives the same bits, NaN with its bits unless it is the usual one.
  public var description: String {
    switch self {
    case .float(let bits, let element):
      let value = Double(bitPattern: bits)
      if value.isNaN { return "\(element) nan" + (bits == Double.nan.bitPattern ? "" : "(\(bits))") }
      if element == .f32, Double(Float(value)) == value { return "f32 \(Float(value))" }
      return "\(element) \(value)"
    case .integer(let value, let element): return "\(element) \(value)"
    case .bool(let value): return value ? "true" : "false"
    }
  }
}

extension Scalar: CustomStringConvertible {
  /// `x[i] * f32 0.5 + bias`, `select(a < b, a, b)`, `f32(count)` (a conversion), `f32[i + 1]` (the value of an index), `bitcast_u32(x)`,
  /// `$0[i, j]` (an operand's element).
  public var description: String { text(0) }

  /// Level 0: a comparison may stand here; 1: a sum; 2: a product; 3: only what needs no parentheses.
  private func text(_ level: Int) -> String {
    func wrapped(_ own: Int, _ text: String) -> String { own < level ? "(\(text))" : text }
    switch self {
    case .literal(let literal): return literal.description
    case .variable(let name): return ReservedWords.written(name)
    case .load(let buffer, let index): return "\(ReservedWords.written(buffer))[\(index)]"
    case .element(let operand, let indices): return "$\(operand)[\(indices.map(\.description).joined(separator: ", "))]"
    case .index(let index, let element): return "\(element)[\(index)]"
    case .unary(.neg, let a): return wrapped(2, "-\(a.text(3))")
    case .unary(let operation, let a): return "\(operation.rawValue)(\(a))"
    case .binary(let operation, let a, let b):
      switch operation {
      case .add: return wrapped(1, "\(a.text(1)) + \(b.text(2))")
      case .sub: return wrapped(1, "\(a.text(1)) - \(b.text(2))")
      case .mul: return wrapped(2, "\(a.text(2)) * \(b.text(3))")
      case .div: return wrapped(2, "\(a.text(2)) / \(b.text(3))")
      case .rem: return wrapped(2, "\(a.text(2)) % \(b.text(3))")
      case .min, .max, .and, .or, .xor, .shl, .shr: return "\(operation.rawValue)(\(a), \(b))"
      }
    case .fma(let a, let b, let c): return "fma(\(a), \(b), \(c))"
    case .compare(let comparison, let a, let b): return wrapped(0, "\(a.text(1)) \(comparison.symbol) \(b.text(1))")
    case .select(let condition, let a, let b): return "select(\(condition), \(a), \(b))"
    case .cast(let element, let a): return "\(element)(\(a))"
    case .bitcast(let element, let a): return "bitcast_\(element)(\(a))"
    case .call(let function, let arguments): return "\(function.rawValue)(\(arguments.map(\.description).joined(separator: ", ")))"
    }
  }
}

extension Comparison {
  /// `<`, `<=`, `>`, `>=`, `==`, `!=`.
  var symbol: String {
    switch self {
    case .lt: "<"
    case .le: "<="
    case .gt: ">"
    case .ge: ">="
    case .eq: "=="
    case .ne: "!="
    }
  }
}
