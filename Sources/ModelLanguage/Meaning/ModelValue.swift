import Basics
import GraphIR

/// What an expression of a model stands for.
indirect enum ModelValue {
  case tensor(ValueID)
  case integer(Int)
  case number(Double)
  case bool(Bool)
  case string(String)
  /// A bare name that is no variable: `same`, `he_normal`.
  case word(String)
  case list([ModelValue])
  /// A word with arguments: `normal(deviation: 0.05)`.
  case call(String, [LabelledArgument])
  case instance(LayerInstance)
  /// The value of a line in which an error was found: what uses it is not reported again.
  case unknown

  /// For messages.
  var kindName: String {
    switch self {
    case .tensor: "a value of the network"
    case .integer(let value): "the number \(value)"
    case .number(let value): "the number \(value)"
    case .bool(let value): "\(value)"
    case .string(let text): "the string \(text.quotedForLexer)"
    case .word(let word): "`\(word)`"
    case .list: "a list"
    case .call(let name, _): "`\(name)(…)`"
    case .instance(let instance): "the layer '\(instance.name)'"
    case .unknown: "an unknown value"
    }
  }

  /// As a layer of the catalog takes it; nil when it is none of a layer's arguments.
  var argument: Argument? {
    switch self {
    case .tensor(let id): .value(id)
    case .integer(let value): .integer(value)
    case .number(let value): .number(value)
    case .bool(let value): .bool(value)
    case .word(let word): .word(word)
    case .instance(let instance): .word(instance.name)
    case .call(let name, let arguments): .call(name, arguments)
    case .list(let items):
      items.contains { $0.argument == nil } ? nil : .list(items.compactMap(\.argument))
    case .string, .unknown: nil
    }
  }

  /// The number, whole or not.
  var asNumber: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}

/// An argument with its value and where it stands.
struct EvaluatedArgument {
  var label: Name?
  var value: ModelValue
  var location: SourceLocation
  var length: Int
}

/// `encoder = layer dense(16)`: what is called, with which arguments, and the name under which its parameters are kept.
struct LayerInstance {
  var name: String
  var callee: Name
  var arguments: [EvaluatedArgument]
}

/// Variables of a body.
struct Scope {
  var values: [String: ModelValue] = [:]

  subscript(name: String) -> ModelValue? {
    get { values[name] }
    set { values[name] = newValue }
  }
}

/// Thrown where the value of a faulty line is used: the fault is reported already.
struct AlreadyReported: Error {}
