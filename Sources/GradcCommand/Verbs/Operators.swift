import Basics
import Gradc
import GraphIR
import Layers
import ONNX
import Operators
import Optimizers

extension Verb {
  static let operators = Verb(
    "operators", "the reference: layers, losses, optimizers, initializers, operators", operands: "[NAME]", count: 0...1,
    about: """
      What the model language calls by name (layers, losses, optimizers, initializers, with their arguments and defaults), and the operators \
      that all of it is made of: operands, formula, and whether there is a gradient. Made from the same tables that the compiler uses. With a NAME, \
      that one alone; an operator with its worked examples.
      """,
    flags: [],
    examples: [
      Example("gradc operators", "all tables"), Example("gradc operators dense", "a layer and its arguments"),
      Example("gradc operators softmax", "an operator, with examples"),
    ],
    run: { invocation, console in
      if let name = invocation.operands.first {
        console.write(try page(name))
        return 0
      }
      let columns = console.isTerminal ? console.columns : 140
      for (title, entries) in catalogs {
        var table = TextTable([(title, false), ("Arguments", false), ("What it does", false)])
        table.columns = columns
        table.rows = entries.map { entry in
          [entry.name, entry.parameters.map(\.text).joined(separator: ", "), entry.summary]
        }
        console.write(table.text() + "\n")
      }
      var table = TextTable([("Operator", false), ("Operands", false), ("Gradient", false), ("Formula", false)])
      table.columns = columns
      table.rows = allOperators.sorted { $0.name < $1.name }.map {
        [$0.name, $0.operandNames.joined(separator: ", "), $0.isDifferentiable ? "yes" : "none", $0.formula]
      }
      console.write(table.text())
      console.line("\n\(allOperators.count) operators\n")
      console.write(onnxTable(columns))
      return 0
    })

  /// What is read from ONNX files: each operator with the versions of its operator set from which a rule of its own holds.
  private static func onnxTable(_ columns: Int) -> String {
    var owners: [String: (name: String, isDifferentiable: Bool)] = [:]
    for type in allOperators { for rule in type.onnxRules { owners[rule.key] = (type.name, type.isDifferentiable) } }
    let rules = Dictionary(grouping: onnxRules, by: \.key)
    var table = TextTable([("ONNX", false), ("Since", false), ("Becomes", false), ("Gradient", false)])
    table.columns = columns
    table.rows = rules.sorted { $0.key < $1.key }.map { key, rules in
      let owner = owners[key]
      return [
        key, rules.map(\.since).sorted().map(String.init).joined(separator: ", "), owner?.name ?? "several operators",
        owner.map { $0.isDifferentiable ? "yes" : "none" } ?? "that of its parts",
      ]
    }
    return table.text() + "\n\(rules.count) ONNX operators\n"
  }

  /// What is called by name.
  private static var catalogs: [(title: String, entries: [any CatalogEntry])] {
    [
      ("Layer", LayerCatalog.entries), ("Loss", LossCatalog.entries), ("Optimizer", OptimizerCatalog.entries),
      ("Initializer", InitializerCatalog.entries),
    ]
  }

  /// Everything of that name: `softmax` is a layer and an operator.
  private static func page(_ name: String) throws -> String {
    var pages: [String] = []
    for (title, entries) in catalogs {
      pages += entries.filter { $0.name == name || $0.aliases.contains(name) }.map { page($0, title.lowercased()) }
    }
    pages += allOperators.filter { $0.name == name }.map { page($0) }
    guard pages.isEmpty else { return pages.joined(separator: "\n") }
    let names = catalogs.flatMap { $0.entries.flatMap { [$0.name] + $0.aliases } } + allOperators.map { $0.name }
    let nearest = nearestName(to: name, among: Set(names).sorted())
    throw usage(
      "there is nothing called '\(name)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "; gradc operators lists what there is"))
  }

  private static func page(_ entry: any CatalogEntry, _ kind: String) -> String {
    let aliases = entry.aliases.isEmpty ? "" : " (also \(entry.aliases.joined(separator: ", ")))"
    var text = "\(kind) \(entry.name)\(aliases)\n\n  \(entry.summary)\n"
    if !entry.parameters.isEmpty { text += "\n" }
    let width = entry.parameters.map(\.text.count).max() ?? 0
    for parameter in entry.parameters { text += "  \(parameter.text.padded(width))  \(parameter.kind): \(parameter.summary)\n" }
    return text
  }

  private static func page(_ type: any Operator.Type) -> String {
    var text = "operator \(type.name)(\(type.operandNames.joined(separator: ", ")))\n\n  \(type.formula)\n  "
    text += type.isDifferentiable ? "It has a gradient.\n" : "It has no gradient.\n"
    let names = Set(type.onnxRules.map(\.key)).sorted()
    if !names.isEmpty { text += "  ONNX: \(names.joined(separator: ", ")).\n" }
    for example in type.examples {
      text += "\n\(example.title) (\(example.source)): \(example.op.text(example.inputs.indices.map(ValueID.init)))\n"
      for (index, literal) in example.inputs.enumerated() { text += "  %\(index) = \(shown(literal))\n" }
      for literal in example.outputs { text += "  gives \(shown(literal))\n" }
    }
    return text
  }

  private static func shown(_ literal: TensorLiteral) -> String {
    let values = literal.values.prefix(12).map { NumberText.significant($0, 7) }.joined(separator: ", ")
    return "\(literal.type) \(values)\(literal.values.count > 12 ? ", …" : "")"
  }
}

extension ArgumentDescription {
  /// `units`, `bias: true`.
  fileprivate var text: String { name + (defaultValue.map { ": \($0)" } ?? "") }
}

extension ONNXRule {
  /// The operator's name with its domain, ONNX's own left out.
  fileprivate var key: String { domain.isEmpty ? name : "\(domain).\(name)" }
}
