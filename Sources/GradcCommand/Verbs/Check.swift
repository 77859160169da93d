import Basics
import Gradc
import GraphIR
import ModelLanguage
import ONNX

extension Verb {
  static let check = Verb(
    "check", "everything that is wrong or doubtful in a model, all at once", operands: "MODEL", count: 1...1,
    about: """
      Reads the model, builds all its graphs and says all that it finds: errors with their lines, operators that gradc does not have, parameters \
      that no gradient reaches (of an ONNX model every node that no gradient passes through), and doubtful choices: two dense layers with nothing between, mean_squared on a sigmoid or softmax classifier, \
      softmax on one unit. Exit code 0 with warnings alone, 1 with errors, 3 when an operator is not supported.
      """,
    flags: [ModelFlags.recipe, ModelFlags.dim],
    examples: [
      Example("gradc check heart.gradc", "says `nothing to complain about`, one hopes"),
      Example("gradc check resnet18.onnx", "each node that gradc cannot read, and each that no gradient passes through"),
    ],
    run: { invocation, console in
      if invocation.operands[0].hasSuffix(".onnx"), let code = try checkNodes(invocation, console) { return code }
      let input = try ModelInput(invocation)
      let training = try input.training()
      var found = try input.rendering { try doubtfulChoices(input.definition, training: training) }
      if let training {
        found += try input.rendering { try missingGradients(input.definition, training: training) }
      } else if input.onnx != nil {
        // What only the reverse pass refuses.
        _ = try input.rendering { try gradientModel(input.definition, element: input.file.training.precision, maxBatch: 1) }
      } else {
        found.append(Diagnostic("there is no loss, so the model cannot be trained: add a `train` block", severity: .warning))
      }
      if let doubt = input.onnx?.inferenceForm() { found.append(Diagnostic(doubt, severity: .warning)) }
      // Compiled for good, so that what only later stages refuse is found here too.
      _ = try input.compiled(training, element: input.file.training.precision, maxBatch: input.inferenceBatch, blas: .cblas)
      for diagnostic in found { console.line("\(input.path): \(diagnostic.description)") }
      if found.isEmpty { console.line("\(input.path): nothing to complain about") }
      return 0
    })
}

/// Says what keeps an ONNX model from running or learning, node by node; nil when nothing does.
private func checkNodes(_ invocation: Invocation, _ console: Console) throws -> Int32? {
  let path = invocation.operands[0]
  var model = try ONNXModel(path: path)
  model.dimensions = try invocation.dimensions()
  let problems = model.problems()
  for problem in problems { console.line((problem.message.hasPrefix("\(path): ") ? "" : "\(path): ") + problem.description) }
  guard !problems.isEmpty else { return nil }
  return (problems.contains { $0.kind == .unsupported } ? FailureKind.unsupported : .input).rawValue
}
