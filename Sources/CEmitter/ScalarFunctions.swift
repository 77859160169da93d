import Basics
import LoopIR

/// The scalar functions of `MathFunction` that a file uses, each as a static inline C function made from its definition.
struct ScalarFunctions {
  private var names: [String: String] = [:]
  private var bodies: [String] = []
  private let definition: (MathFunction, ElementType) throws -> ScalarFunction

  init(definition: @escaping (MathFunction, ElementType) throws -> ScalarFunction) { self.definition = definition }

  /// All of them as C, callees before callers.
  var text: String { bodies.joined(separator: "\n") }

  /// The C name; the first use emits the function and what it calls.
  mutating func use(_ function: MathFunction, _ element: ElementType, helpers: inout Helpers) throws -> String {
    let key = "\(function.rawValue)_\(element.rawValue)"
    if let name = names[key] { return name }
    let name = "gradc_\(key)"
    names[key] = name
    let function = try definition(function, element)
    var scope = ScalarText(helpers: helpers, functions: self)
    var table = NameTable()
    var lines = CLines()
    for parameter in function.parameters { scope.values[parameter] = (table.unique(parameter), element) }
    let parameters = function.parameters.map { "\(element.cValueType) \(scope.values[$0]!.name)" }.joined(separator: ", ")
    try lines.block("static inline \(element.cValueType) \(name)(\(parameters))") { lines in
      for definition in function.definitions {
        let value = outerParenthesesDropped(try scope.scalar(definition.value).text)
        let cName = table.unique(definition.name)
        lines.line("const \(definition.element.cValueType) \(cName) = \(value);")
        scope.values[definition.name] = (cName, definition.element)
      }
      lines.line("return \(outerParenthesesDropped(try scope.scalar(function.result).text));")
    }
    helpers = scope.helpers
    self = scope.functions
    bodies.append(blockComment([function.comment].filter { !$0.isEmpty }) + lines.text)
    return name
  }
}
