import Basics
import CEmitter
import Gradc
import GraphIR
import LoopIR
import Lowering
import Training

extension Verb {
  static let dump = Verb(
    "dump", "any stage of the compiler as text, or a drawing of the graph", operands: "MODEL", count: 1...1,
    about: """
      Stages: graph (the model as its layers built it), differentiated (all entry graphs, with reverse mode and optimizer), expanded (composite \
      operators taken apart), fused (cut into kernels), program (loops), c. Entries: run, evaluate, backward, update, initialize. \
      --emit dot or svg draws the model, a box a layer; with --detail operators, or of another stage or entry, a box an operator.
      """,
    flags: [
      Flag("after", "STAGE", "graph, differentiated, expanded, fused, program or c (default: graph)"),
      Flag("entry", "ENTRY", "one entry alone: run, evaluate, backward, update, initialize"),
      Flag("emit", "text|dot|svg", "text (the default), a Graphviz file, or an SVG file"),
      Flag("detail", "layers|operators", "what a box of a drawing is (default: a layer of the model; of other stages an operator)"),
      Flag("output", "FILE", "write here instead of to standard output", short: "o"),
      Flag("max-batch", "N", "rows of the largest batch (default: the recipe's)"), CodeFlags.precision, CodeFlags.blas,
      ModelFlags.freeze, ModelFlags.replaceHead, CodeFlags.winograd, ModelFlags.recipe, ModelFlags.dim,
    ],
    examples: [
      Example("gradc dump heart.gradc", "the forward graph"),
      Example("gradc dump heart.gradc --after program --entry backward", "the loops of the backward pass"),
      Example("gradc dump heart.gradc --after c -o heart.c", "the C that train runs"),
      Example("gradc dump heart.gradc --emit svg -o heart.svg", "a drawing of the model"),
    ],
    run: { invocation, console in
      let input = try ModelInput(invocation)
      let text = try Dump(invocation, input).text()
      if let output = invocation.value("output"), output != "-" {
        try requireWritable(output, "the text")
        try writeFile(output, text)
        console.writeError("wrote \(output)\n")
      } else {
        console.write(text)
      }
      return 0
    })
}

/// One run of `gradc dump`.
private struct Dump {
  let input: ModelInput
  let stage: String
  let entry: String?
  let form: String
  let drawsLayers: Bool
  let rows: Int
  let element: ElementType
  let blas: EmitOptions.BLAS

  init(_ invocation: Invocation, _ input: ModelInput) throws {
    self.input = input
    stage = try invocation.word("after", among: ["graph", "differentiated", "expanded", "fused", "program", "c"]) ?? "graph"
    entry = invocation.value("entry")
    form = try invocation.word("emit", among: ["text", "dot", "svg"]) ?? "text"
    rows = try invocation.integer("max-batch", in: 1...(1 << 30)) ?? input.recipe.batch ?? 32
    element = try invocation.element(input.file)
    blas = try invocation.blas()
    let detail = try invocation.word("detail", among: ["layers", "operators"])
    let isModel = stage == "graph" && (entry == nil || entry == "run")
    if detail == "layers", !isModel { throw usage("--detail layers draws the model: --after graph, --entry run") }
    drawsLayers = form != "text" && isModel && detail != "operators"
    if form != "text", !["graph", "differentiated", "expanded"].contains(stage) {
      throw usage("--emit \(form) draws graphs: --after graph, differentiated or expanded")
    }
  }

  func text() throws -> String {
    let training = try input.training()
    if drawsLayers {
      let drawing = try input.rendering { try GraphDrawing(layersOf: input.definition, element: element) }
      return form == "svg" ? drawing.svg : drawing.dot
    }
    switch stage {
    case "program", "c":
      var program = try input.compiled(training, element: element, maxBatch: rows, blas: blas).program
      if entry != nil { program = program.keeping(entries: [try named(program.entries.map(\.name))]) }
      guard stage == "c" else { return program.description }
      let project = try emitC(program, options: EmitOptions(blas: blas))
      return project.file("\(project.name).c")?.text ?? ""
    default:
      let model = try input.rendering {
        try buildModel(definition: input.definition, training: training, element: element, maxBatch: rows)
      }
      return try graphs(model)
    }
  }

  private func named(_ names: [String]) throws -> String {
    guard let entry, !names.contains(entry) else { return entry ?? "run" }
    let nearest = nearestName(to: entry, among: names).map { "; did you mean \($0)?" } ?? ""
    throw usage("--entry: found \"\(entry)\", this model has \(names.joined(separator: ", "))\(nearest)")
  }

  private func graphs(_ model: Model) throws -> String {
    let isOne = entry != nil || stage == "graph" || form != "text"
    let name = isOne ? try named(model.graphs.map(\.name)) : nil
    let chosen = model.graphs.filter { name == nil || $0.name == name }
    let options = LoweringOptions(CompileOptions(usesBLAS: blas == .cblas, convolutions: input.convolutions))
    if stage == "fused" { return try chosen.map { try fusedText($0, options: options) }.joined(separator: "\n") }
    let graphs = try stage == "expanded" ? chosen.map { try expand($0, options: options) } : chosen
    switch form {
    case "dot": return GraphDrawing(graphs[0]).dot
    case "svg": return GraphDrawing(graphs[0]).svg
    default: return graphs.map(\.description).joined(separator: "\n")
    }
  }
}
