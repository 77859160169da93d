import Basics
import LoopIR

/// The value of an operator's attribute in the text form of graphs.
public enum Attribute: Hashable, Sendable, CustomStringConvertible {
  case integer(Int)
  /// An integer above `Int.max`.
  case unsigned(UInt64)
  case number(Double)
  case bool(Bool)
  /// A case of an enum.
  case word(String)
  case dimension(Dimension)
  case type(TensorType)
  case list([Attribute])
  /// The body of a loop.
  case graph(LoopBody)

  /// `3`, `0.5`, `inf`, `true`, `tanh`, `64*N`, `f32[2, 3]`, `[0, 1]`.
  public var description: String {
    switch self {
    case .integer(let value): "\(value)"
    case .unsigned(let value): "\(value)"
    case .number(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .word(let word): word
    case .dimension(let dimension): "\(dimension)"
    case .type(let type): "\(type)"
    case .list(let items): "[\(items.map(\.description).joined(separator: ", "))]"
    case .graph(let body): body.graph.description.split(separator: "\n").joined(separator: "\n    ")
    }
  }
}

/// A named attribute.
public struct NamedAttribute: Hashable, Sendable {
  /// In snake_case: `transpose_b`.
  public var name: String
  public var value: Attribute

  public init(_ name: String, _ value: Attribute) {
    self.name = name
    self.value = value
  }
}

extension Operator {
  /// The stored properties as text shows them, in order.
  public func attributes() throws -> [NamedAttribute] { try AttributeEncoder.attributes(of: self) }

  /// The operator with these attributes. A bool that is absent is false, an optional that is absent nil; anything else must be there, and
  /// nothing more.
  public static func make(_ attributes: [NamedAttribute]) throws -> any Operator {
    let op = try Self(from: AttributeDecoder(.fields(attributes), path: name))
    let known = try op.attributes().map(\.name)
    if let unknown = attributes.first(where: { attribute in !known.contains(attribute.name) }) {
      let nearest = nearestName(to: unknown.name, among: known)
      let all = known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
      throw TypeError("\(name) has no attribute '\(unknown.name)'; " + (nearest.map { "did you mean '\($0)'?" } ?? all))
    }
    return op
  }
}

/// `transposeB` as `transpose_b`.
func snakeCase(_ name: String) -> String {
  name.reduce(into: "") { text, character in
    if character.isUppercase { text += "_" }
    text += character.lowercased()
  }
}
