import Basics
import Gradc
import GraphIR
import ModelLanguage

extension Verb {
  static let check = Verb(
    "check", "everything that is wrong or doubtful in a model, all at once", operands: "MODEL", count: 1...1,
    about: """
      Reads the model, builds all its graphs and says all that it finds: errors with their lines, operators that gradc does not have, parameters \
      that no gradient reaches, and doubtful choices: two dense layers with nothing between, mean_squared on a sigmoid or softmax classifier, \
      softmax on one unit. Exit code 0 with warnings alone, 1 with errors, 3 when an operator is not supported.
      """,
    flags: [], examples: [Example("gradc check heart.gradc", "says `nothing to complain about`, one hopes")],
    run: { invocation, console in
      let input = try ModelInput(invocation)
      let training = try input.training()
      var found = try input.rendering { try doubtfulChoices(input.definition, training: training) }
      if let training {
        found += try input.rendering { try missingGradients(input.definition, training: training) }
      } else {
        found.append(Diagnostic("there is no loss, so the model cannot be trained: add a `train` block", severity: .warning))
      }
      // Compiled for good, so that what only later stages refuse is found here too.
      _ = try input.compiled(training, element: input.file.training.precision, maxBatch: input.inferenceBatch, blas: .cblas)
      for diagnostic in found { console.line("\(input.path): \(diagnostic.description)") }
      if found.isEmpty { console.line("\(input.path): nothing to complain about") }
      return 0
    })
}
