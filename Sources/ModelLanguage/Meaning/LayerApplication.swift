import Basics
import GraphIR
import Layers

extension Evaluator {
  /// Applies what a call names: an instance, a user's layer or one of the catalog. `piped` becomes the first argument.
  mutating func apply(_ call: Call, to piped: EvaluatedArgument?, _ scope: Scope) throws -> ModelValue {
    var callee = call.callee
    switch scope[callee.text] ?? constants[callee.text] {
    case .unknown?: throw AlreadyReported()
    case .instance(let instance)?: return try apply(instance, call, to: piped, scope)
    // A layer's parameter that holds a layer's name: `layer block(x, act) { return x |> act }`.
    case .word(let word)?: callee.text = word
    default: break
    }
    let isOwn = tree.layers.contains { $0.name.text == callee.text }
    let parameters = isOwn ? nil : try entry(callee).parameters
    var (arguments, name) = try evaluateArguments(call, parameters, scope, piped: piped != nil)
    if let piped { arguments.insert(piped, at: 0) }
    if let name { try claim(name.value, at: name.argument) }
    return .tensor(try apply(Name(callee.text, call.callee.location), arguments, name: name?.value, call))
  }

  /// `shared(x)`: the instance's own arguments come after those of the call.
  private mutating func apply(_ instance: LayerInstance, _ call: Call, to piped: EvaluatedArgument?, _ scope: Scope) throws -> ModelValue {
    let parameters = tree.layers.contains { $0.name.text == instance.callee.text } ? nil : try entry(instance.callee).parameters
    var (arguments, name) = try evaluateArguments(call, parameters, scope, piped: piped != nil)
    if let name {
      throw Diagnostic("the layer has its name already: '\(instance.name)'", at: name.argument.location, length: name.argument.length)
    }
    if let piped { arguments.insert(piped, at: 0) }
    if let other = arguments.first(where: { if case .tensor = $0.value { false } else { true } }) {
      throw Diagnostic(
        "a shared layer takes its arguments where it is made (`\(instance.name) = layer \(instance.callee.text)(…)`); here it takes values of the network",
        at: other.location, length: other.length)
    }
    // Names inside the instance are the same at each application.
    let path = builder.graph.path.isEmpty ? instance.name : "\(builder.graph.path).\(instance.name)"
    names = names.filter { !$0.hasPrefix(path + ".") }
    return .tensor(try apply(Name(instance.callee.text, call.callee.location), arguments + instance.arguments, name: instance.name, call))
  }

  /// `shared = layer dense(16)`: the variable names the layer, unless `name:` does.
  mutating func makeInstance(_ call: Call, named variable: Name, _ scope: Scope) throws -> LayerInstance {
    let isOwn = tree.layers.contains { $0.name.text == call.callee.text }
    let parameters = isOwn ? nil : try entry(call.callee).parameters
    let (arguments, name) = try evaluateArguments(call, parameters, scope, piped: true)
    try claim(
      name?.value ?? variable.text,
      at: name?.argument ?? EvaluatedArgument(label: nil, value: .unknown, location: variable.location, length: variable.length))
    return LayerInstance(name: name?.value ?? variable.text, callee: call.callee, arguments: arguments)
  }

  /// A name may be given to one layer only: sharing is said with `layer`.
  private mutating func claim(_ name: String, at argument: EvaluatedArgument) throws {
    let path = builder.graph.path.isEmpty ? name : "\(builder.graph.path).\(name)"
    guard names.insert(path).inserted else {
      throw Diagnostic(
        "two layers have the name '\(path)'; to use one layer twice write `\(name) = layer …` and apply `\(name)`", at: argument.location,
        length: argument.length)
    }
  }

  private func entry(_ callee: Name) throws -> LayerEntry {
    if let entry = try? findEntry(callee.text, in: LayerCatalog.entries, what: "layer") { return entry }
    let known = LayerCatalog.entries.flatMap { [$0.name] + $0.aliases } + tree.layers.map(\.name.text)
    let nearest = nearestName(to: callee.text, among: known)
    throw Diagnostic(
      "unknown layer '\(callee.text)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "; `gradc operators` lists the layers"),
      at: callee.location, length: callee.length, fixIt: nearest)
  }

  private mutating func apply(_ callee: Name, _ arguments: [EvaluatedArgument], name: String?, _ call: Call) throws -> ValueID {
    try countApplication(callee)
    if let form = tree.layers.first(where: { $0.name.text == callee.text }) { return try apply(form, arguments, name: name, call) }
    let entry = try entry(callee)
    try checkArguments(arguments, against: entry.parameters, of: entry.name)
    var labelled: [LabelledArgument] = []
    for argument in arguments {
      guard let value = argument.value.argument else {
        throw Diagnostic("'\(entry.name)' cannot take \(argument.value.kindName)", at: argument.location, length: argument.length)
      }
      labelled.append(LabelledArgument(value, label: argument.label?.text))
    }
    return try located(call.callee, length: call.length) { builder in
      try entry.apply(&builder, Arguments(labelled, to: entry.parameters, of: entry.name), name)
    }
  }
}

/// Checks arguments one by one, so that an error about one points at it; what concerns the call as a whole is left to the binding.
func checkArguments(_ arguments: [EvaluatedArgument], against parameters: [ArgumentDescription], of name: String) throws {
  let named = parameters.filter { $0.kind != .values }
  let labels = Set(arguments.compactMap { $0.label?.text })
  let takesValues = named.count < parameters.count
  var positional = named.filter { !labels.contains($0.name) }.makeIterator()
  var leading = true
  for argument in arguments {
    if leading, takesValues, argument.label == nil, case .tensor = argument.value { continue }
    leading = false
    if let label = argument.label, !named.contains(where: { $0.name == label.text }) {
      throw unknownLabel(label, named.map(\.name), of: name)
    }
    let labelled = argument.label.flatMap { label in named.first { $0.name == label.text } }
    guard let parameter = labelled ?? positional.next() else {
      let most = named.isEmpty ? "no arguments" : "\(named.count): \(named.map(\.name).joined(separator: ", "))"
      throw Diagnostic("too many arguments for '\(name)': it takes \(most)", at: argument.location, length: argument.length)
    }
    if let value = argument.value.argument, parameter.kind.accepts(value) {
      if parameter.kind == .initializer { try checkInitializer(value, argument) }
      continue
    }
    var error = Diagnostic(
      "argument '\(parameter.name)' of '\(name)' must be \(parameter.kind); found \(argument.value.kindName)", at: argument.location,
      length: argument.length)
    if parameter.kind == .value {
      error.message = "'\(name)' is applied to a value of the network, as in `x |> \(name)`; found \(argument.value.kindName)"
    }
    if case .word(let word) = argument.value {
      if case .word(let words) = parameter.kind { error.fixIt = nearestName(to: word, among: words) }
      if parameter.kind == .padding { error.fixIt = nearestName(to: word, among: ["same", "valid"]) }
    }
    throw error
  }
}

private func checkInitializer(_ value: Argument, _ argument: EvaluatedArgument) throws {
  do {
    _ = try Initializer(value)
  } catch let error as Diagnostic {
    var error = error
    error.location = argument.location
    error.length = argument.length
    if case .call(let name, _) = value { error.length = name.count }
    throw error
  }
}

private func unknownLabel(_ label: Name, _ known: [String], of name: String) -> Diagnostic {
  let nearest = nearestName(to: label.text, among: known)
  let hint = nearest.map { "; did you mean '\($0)'?" } ?? (known.isEmpty ? "" : "; it takes \(known.joined(separator: ", "))")
  return Diagnostic("'\(name)' has no argument '\(label.text)'" + hint, at: label.location, length: label.length, fixIt: nearest)
}

extension Evaluator {
  /// The values of a call's arguments and the layer's name. `parameters` is nil for users' layers, whose parameters have no declared kind.
  private mutating func evaluateArguments(
    _ call: Call, _ parameters: [ArgumentDescription]?, _ scope: Scope, piped: Bool
  ) throws -> (arguments: [EvaluatedArgument], name: (value: String, argument: EvaluatedArgument)?) {
    var arguments: [EvaluatedArgument] = []
    var name: (value: String, argument: EvaluatedArgument)?
    let labels = Set(call.arguments.compactMap { $0.label?.text })
    var positional = (parameters ?? []).filter { !labels.contains($0.name) }.dropFirst(piped ? 1 : 0).makeIterator()
    for argument in call.arguments {
      let kind: ArgumentKind?
      let isFirst = !piped && arguments.isEmpty
      if let label = argument.label {
        if label.text == "name", !(parameters ?? []).contains(where: { $0.name == "name" }) {
          name = (try layerName(argument.value, scope), EvaluatedArgument(label, argument.value))
          continue
        }
        kind = parameters?.first { $0.name == label.text }?.kind
      } else {
        kind = positional.next()?.kind
      }
      var evaluated = EvaluatedArgument(argument.label, argument.value)
      evaluated.value = try evaluateArgument(argument.value, kind, isOwnLayer: parameters == nil, scope)
      if case .integer(let size) = evaluated.value, abs(Double(size)) > Double(Self.sizeLimit) {
        throw Diagnostic("\(size) is too large; the limit is \(Self.sizeLimit)", at: evaluated.location, length: evaluated.length)
      }
      // What a layer works on is no number; its other values may be.
      if case .value? = kind, !isFirst, let number = evaluated.value.asNumber {
        evaluated.value = .tensor(try builder.graph.constant(number, builder.element))
      }
      arguments.append(evaluated)
    }
    return (arguments, name)
  }

  /// An argument's value. A bare name that is no variable is a word where words are taken.
  private mutating func evaluateArgument(
    _ expression: Expression, _ kind: ArgumentKind?, isOwnLayer: Bool, _ scope: Scope
  ) throws -> ModelValue {
    let takesWords =
      switch kind {
      case .word, .initializer, .padding: true
      case nil: isOwnLayer
      default: false
      }
    switch expression.kind {
    case .name(let text) where takesWords:
      switch scope[text] ?? constants[text] {
      case nil where text != "true" && text != "false": return .word(text)
      case .tensor? where !isOwnLayer: return .word(text)
      default: return try evaluate(expression, scope)
      }
    case .call(let call) where kind == .initializer:
      let arguments = try call.arguments.map { argument in
        let value = try evaluate(argument.value, scope)
        guard let plain = value.argument else {
          throw Diagnostic("an initializer takes numbers", at: argument.value.location, length: argument.value.length)
        }
        return LabelledArgument(plain, label: argument.label?.text)
      }
      return .call(call.callee.text, arguments)
    default: return try evaluate(expression, scope)
    }
  }

  /// `name: "fc1"`: part of tensor names in weights files, so letters, digits and underscores.
  private mutating func layerName(_ expression: Expression, _ scope: Scope) throws -> String {
    let value = try evaluate(expression, scope)
    guard case .string(let text) = value else {
      throw Diagnostic(
        "a layer's name is a string: `name: \"fc1\"`; found \(value.kindName)", at: expression.location, length: expression.length)
    }
    let allowed = text.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "_") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
    }
    guard allowed, let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9") ~= first), text.utf8.count <= 64 else {
      throw Diagnostic(
        "a layer's name has at most 64 letters, digits and underscores and begins with no digit; found \(text.quotedForLexer)",
        at: expression.location, length: expression.length)
    }
    return text
  }
}

extension EvaluatedArgument {
  /// Where the argument stands, its value yet unknown.
  fileprivate init(_ label: Name?, _ expression: Expression) {
    self.init(label: label, value: .unknown, location: expression.location, length: expression.length)
  }
}
