import Basics
import GraphIR
import Layers

extension TrainSection {
  /// `loss mse(price, target)`, `loss mse(a, "first") + 0.3 * mae(b, "second")`; several lines are added up.
  mutating func readLoss(_ directive: Directive, _ reader: inout RecipeReader) throws {
    guard !directive.items.isEmpty else { throw Diagnostic("'loss' needs a loss: `loss mse(\(outputs.first ?? "y"), target)`") }
    for item in directive.items {
      for (call, weight) in try terms(try reader.plain(item, directive), 1, &reader) {
        plan.losses.append(try term(call, weight, &reader))
      }
    }
  }

  /// The calls of a sum, each with its factor.
  private func terms(_ expression: Expression, _ factor: Double, _ reader: inout RecipeReader) throws -> [(Call, Double)] {
    guard case .chain(let first, let links) = expression.kind else { return [(try expression.asCall("a loss"), factor)] }
    if links.allSatisfy({ $0.op == .add }) {
      return try ([first] + links.map(\.operand)).flatMap { try terms($0, factor, &reader) }
    }
    var factor = factor
    var loss: Expression?
    for (index, operand) in ([first] + links.map(\.operand)).enumerated() {
      if index > 0, links[index - 1].op != .multiply { throw notASum(links[index - 1].location) }
      if case .call = operand.kind {
        guard loss == nil else { throw notASum(operand.location) }
        loss = operand
      } else {
        factor *= try reader.number(operand, "the factor of a loss", 0...Double.greatestFiniteMagnitude)
      }
    }
    guard let loss else { throw notASum(expression.location) }
    return [(try loss.asCall("a loss"), factor)]
  }

  private func notASum(_ location: SourceLocation) -> Diagnostic {
    Diagnostic("a loss is a sum of losses with factors: `mse(a, target) + 0.3 * mae(b, target)`", at: location)
  }

  private mutating func term(_ call: Call, _ weight: Double, _ reader: inout RecipeReader) throws -> LossTerm {
    let entry: LossEntry
    do {
      entry = try LossCatalog.entry(call.callee.text)
    } catch let error as Diagnostic {
      throw error.marking(call.callee)
    }
    var output: String?
    var target: LossTarget?
    var arguments: [EvaluatedArgument] = []
    for argument in call.arguments {
      if argument.label != nil {
        arguments.append(try reader.argument(argument))
      } else if output == nil {
        output = try findOutput(argument.value)
      } else if target == nil {
        target = try findTarget(argument.value, &reader)
      } else {
        arguments.append(try reader.argument(argument))
      }
    }
    if output == nil, outputs.count == 1 { output = outputs[0] }
    guard let output else {
      throw Diagnostic(
        "'\(entry.name)' needs the output that it looks at: `\(entry.name)(\(outputs.first ?? "y"), target)`", at: call.callee.location,
        length: call.length)
    }
    return LossTerm(
      name: entry.name, arguments: try reader.bind(arguments, to: entry.parameters, of: entry.name, call), output: output,
      target: try target ?? wholeTarget(Name(call.callee.text, call.callee.location)), weight: weight, location: call.callee.location,
      length: call.callee.length)
  }

  private func findOutput(_ expression: Expression) throws -> String {
    guard let name = expression.bareName, outputs.contains(name.text) else {
      let nearest = expression.bareName.flatMap { nearestName(to: $0.text, among: outputs) }
      throw Diagnostic(
        "a loss looks at one of the model's outputs first: \(outputs.joined(separator: ", "))", at: expression.location,
        length: expression.length, fixIt: nearest)
    }
    return name.text
  }

  /// `target`, a target column, or one of the model's inputs.
  private func findTarget(_ expression: Expression, _ reader: inout RecipeReader) throws -> LossTarget {
    let name: String
    switch try reader.value(expression) {
    case .string(let text):
      guard let targets, targets.contains(text) else {
        throw Diagnostic(
          "\(text.quotedForLexer) is no target column; the `data` block has \(targets?.joined(separator: ", ") ?? "none")",
          at: expression.location, length: expression.length,
          fixIt: targets.flatMap { nearestName(to: text, among: $0) }.map(\.quotedForLexer))
      }
      return .columns([text])
    case .word(let word): name = word
    case let value:
      throw Diagnostic(
        "the target of a loss is `target`, a column or an input; found \(value.kindName)", at: expression.location,
        length: expression.length)
    }
    if name == "target" { return try wholeTarget(Name(name, expression.location)) }
    if inputs.contains(name) { return .input(name) }
    if let targets, targets.contains(name) { return .columns([name]) }
    let known = ["target"] + inputs + (targets ?? [])
    throw Diagnostic(
      "unknown target '\(name)'; a loss compares with \(known.alternatives)", at: expression.location, length: expression.length,
      fixIt: nearestName(to: name, among: known))
  }

  private func wholeTarget(_ name: Name) throws -> LossTarget {
    guard targets?.isEmpty == true else { return .columns(targets ?? []) }
    throw Diagnostic(
      "the `data` block has no `target`; an autoencoder compares with its input: `loss mse(\(outputs.first ?? "y"), \(inputs.first ?? "x"))`",
      at: name.location, length: name.length)
  }

  /// Puts the terms into the order of the target columns, and writes the recipe's line.
  mutating func finish(_ block: BlockForm, _ reader: inout RecipeReader) {
    let order = targets ?? []
    func position(_ term: LossTerm) -> Int {
      if case .columns(let columns) = term.target { return columns.first.flatMap(order.firstIndex(of:)) ?? 0 }
      return order.count
    }
    plan.losses = plan.losses.enumerated().sorted { (position($0.1), $0.0) < (position($1.1), $1.0) }.map(\.1)
    guard let first = plan.losses.first else { return }
    reader.write("loss", [first.name] + first.arguments.map { "\($0.label!)=\($0.value.recipeText)" })
    var used: Set<String> = []
    for case .columns(let columns) in plan.losses.map(\.target) { used.formUnion(columns) }
    if let unused = order.first(where: { !used.contains($0) }) {
      reader.report(
        Diagnostic("target column \(unused.quotedForLexer) is in no loss", at: first.location, length: first.length), at: block.name)
    }
  }
}
