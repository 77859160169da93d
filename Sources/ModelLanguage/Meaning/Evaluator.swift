import Basics
import GraphIR
import Layers
import LoopIR
import Operators

/// Builds the graph of a model by walking its tree once. Depth and number of applications are bounded, so a hostile file costs bounded
/// stack and time.
struct Evaluator {
  /// Users' layers inside each other.
  static let layerDepthLimit = 16
  /// Expressions inside each other, through users' layers.
  static let depthLimit = 200
  /// Layers and operators applied in one model.
  static let applicationLimit = 20_000
  /// The largest axis, and the largest whole number that a layer takes.
  static let sizeLimit = 1 << 31 - 1

  let tree: SyntaxTree
  var builder: ModelBuilder
  var constants = Scope()
  var diagnostics: [Diagnostic] = []
  /// Users' layers that are being applied, outermost first, with their calls.
  var calls: [Call] = []
  /// Full paths of layers that were named with `name:` or by an instance.
  var names: Set<String> = []
  var depth = 0
  var applications = 0

  init(tree: SyntaxTree, builder: ModelBuilder) {
    self.tree = tree
    self.builder = builder
  }

  /// Builds the model; what went wrong is in `diagnostics`.
  mutating func evaluate(_ model: ModelForm) {
    evaluateConstants()
    var scope = Scope()
    var hasOutput = false
    applyLayout(model)
    for statement in model.body {
      do {
        if case .output = statement { hasOutput = true }
        try evaluate(statement, &scope)
      } catch {
        report(error, at: statement.location)
        for name in statement.assignedNames { scope[name] = .unknown }
      }
      if diagnostics.count >= Parser.errorLimit { return }
    }
    guard diagnostics.isEmpty else { return }
    if builder.inputs.isEmpty {
      report(
        Diagnostic(
          "model '\(model.name.text)' has no input; add `input x: f32[N, 29]`", at: model.name.location, length: model.name.length))
    } else if !hasOutput {
      report(
        Diagnostic(
          "model '\(model.name.text)' has no output; add `output` and the name of a value", at: model.name.location,
          length: model.name.length))
    }
  }

  /// The layout holds for all layers of the model, wherever the line stands.
  private mutating func applyLayout(_ model: ModelForm) {
    var first: SourceLocation?
    for case .layout(let name, let location) in model.body {
      if let first {
        report(
          Diagnostic(
            "'layout' stands twice", at: location, length: 6,
            notes: [Diagnostic("the first one is here", severity: .note, at: first, length: 6)]))
      }
      first = first ?? location
      guard let layout = ImageLayout(rawValue: name.text) else {
        let words = ImageLayout.allCases.map(\.rawValue)
        report(
          Diagnostic(
            "the layout is \(words.alternatives); found `\(name.text)`", at: name.location, length: name.length,
            fixIt: nearestName(to: name.text, among: words)))
        continue
      }
      builder.imageLayout = layout
    }
  }

  mutating func report(_ error: any Error, at location: SourceLocation? = nil) {
    switch error {
    case is AlreadyReported: break
    case let diagnostic as Diagnostic:
      var diagnostic = diagnostic
      diagnostic.location = diagnostic.location ?? location
      if !diagnostics.contains(where: { $0.description == diagnostic.description }) { diagnostics.append(diagnostic) }
    default: diagnostics.append(Diagnostic("\(error)", at: location))
    }
  }

  /// Constants of the file, in order; each may use those before it.
  mutating func evaluateConstants() {
    for constant in tree.constants {
      do {
        let value = try evaluate(constant.value, constants)
        if case .tensor = value {
          throw Diagnostic("a constant is a number, a word, a string or a list", at: constant.name.location, length: constant.name.length)
        }
        constants[constant.name.text] = value
      } catch {
        report(error, at: constant.name.location)
        constants[constant.name.text] = .unknown
      }
    }
  }

  mutating func evaluate(_ statement: Statement, _ scope: inout Scope) throws {
    switch statement {
    case .input(let name, let element, let axes): scope[name.text] = .tensor(try declareInput(name, element, axes, scope))
    case .assign(let name, let expression):
      if case .instance(let call) = expression.kind {
        scope[name.text] = .instance(try makeInstance(call, named: name, scope))
      } else {
        scope[name.text] = try evaluate(expression, scope)
      }
    case .output(let items):
      for item in items { try declareOutput(item, &scope) }
    case .layout(_, let location):
      guard calls.isEmpty else {
        throw Diagnostic("`layout` belongs in the model: it holds for all of its layers", at: location, length: 6)
      }
    case .result(_, let location): throw Diagnostic("`return` belongs in a layer; a model has `output`", at: location, length: 6)
    }
  }

  private mutating func declareInput(_ name: Name, _ element: Name, _ axes: [Expression], _ scope: Scope) throws -> ValueID {
    guard let type = ElementType(rawValue: element.text) else {
      let names = ElementType.allCases.map(\.rawValue)
      let nearest = nearestName(to: element.text, among: names)
      throw Diagnostic(
        "unknown element type '\(element.text)'; there are \(names.joined(separator: ", "))", at: element.location, length: element.length,
        fixIt: nearest)
    }
    guard builder.inputs.allSatisfy({ $0.name != name.text }) else {
      throw Diagnostic("input '\(name.text)' is declared twice", at: name.location, length: name.length)
    }
    var count = 1
    let dims = try axes.map { axis -> Int in
      let value = try evaluate(axis, scope)
      guard case .integer(let size) = value, size >= 1, size <= Self.sizeLimit else {
        throw Diagnostic(
          "the size of an axis is a whole number from 1 to \(Self.sizeLimit); found \(value.kindName)", at: axis.location,
          length: axis.length)
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= Self.sizeLimit else {
        throw Diagnostic("a row of input '\(name.text)' has more than \(Self.sizeLimit) elements", at: axis.location, length: axis.length)
      }
      count = product
      return size
    }
    return try located(name) { try $0.input(name.text, dims: dims, element: type.isFloat ? nil : type) }
  }

  private mutating func declareOutput(_ item: OutputItem, _ scope: inout Scope) throws {
    let name = item.name
    let value: ModelValue
    if let expression = item.value {
      value = try evaluate(expression, scope)
      scope[name.text] = value
    } else {
      value = try evaluate(Expression(.name(name.text), at: name.location, length: name.length), scope)
    }
    guard case .tensor(let id) = value else {
      throw Diagnostic(
        "an output is a value of the network; '\(name.text)' is \(value.kindName)", at: name.location, length: name.length)
    }
    guard builder.outputs.allSatisfy({ $0.name != name.text }) else {
      throw Diagnostic("output '\(name.text)' is declared twice", at: name.location, length: name.length)
    }
    try located(name) { try $0.output(name.text, id) }
  }

  /// Runs `body` on the builder; an error without a place gets that of `name`.
  mutating func located<Result>(_ name: Name, length: Int? = nil, _ body: (inout ModelBuilder) throws -> Result) throws -> Result {
    do {
      return try body(&builder)
    } catch {
      throw place(error, at: name.location, length: length ?? name.length)
    }
  }

  /// The error with a place, and with the calls of users' layers that led there as notes.
  func place(_ error: any Error, at location: SourceLocation, length: Int) -> any Error {
    if error is AlreadyReported { return error }
    var diagnostic = error as? Diagnostic ?? Diagnostic("\(error)")
    guard diagnostic.location == nil else { return diagnostic }
    diagnostic.location = location
    diagnostic.length = length
    // The replacement is that of a part of the marked text.
    diagnostic.fixIt = nil
    diagnostic.notes += calls.reversed().map {
      Diagnostic("in layer '\($0.callee.text)', applied here", severity: .note, at: $0.callee.location, length: $0.length)
    }
    return diagnostic
  }
}

extension Statement {
  /// The variables that hold nothing useful when the statement is in error.
  var assignedNames: [String] {
    switch self {
    case .input(let name, _, _), .assign(let name, _): [name.text]
    case .output(let items): items.filter { $0.value != nil }.map(\.name.text)
    case .layout, .result: []
    }
  }
}
