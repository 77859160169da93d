import Basics
import GraphIR
import Layers
import Operators

extension Evaluator {
  /// The value of an expression.
  mutating func evaluate(_ expression: Expression, _ scope: Scope) throws -> ModelValue {
    guard depth < Self.depthLimit else {
      throw Diagnostic("expressions are nested too deeply here", at: expression.location, length: expression.length)
    }
    depth += 1
    defer { depth -= 1 }
    switch expression.kind {
    case .integer(let value): return .integer(value)
    case .number(let value): return .number(value)
    case .string(let text): return .string(text)
    case .list(let elements): return .list(try elements.map { try evaluate($0, scope) })
    case .name(let text): return try lookUp(Name(text, expression.location), scope)
    case .call(let call): return try apply(call, to: nil, scope)
    case .instance:
      throw Diagnostic(
        "a layer that is to be shared needs a name: `shared = layer …` on a line of its own", at: expression.location, length: 5)
    case .negate(let operand): return try negate(try evaluate(operand, scope), at: expression)
    case .chain(let first, let links): return try evaluateChain(first, links, scope)
    case .pipe(let head, let stages):
      var value = try evaluate(head, scope)
      var place = (head.location, head.length)
      for stage in stages {
        value = try apply(stage, to: EvaluatedArgument(label: nil, value: value, location: place.0, length: place.1), scope)
        place = (stage.callee.location, stage.length)
      }
      return value
    }
  }

  private func lookUp(_ name: Name, _ scope: Scope) throws -> ModelValue {
    if let value = scope[name.text] ?? constants[name.text] {
      if case .unknown = value { throw AlreadyReported() }
      return value
    }
    if name.text == "true" { return .bool(true) }
    if name.text == "false" { return .bool(false) }
    let isLayer =
      tree.layers.contains { $0.name.text == name.text } || (try? findEntry(name.text, in: LayerCatalog.entries, what: "layer")) != nil
    if isLayer {
      throw Diagnostic(
        "'\(name.text)' is a layer: apply it with `x |> \(name.text)` or `\(name.text)(x)`", at: name.location, length: name.length)
    }
    let known = Array(scope.values.keys) + Array(constants.values.keys)
    let nearest = nearestName(to: name.text, among: known.sorted())
    throw Diagnostic(
      "unknown name '\(name.text)'" + (nearest.map { "; did you mean '\($0)'?" } ?? ""), at: name.location, length: name.length,
      fixIt: nearest)
  }

  private mutating func negate(_ value: ModelValue, at expression: Expression) throws -> ModelValue {
    switch value {
    case .integer(let number): return .integer(-number)
    case .number(let number): return .number(-number)
    case .tensor(let id):
      return .tensor(try located(Name("-", expression.location)) { try $0.graph.negate(id) })
    default: throw Diagnostic("cannot negate \(value.kindName)", at: expression.location, length: expression.length)
    }
  }

  private mutating func evaluateChain(_ first: Expression, _ links: [ChainLink], _ scope: Scope) throws -> ModelValue {
    var value = try evaluate(first, scope)
    for link in links {
      let operand = try evaluate(link.operand, scope)
      value = try combine(value, link, operand)
    }
    return value
  }

  private mutating func combine(_ left: ModelValue, _ link: ChainLink, _ right: ModelValue) throws -> ModelValue {
    let place = Name(link.op.rawValue, link.location)
    switch (left, right) {
    case (.integer(let a), .integer(let b)):
      if let exact = link.op.exact(a, b) { return .integer(exact) }
      return try combine(.number(Double(a)), link, .number(Double(b)))
    case (.tensor(let a), .tensor(let b)):
      try countApplication(place)
      return .tensor(try located(place) { try Self.arithmetic(link.op, a, b, &$0) })
    case (.tensor(let a), _) where right.asNumber != nil:
      try countApplication(place)
      return .tensor(
        try located(place) { builder in
          let b = try builder.graph.constant(right.asNumber!, builder.type(a).element)
          return try Self.arithmetic(link.op, a, b, &builder)
        })
    case (_, .tensor(let b)) where left.asNumber != nil:
      try countApplication(place)
      return .tensor(
        try located(place) { builder in
          let a = try builder.graph.constant(left.asNumber!, builder.type(b).element)
          return try Self.arithmetic(link.op, a, b, &builder)
        })
    default:
      guard let a = left.asNumber, let b = right.asNumber else {
        let culprit = left.isOperand ? right : left
        throw Diagnostic("`\(link.op.rawValue)` takes numbers and values of the network, not \(culprit.kindName)", at: link.location)
      }
      let result = link.op.of(a, b)
      guard result.isFinite else { throw Diagnostic("the result of `\(link.op.rawValue)` is not a finite number", at: link.location) }
      return .number(result)
    }
  }

  /// Counts what is applied; a model of too many layers (nested users' layers double at each level) is refused.
  mutating func countApplication(_ name: Name) throws {
    applications += 1
    guard applications <= Self.applicationLimit else {
      throw Diagnostic("the model has more than \(Self.applicationLimit) layers and operators", at: name.location, length: name.length)
    }
  }

  /// `+ - * /` on two tensors, broadcast to their common shape.
  static func arithmetic(_ op: ChainLink.Operator, _ a: ValueID, _ b: ValueID, _ builder: inout ModelBuilder) throws -> ValueID {
    switch op {
    case .add: try builder.graph.add(a, b)
    case .subtract: try builder.graph.subtract(a, b)
    case .multiply: try builder.graph.multiply(a, b)
    case .divide: try builder.graph.divide(a, b)
    }
  }
}

extension ModelValue {
  /// Whether arithmetic takes it.
  fileprivate var isOperand: Bool {
    if case .tensor = self { return true }
    return asNumber != nil
  }
}

extension ChainLink.Operator {
  /// The whole number that is the result, if there is one.
  func exact(_ a: Int, _ b: Int) -> Int? {
    let (value, overflow) =
      switch self {
      case .add: a.addingReportingOverflow(b)
      case .subtract: a.subtractingReportingOverflow(b)
      case .multiply: a.multipliedReportingOverflow(by: b)
      case .divide: b != 0 && a != .min && a % b == 0 ? (a / b, false) : (0, true)
      }
    return overflow ? nil : value
  }

  /// The result on decimal numbers.
  func of(_ a: Double, _ b: Double) -> Double {
    switch self {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    }
  }
}
