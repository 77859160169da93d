import Basics
import ModelLanguage

/// The version that `gradc --version` tells.
let version = "0.1.0"

/// All verbs, in the order of the help.
let allVerbs: [Verb] = [
  .train, .build, .predict, .eval, .run, .generate, .grad, .export, .check, .gradcheck, .golden, .summary, .dump, .profile, .operators,
]

/// An error whose text is complete: with the lines of the model file that it speaks of.
struct RenderedError: Error {
  var text: String
  var kind: FailureKind
}

/// Runs `gradc` with these arguments and gives its exit code. Errors are written to the console.
public func runCommand(_ arguments: [String], _ console: Console) -> Int32 {
  do {
    return try dispatch(arguments, console)
  } catch let error as RenderedError {
    console.writeError(error.text + "\n")
    return error.kind.rawValue
  } catch let error as ModelFile.Errors {
    console.writeError(error.description + "\n")
    return FailureKind.input.rawValue
  } catch let error as Diagnostic {
    console.writeError(error.rendered(source: nil) + "\n")
    return error.kind.rawValue
  } catch {
    console.writeError("error: \(error)\n")
    return FailureKind.bug.rawValue
  }
}

private func dispatch(_ arguments: [String], _ console: Console) throws -> Int32 {
  guard let first = arguments.first else {
    console.writeError(overview(console))
    return FailureKind.usage.rawValue
  }
  switch first {
  case "--help", "-h":
    console.write(overview(console))
    return 0
  case "help":
    console.write(try arguments.count > 1 ? verb(arguments[1]).help(console) : overview(console))
    return 0
  case "--version", "-V", "version":
    console.line("gradc \(version)")
    return 0
  default:
    let verb = try verb(first)
    let invocation = try verb.parse(arguments.dropFirst())
    if invocation.has("help") {
      console.write(verb.help(console))
      return 0
    }
    return try verb.run(invocation, console)
  }
}

private func verb(_ name: String) throws -> Verb {
  if let verb = allVerbs.first(where: { $0.name == name }) { return verb }
  if name.hasPrefix("-") { throw usage("unknown flag \(name); flags stand after a verb: gradc train model.gradc --epochs 10") }
  if name.hasSuffix(".gradc") { throw usage("a verb is missing before \(name): gradc train \(name)") }
  let nearest = nearestName(to: name, among: allVerbs.map(\.name))
  throw usage("unknown verb '\(name)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "; gradc --help lists them"))
}

/// The text of `gradc --help`.
private func overview(_ console: Console) -> String {
  let width = allVerbs.map(\.name.count).max() ?? 0
  var text = "\(console.bold("gradc")): compiles neural networks to plain C that can learn\n\n"
  text += "  gradc train model.gradc                     compile, train, report\n"
  text += "  gradc build model.gradc -o DIR --trainer    C to embed, and a native trainer\n"
  text += "  gradc predict model.gradc --data new.csv    a CSV of predictions\n\n"
  text += console.bold("Verbs") + "\n"
  for verb in allVerbs {
    text += "  \(verb.name)\(String(repeating: " ", count: width - verb.name.count))  \(verb.summary)\n"
  }
  text += "\ngradc VERB --help explains a verb by example. gradc --version tells the version.\n"
  text += "Exit codes: 0 ok; 1 model or data; 2 usage; 3 unsupported operator; 4 numerical failure; 70 a bug in gradc; 130 interrupted.\n"
  return text
}
