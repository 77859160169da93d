import GraphIR
import Layers
import LoopIR
import Operators
import XCTest

@testable import Gradc

/// What is counted and drawn of a graph.
final class InspectionTests: XCTestCase {
  private let symbols = [Symbol(name: "n", maximum: 64)]

  // MARK: Operations

  func testConvolutionsCountTheTermsOfTheirSums() throws {
    var builder = GraphBuilder(name: "run", symbols: symbols)
    let x = builder.leaf(Leaf("x", .input(0)), TensorType(.f32, [.batch, 6, 9, 7]))
    let w = builder.leaf(Leaf("w", .parameter), TensorType(.f32, [4, 3, 3, 2]))
    let window = ConvolutionWindow(strides: [2, 1], dilations: [1, 1], paddingBefore: [1, 0], paddingAfter: [1, 0], groups: 2)
    let y = try builder.convolution(x, w, window)
    builder.output("y", y)
    // y is [N, 4, 5, 6], and a filter has 3 x 3 x 2 elements.
    XCTAssertEqual(builder.type(y).shape, [.batch, 4, 5, 6])
    XCTAssertEqual(builder.graph.operations(rows: 10), 2 * 10 * 4 * 5 * 6 * 18)
    XCTAssertEqual(builder.graph.operations(rows: 10, path: "elsewhere"), 0)
  }

  func testProductsReductionsAndCompositesAreCounted() throws {
    var builder = GraphBuilder(name: "run", symbols: symbols)
    let x = builder.leaf(Leaf("x", .input(0)), TensorType(.f32, [.batch, 8]))
    let w = builder.leaf(Leaf("w", .parameter), TensorType(.f32, [8, 5]))
    builder.path = "product"
    let product = try builder.matmul(x, w)
    builder.path = "sum"
    builder.output("sum", try builder.sum(product, axes: [1]))
    builder.path = "softmax"
    builder.output("softmax", try builder.softmax(product, axis: 1))
    builder.path = "unused"
    _ = try builder.matmul(w, builder.leaf(Leaf("v", .parameter), TensorType(.f32, [5, 5])))
    let graph = builder.graph
    XCTAssertEqual(graph.operations(rows: 3, path: "product"), 2 * 3 * 8 * 5)
    XCTAssertEqual(graph.operations(rows: 3, path: "sum"), 3 * 5)
    // Maximum, difference, exp, sum, quotient.
    XCTAssertEqual(graph.operations(rows: 3, path: "softmax"), 3 * 5 * 5)
    XCTAssertEqual(graph.operations(rows: 3, path: "unused"), 0)
  }

  func testThePeakProgramDoesWhatItSays() {
    for element in [ElementType.f32, .f64] {
      for peak in PeakProgram.candidates(element, threads: 3) {
        XCTAssertEqual(peak.program.verify().map(\.message), [])
        XCTAssertEqual(peak.program.operations(of: peak.program.entries[0], rows: 1), peak.operations)
      }
    }
  }

  func testNotesOfConvolutionsSurviveTheirText() throws {
    let note = ConvolutionNote(
      method: "winograd", shape: "forward, f32 [64, 64, 32, 32] by 64 filters 3x3 to 32x32", operations: 4_831_838_208)
    var kernel = Kernel(name: "k", comments: ["conv1: convolution", note.comment], parameters: [], symbols: [], body: [])
    XCTAssertEqual(ConvolutionNote(kernel), note)
    kernel.comments = ["method: winograd", "method: ; operations"]
    XCTAssertNil(ConvolutionNote(kernel))
  }

  func testKernelsTellTheMethodsOfTheirConvolutions() throws {
    let definition = ModelDefinition(name: "m") { builder in
      let x = try builder.input("x", dims: [3, 8, 8])
      let y = try builder.convolution(x, filters: 5, SlidingWindow(kernel: [3, 3]))
      try builder.output("y", builder.flatten(y))
    }
    let training = TrainingSpecification(losses: [LossChoice("mean_squared")], optimizer: try OptimizerChoice("sgd"))
    let program = try compile(definition, training: training, options: CompileOptions(maxBatch: 4)).program
    let notes = Set(program.kernels.compactMap { ConvolutionNote($0) })
    XCTAssertEqual(Set(notes.map { $0.shape.prefix { $0 != "," } }), ["forward", "filter_gradient"])
    for note in notes { XCTAssertEqual(note.operations, 2 * 4 * 5 * 36 * 27, note.shape) }
    XCTAssertTrue(notes.allSatisfy { $0.shape.hasSuffix("f32 [4, 3, 8, 8] by 5 filters 3x3 to 6x6") }, "\(notes)")
    // What was measured is taken, whatever the estimate says.
    let shape = try XCTUnwrap(notes.first { $0.shape.hasPrefix("forward") }).shape
    for method in ["patches"] {
      let options = CompileOptions(maxBatch: 4, convolutions: ConvolutionChoices(choices: [shape: method]))
      let chosen = try compile(definition, training: training, options: options).program.kernels.compactMap { ConvolutionNote($0) }
      XCTAssertEqual(Set(chosen.filter { $0.shape == shape }.map(\.method)), [method])
    }
  }

  // MARK: Drawings

  private func drawing(_ build: @escaping (inout ModelBuilder) throws -> Void) throws -> GraphDrawing {
    try GraphDrawing(layersOf: ModelDefinition(name: "m", build: build), element: .f32)
  }

  func testALayerIsABoxAndASumAJoint() throws {
    let drawing = try drawing { builder in
      let x = try builder.input("x", dims: [8])
      let a = try builder.relu(builder.batchNorm(builder.dense(x, units: 4)))
      let b = try builder.graph.add(builder.dense(a, units: 4), a)
      let c = try builder.add([b, a])
      try builder.output("y", builder.relu(c))
    }
    XCTAssertEqual(
      drawing.boxes.map(\.lines),
      [
        ["x", "f32[N, 8]"], ["dense1", "[N, 4]", "batch_norm1", "relu1"], ["dense2", "[N, 4]"], ["+"], ["+", "relu2"], ["output y"],
      ])
    XCTAssertEqual(drawing.boxes.map(\.operands), [[], [0], [1], [2, 1], [3, 1], [4]])
    XCTAssertEqual(drawing.boxes[3].join, "+")
  }

  func testALayerUsedTwiceIsDrawnTwice() throws {
    let drawing = try drawing { builder in
      let x = try builder.input("x", dims: [4])
      let once = try builder.dense(x, units: 4, name: "shared")
      try builder.output("y", builder.dense(once, units: 4, name: "shared"))
    }
    XCTAssertEqual(drawing.boxes.map(\.lines), [["x", "f32[N, 4]"], ["shared", "[N, 4]"], ["shared", "[N, 4]"], ["output y"]])
    XCTAssertEqual(drawing.boxes.map(\.operands), [[], [0], [1], [2]])
  }

  func testConvolutionsTellTheirWindow() throws {
    let drawing = try drawing { builder in
      let x = try builder.input("x", dims: [4, 8, 8])
      let y = try builder.layer("stem") { builder in
        let w = try builder.parameter("weight", shape: [6, 2, 3, 5], initializer: .heNormal)
        return try builder.graph.convolution(
          x, w, ConvolutionWindow(strides: [2, 1], dilations: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0], groups: 2))
      }
      try builder.output("y", y)
    }
    XCTAssertEqual(drawing.boxes[1].lines, ["stem1  3×5, stride 2×1, 2 groups", "[N, 6, 3, 4]"])
  }

  /// Neither boxes of a row nor their texts overlap, whatever the graph.
  func testBoxesDoNotOverlap() throws {
    let drawing = try drawing { builder in
      let x = try builder.input("x", dims: [8])
      var values = [x]
      for index in 0..<12 {
        let y = try builder.dense(values[(index * 5) % values.count], units: 8, name: "layer_with_a_long_name_\(index)")
        values.append(try index % 3 == 2 ? builder.graph.add(y, values[index / 2]) : y)
      }
      try builder.output("y", builder.concat(values))
    }
    let pattern = #/<rect x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"/#
    let rects = drawing.svg.matches(of: pattern).map { match in
      (x: Double(match.1)!, y: Double(match.2)!, width: Double(match.3)!, height: Double(match.4)!)
    }
    XCTAssertGreaterThan(rects.count, 14)
    for (index, a) in rects.enumerated() {
      for b in rects[..<index] {
        let isApart = a.x + a.width < b.x + 0.2 || b.x + b.width < a.x + 0.2 || a.y + a.height < b.y + 0.2 || b.y + b.height < a.y + 0.2
        XCTAssertTrue(isApart, "\(a) \(b)")
      }
    }
    for box in drawing.boxes { for line in box.cells.joined() { XCTAssertTrue(drawing.svg.contains(">\(line)</text>"), line) } }
  }
}
