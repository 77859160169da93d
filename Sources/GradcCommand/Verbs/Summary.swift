import Basics
import CEmitter
import Gradc
import GraphIR
import LoopIR

extension Verb {
  static let summary = Verb(
    "summary", "layers, shapes, parameters, operations, exact bytes", operands: "MODEL", count: 1...1,
    about: """
      A line a layer, as Keras prints it; then the floating point operations of a batch, and the bytes that training and inference need, known \
      exactly before anything runs.
      """,
    flags: [
      Flag("max-batch", "N", "rows of the largest batch (default: the recipe's)"),
      Flag("arena", nil, "show where each temporary lies in the arenas"), ModelFlags.freeze, ModelFlags.replaceHead, CodeFlags.winograd,
      ModelFlags.recipe, ModelFlags.dim,
      CodeFlags.precision, CodeFlags.blas,
    ],
    examples: [
      Example("gradc summary heart.gradc", "the table"),
      Example("gradc summary heart.gradc --max-batch 1 --arena", "what a single row needs, and where"),
    ],
    run: { invocation, console in
      let input = try ModelInput(invocation)
      let rows = try invocation.integer("max-batch", in: 1...(1 << 30)) ?? input.recipe.batch ?? 32
      let training = try input.training()
      let compilation = try input.compiled(
        training, element: invocation.element(input.file), maxBatch: rows, blas: invocation.blas())
      let table = try input.rendering { try LayerTable(input.definition, model: compilation.model) }
      console.write(layers(table, input.file.name, compilation.program.element, console))
      console.write("\n" + operations(compilation.model, rows))
      console.write("\n" + memory(compilation.program, rows))
      if invocation.has("arena") { console.write("\n" + arenas(compilation.program)) }
      return 0
    })

  private static func layers(_ table: LayerTable, _ name: String, _ element: ElementType, _ console: Console) -> String {
    var text = TextTable([
      ("Layer (type)", false), ("Output shape", false), ("Parameters", true), ("FLOPs a row", true), ("Bytes a row", true),
    ])
    text.rows = table.rows.map { row in
      let title = row.kind.isEmpty || row.kind == row.name ? row.name : "\(row.name) (\(row.kind))"
      return [
        title, row.output, NumberText.grouped(row.parameters), NumberText.grouped(Int(row.operations)), NumberText.grouped(row.bytes),
      ]
    }
    return console.bold("Model \(name)") + "\n\n" + text.text() + "\n" + totals(table, element)
  }

  /// The totals that Keras prints: running statistics are parameters that are not trained.
  private static func totals(_ table: LayerTable, _ element: ElementType) -> String {
    let all = table.parameters + table.state
    let rows = [("Total params", all), ("Trainable params", table.trainable), ("Non-trainable params", all - table.trainable)]
    let width = NumberText.grouped(all).count
    var text = ""
    for (name, count) in rows {
      text += "\(name + ":")".padded(22) + NumberText.grouped(count).padded(-width) + " (\(NumberText.bytes(count * element.size)))\n"
    }
    if table.state > 0 { text += "  of these running statistics: \(NumberText.grouped(table.state))\n" }
    return text
  }

  private static func operations(_ model: Model, _ rows: Int) -> String {
    func count(_ name: String) -> Double { model.graph(name)?.operations(rows: rows) ?? 0 }
    func line(_ what: String, _ value: Double) -> String { "\(what.padded(26))\(NumberText.grouped(Int(value)).padded(-16))\n" }
    var text = "Floating point operations, batch of \(NumberText.grouped(rows))\n" + line("  inference", count("run"))
    if model.graph("backward") != nil { text += line("  training step", count("backward") + count("update")) }
    return text
  }

  private static func memory(_ program: Program, _ rows: Int) -> String {
    let sizes = MemorySizes(program)
    let trains = sizes.trainer > 0
    var table = TextTable([("Bytes, batch of \(NumberText.grouped(rows))", false), ("training", true), ("inference", true)])
    func row(_ what: String, _ training: Int, _ inference: Int?) {
      table.rows.append([what, trains ? NumberText.grouped(training) : "-", inference.map(NumberText.grouped) ?? "-"])
    }
    row("parameters", sizes.parameters, sizes.parameters)
    if sizes.state > 0 { row("running state", sizes.state, sizes.state) }
    row("gradients", sizes.gradients, nil)
    row("optimizer moments", sizes.moments, nil)
    row("arena", sizes.arena, sizes.scratch)
    let rest = sizes.trainer - sizes.parameters - sizes.state - sizes.gradients - sizes.moments - sizes.arena
    row("controls, padding", rest, sizes.model - sizes.parameters - sizes.state)
    row("total", sizes.trainer, sizes.model + sizes.scratch)
    return table.text()
  }

  private static func arenas(_ program: Program) -> String {
    var text = ""
    for entry in program.entries {
      var used: [Int: (first: Int, last: Int)] = [:]
      for (step, call) in entry.flatSteps.enumerated() {
        guard case .call(_, let buffers) = call.step else { continue }
        for buffer in buffers where program.buffers[buffer].block == .arena {
          used[buffer] = (used[buffer]?.first ?? step, step)
        }
      }
      guard !used.isEmpty else { continue }
      var table = TextTable([("Arena of \(entry.name)", false), ("offset", true), ("bytes", true), ("steps", true)])
      for (number, steps) in used.sorted(by: { (program.buffers[$0.key].offset, $0.key) < (program.buffers[$1.key].offset, $1.key) }) {
        let buffer = program.buffers[number]
        table.rows.append([
          buffer.name, NumberText.grouped(buffer.offset), NumberText.grouped(buffer.count * buffer.element.size),
          "\(steps.first + 1)-\(steps.last + 1)",
        ])
      }
      text += table.text() + "\(NumberText.grouped(entry.arenaBytes)) bytes in all\n\n"
    }
    return text
  }
}
