import Basics
import Gradc
import GraphIR
import Operators

extension Verb {
  static let operators = Verb(
    "operators", "the reference of all operators, made from the registry", operands: "[NAME]", count: 0...1,
    about: """
      Each operator with its operands, its formula, and whether it has a gradient. With a NAME, \
      that operator alone, with its worked examples.
      """,
    flags: [],
    examples: [Example("gradc operators", "the table"), Example("gradc operators softmax", "one of them, with examples")],
    run: { invocation, console in
      if let name = invocation.operands.first {
        guard let type = allOperators.first(where: { $0.name == name }) else {
          let nearest = nearestName(to: name, among: allOperators.map { $0.name })
          throw usage("unknown operator '\(name)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "; gradc operators lists them"))
        }
        console.write(page(type))
        return 0
      }
      var table = TextTable([("Operator", false), ("Operands", false), ("Gradient", false), ("Formula", false)])
      table.columns = console.isTerminal ? console.columns : 140
      table.rows = allOperators.sorted { $0.name < $1.name }.map {
        [$0.name, $0.operandNames.joined(separator: ", "), $0.isDifferentiable ? "yes" : "none", $0.formula]
      }
      console.write(table.text())
      console.line("\n\(allOperators.count) operators")
      return 0
    })

  private static func page(_ type: any Operator.Type) -> String {
    var text = "\(type.name)(\(type.operandNames.joined(separator: ", ")))\n\n  \(type.formula)\n  "
    text += type.isDifferentiable ? "It has a gradient.\n" : "It has no gradient.\n"
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
