import Basics

/// What a layer, loss, optimizer or initializer is called with in the model language.
public indirect enum Argument: Hashable, Sendable, CustomStringConvertible {
  case integer(Int)
  case number(Double)
  case bool(Bool)
  /// A bare name: `relu`, `he_normal`, `same`.
  case word(String)
  case list([Argument])
  /// A tensor of the graph being built.
  case value(ValueID)
  /// A name with arguments: `normal(0, deviation: 0.05)`.
  case call(String, [LabelledArgument])

  public var description: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .word(let word): word
    case .list(let items): "[\(items.map(\.description).joined(separator: ", "))]"
    case .value: "a value"
    case .call(let name, let arguments):
      "\(name)(\(arguments.map { ($0.label.map { "\($0): " } ?? "") + $0.value.description }.joined(separator: ", ")))"
    }
  }
}

/// An argument as written: with or without its parameter's name.
public struct LabelledArgument: Hashable, Sendable {
  public var label: String?
  public var value: Argument

  public init(_ value: Argument, label: String? = nil) {
    self.label = label
    self.value = value
  }
}

/// What a parameter of a catalog entry takes.
public enum ArgumentKind: Hashable, Sendable, CustomStringConvertible {
  case value
  /// All values that are given by position; only as the first parameter.
  case values
  case integer
  /// An integer or a decimal number.
  case number
  case bool
  /// One of some words.
  case word([String])
  /// Whole numbers in brackets.
  case integers
  /// A whole number for all axes, or one for each in brackets.
  case sizes
  /// `same`, `valid`, a whole number for all sides, or one for each axis or side in brackets.
  case padding
  /// A word or a call that names an initializer.
  case initializer
  /// A shared layer, `table = layer embedding(65, 128)`, by its name.
  case layer

  public var description: String {
    switch self {
    case .value: "a value"
    case .values: "values"
    case .integer: "a whole number"
    case .number: "a number"
    case .bool: "true or false"
    case .word(let words): "one of \(words.joined(separator: ", "))"
    case .integers: "a list of whole numbers"
    case .sizes: "a whole number, or a list of one for each axis"
    case .padding: "same, valid, a whole number, or a list of one for each axis or side"
    case .initializer: "an initializer"
    case .layer: "a shared layer, as in `table = layer embedding(65, 128)`"
    }
  }

  /// Whether `argument` can be passed.
  public func accepts(_ argument: Argument) -> Bool {
    switch (self, argument) {
    case (.value, .value), (.values, .value), (.integer, .integer), (.number, .integer), (.number, .number), (.bool, .bool): true
    case (.initializer, .word), (.initializer, .call), (.layer, .word): true
    case (.word(let words), .word(let word)): words.contains(word)
    case (.sizes, .integer), (.padding, .integer): true
    case (.padding, .word(let word)): ["same", "valid"].contains(word)
    case (.integers, .list(let items)), (.sizes, .list(let items)), (.padding, .list(let items)):
      items.allSatisfy { if case .integer = $0 { true } else { false } }
    default: false
    }
  }
}

/// A parameter of a catalog entry.
public struct ArgumentDescription: Hashable, Sendable {
  public var name: String
  public var kind: ArgumentKind
  /// What holds when it is not given; without one it must be given, unless it is optional.
  public var defaultValue: Argument?
  /// Whether it may be absent without a default.
  public var isOptional: Bool
  public var summary: String

  /// A parameter that must be given, or one with a default.
  public init(_ name: String, _ kind: ArgumentKind, default defaultValue: Argument? = nil, optional: Bool = false, _ summary: String) {
    self.name = name
    self.kind = kind
    self.defaultValue = defaultValue
    isOptional = optional || defaultValue != nil
    self.summary = summary
  }
}

/// Arguments bound to the parameters of a catalog entry, checked, with defaults filled in.
public struct Arguments: Sendable {
  private var bound: [String: Argument] = [:]
  /// The values of a `values` parameter, else empty.
  public private(set) var values: [ValueID] = []

  /// Binds arguments as a call does: by label, the others in the order of the parameters. `callee` names the entry in errors.
  public init(_ arguments: [LabelledArgument], to parameters: [ArgumentDescription], of callee: String) throws {
    var arguments = arguments
    if let first = parameters.first, first.kind == .values {
      let given = arguments.prefix { $0.label == nil && ArgumentKind.value.accepts($0.value) }
      values = given.compactMap { if case .value(let id) = $0.value { id } else { nil } }
      arguments.removeFirst(given.count)
      guard !values.isEmpty else { throw Diagnostic("'\(callee)' needs values (\(first.summary))") }
    }
    let named = parameters.filter { $0.kind != .values }
    let labelled = Set(arguments.compactMap(\.label))
    var positions = named.filter { !labelled.contains($0.name) }.makeIterator()
    for argument in arguments {
      let parameter = try argument.label.map { try Self.parameter($0, among: named, of: callee) } ?? positions.next()
      guard let parameter else {
        let most = named.isEmpty ? "no further arguments" : "\(named.count) (\(named.map(\.name).joined(separator: ", ")))"
        throw Diagnostic("too many arguments for '\(callee)': it takes \(most)")
      }
      guard bound[parameter.name] == nil else { throw Diagnostic("argument '\(parameter.name)' of '\(callee)' is given twice") }
      guard parameter.kind.accepts(argument.value) else {
        throw Diagnostic("argument '\(parameter.name)' of '\(callee)' must be \(parameter.kind), got \(argument.value)")
      }
      bound[parameter.name] = argument.value
    }
    for parameter in named where bound[parameter.name] == nil {
      guard parameter.isOptional else { throw Diagnostic("'\(callee)' needs '\(parameter.name)': \(parameter.summary)") }
      bound[parameter.name] = parameter.defaultValue
    }
  }

  private static func parameter(_ label: String, among parameters: [ArgumentDescription], of callee: String) throws -> ArgumentDescription {
    if let parameter = parameters.first(where: { $0.name == label }) { return parameter }
    let nearest = nearestName(to: label, among: parameters.map(\.name))
    throw Diagnostic(
      "'\(callee)' has no argument '\(label)'"
        + (nearest.map { "; did you mean '\($0)'?" } ?? "; it takes \(parameters.map(\.name).joined(separator: ", "))"), fixIt: nearest)
  }

  /// The argument of that name, default included.
  public subscript(name: String) -> Argument? { bound[name] }

  /// The tensor passed for a `value` parameter.
  public func value(_ name: String) -> ValueID? { if case .value(let id)? = bound[name] { id } else { nil } }

  /// The whole number passed.
  public func integer(_ name: String) -> Int? { if case .integer(let value)? = bound[name] { value } else { nil } }

  /// The number passed, whole or not.
  public func number(_ name: String) -> Double? {
    switch bound[name] {
    case .integer(let value)?: Double(value)
    case .number(let value)?: value
    default: nil
    }
  }

  /// The truth value passed; false when absent.
  public func bool(_ name: String) -> Bool { bound[name] == .bool(true) }

  /// The word passed.
  public func word(_ name: String) -> String? { if case .word(let word)? = bound[name] { word } else { nil } }

  /// The whole numbers passed.
  public func integers(_ name: String) -> [Int]? {
    guard case .list(let items)? = bound[name] else { return nil }
    return items.compactMap { if case .integer(let value) = $0 { value } else { nil } }
  }
}

/// Something that is called by name with arguments: a layer, loss, optimizer or initializer.
public protocol CatalogEntry: Sendable {
  var name: String { get }
  /// Other names that are understood.
  var aliases: [String] { get }
  /// One line for help and reference.
  var summary: String { get }
  var parameters: [ArgumentDescription] { get }
}

/// The entry of that name or alias; throws a diagnostic with the nearest name. `what` is the kind of thing: "layer".
public func findEntry<Entry: CatalogEntry>(_ name: String, in catalog: [Entry], what: String) throws -> Entry {
  if let entry = catalog.first(where: { $0.name == name || $0.aliases.contains(name) }) { return entry }
  let nearest = nearestName(to: name, among: catalog.flatMap { [$0.name] + $0.aliases })
  throw Diagnostic(
    "unknown \(what) '\(name)'"
      + (nearest.map { "; did you mean '\($0)'?" } ?? "; there are \(catalog.map(\.name).joined(separator: ", "))"), fixIt: nearest)
}
