import Basics
import GraphIR
import Layers

extension Evaluator {
  /// Applies a user's layer: its body with the arguments as variables, under a path of its own.
  mutating func apply(_ form: LayerForm, _ arguments: [EvaluatedArgument], name: String?, _ call: Call) throws -> ValueID {
    if calls.contains(where: { $0.callee.text == form.name.text }) {
      throw place(Diagnostic("layer '\(form.name.text)' applies itself"), at: call.callee.location, length: call.length)
    }
    guard calls.count < Self.layerDepthLimit else {
      throw place(
        Diagnostic("layers are nested more than \(Self.layerDepthLimit) deep"), at: call.callee.location, length: call.length)
    }
    var scope = try bind(arguments, to: form, call)
    // Under the layer's own name, so that one reached through a parameter is recognised too.
    calls.append(Call(callee: Name(form.name.text, call.callee.location), arguments: [], length: call.length))
    defer { calls.removeLast() }
    // The builder runs the layer while this evaluator runs the body on the builder: it is lent back and forth, never copied.
    var lent = ModelBuilder(name: "", mode: builder.mode, element: builder.element, symbols: [])
    swap(&lent, &builder)
    defer { swap(&lent, &builder) }
    return try lent.layer(form.name.text, name: name) { inner in
      swap(&inner, &builder)
      defer { swap(&inner, &builder) }
      return try evaluateBody(of: form, &scope)
    }
  }

  private mutating func evaluateBody(of form: LayerForm, _ scope: inout Scope) throws -> ValueID {
    for statement in form.body {
      guard case .result(let expression, _) = statement else {
        switch statement {
        case .input(let name, _, _):
          throw Diagnostic("`input` belongs in a model; a layer has parameters", at: name.location, length: name.length)
        case .output(let items):
          throw Diagnostic("`output` belongs in a model; a layer has `return`", at: items[0].name.location, length: items[0].name.length)
        default: try evaluate(statement, &scope)
        }
        continue
      }
      let value = try evaluate(expression, scope)
      guard case .tensor(let id) = value else {
        throw Diagnostic(
          "a layer returns a value of the network, not \(value.kindName)", at: expression.location, length: expression.length)
      }
      return id
    }
    throw Diagnostic("layer '\(form.name.text)' has no `return`", at: form.name.location, length: form.name.length)
  }

  /// The layer's variables: arguments by name and by position, then defaults.
  private mutating func bind(_ arguments: [EvaluatedArgument], to form: LayerForm, _ call: Call) throws -> Scope {
    var scope = Scope()
    let labels = Set(arguments.compactMap { $0.label?.text })
    var positional = form.parameters.filter { !labels.contains($0.name.text) }.makeIterator()
    let names = form.parameters.map(\.name.text)
    for argument in arguments {
      let target: String
      if let label = argument.label {
        guard names.contains(label.text) else {
          let nearest = nearestName(to: label.text, among: names + ["name"])
          throw Diagnostic(
            "'\(form.name.text)' has no argument '\(label.text)'; it takes \(names.joined(separator: ", "))", at: label.location,
            length: label.length, fixIt: nearest)
        }
        guard scope[label.text] == nil else {
          throw Diagnostic("argument '\(label.text)' is given twice", at: label.location, length: label.length)
        }
        target = label.text
      } else {
        guard let parameter = positional.next() else {
          throw Diagnostic(
            "too many arguments for '\(form.name.text)': it takes \(names.joined(separator: ", "))", at: argument.location,
            length: argument.length)
        }
        target = parameter.name.text
      }
      scope[target] = argument.value
    }
    for parameter in form.parameters where scope[parameter.name.text] == nil {
      guard let value = parameter.defaultValue else {
        throw place(Diagnostic("'\(form.name.text)' needs '\(parameter.name.text)'"), at: call.callee.location, length: call.length)
      }
      if let word = value.bareName, constants[word.text] == nil, word.text != "true", word.text != "false" {
        scope[parameter.name.text] = .word(word.text)
      } else {
        scope[parameter.name.text] = try evaluate(value, constants)
      }
    }
    return scope
  }
}
