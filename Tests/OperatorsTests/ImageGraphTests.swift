import Basics
import Differentiation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// What stands between two convolutions, forward and backward, through all passes: values get the order of axes that convolutions want, and
/// the program must give what the graph gives.
@Suite struct ImageGraphTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var title: String
    var build: @Sendable (inout GraphBuilder, ValueID) throws -> ValueID
    var testDescription: String { title }

    init(_ title: String, _ build: @escaping @Sendable (inout GraphBuilder, ValueID) throws -> ValueID) {
      self.title = title
      self.build = build
    }
  }

  /// On [N, 4, 6, 5].
  static let cases = [
    Case("max_pool 2x2") { try $0.maxPool($1, Window(kernel: [2, 2], strides: [2, 2])) },
    Case("max_pool with padding") {
      try $0.maxPool($1, Window(kernel: [3, 3], strides: [2, 2], before: [1, 0], after: [1, 1]))
    },
    Case("max_pool dilated") { try $0.maxPool($1, Window(kernel: [2, 2], dilations: [3, 2], before: [0, 1], after: [2, 1])) },
    Case("min_pool, part of a window") { try $0.minPool($1, Window(kernel: [4, 2], strides: [3, 3], ceil: true)) },
    Case("average_pool") { try $0.averagePool($1, Window(kernel: [3, 2], strides: [1, 2], before: [1, 1], after: [1, 0])) },
    Case("average_pool with padding counted") {
      try $0.averagePool($1, Window(kernel: [3, 3], strides: [2, 2], before: [1, 1], after: [1, 1], ceil: true), includePadding: true)
    },
    Case("adaptive_average_pool") { try $0.adaptiveAveragePool($1, sizes: [4, 2]) },
    Case("adaptive_average_pool to one") { try $0.adaptiveAveragePool($1, sizes: [1, 1]) },
    Case("mean of positions") { try $0.mean($1, axes: [2, 3], keepDims: true) },
    Case("batch normalisation") { try $0.normalize($1, axes: [0, 2, 3], epsilon: 0.1) },
    Case("instance normalisation") { try $0.normalize($1, axes: [2, 3], epsilon: 0.1) },
    Case("normalisation of channels") { try $0.normalize($1, axes: [1], epsilon: 0.1) },
    Case("group_normalize") { try $0.groupNormalize($1, groups: 2, epsilon: 0.1) },
    Case("local_response_normalize") { try $0.localResponseNormalize($1, size: 3, alpha: 0.5, beta: 0.75, k: 2) },
    Case("resize_nearest") { try $0.resizeNearest($1, sizes: [12, 7]) },
    Case("resize_linear") { try $0.resizeLinear($1, sizes: [9, 4]) },
    Case("resize_linear with aligned corners") { try $0.resizeLinear($1, sizes: [4, 9], alignCorners: true) },
    Case("depth_to_space") { try $0.depthToSpace($1, block: 2) },
    Case("pixel shuffle") { try $0.depthToSpace($1, block: 2, order: .crd) },
    Case("space_to_depth") { try $0.spaceToDepth($0.pad($1, before: [0, 0, 0, 1], after: [0, 0, 0, 0]), block: 2) },
    Case("pad and slice") { try $0.slice($0.pad($1, before: [0, 0, 1, 0], after: [0, 0, 0, 2], value: 0.5), axis: 3, from: 1, to: 6) },
    Case("concat of channels") {
      try $0.concat([$1, $0.relu($1), $0.maxPool($1, Window(kernel: [3, 3], before: [1, 1], after: [1, 1]))], axis: 1)
    },
    Case("residual addition of a pooled value") {
      try $0.relu($0.add($1, $0.averagePool($1, Window(kernel: [3, 3], before: [1, 1], after: [1, 1]))))
    },
  ]

  private static let leaves: [(leaf: Leaf, shape: Shape)] = [
    (Leaf("image", .input(0)), [.batch, 3, 8, 7]), (Leaf("filter", .parameter), [4, 3, 3, 3]), (Leaf("bias", .parameter), [4]),
  ]

  private func graph(_ test: Case) throws -> (graph: Graph, leaves: [(leaf: Leaf, shape: Shape)]) {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 3)])
    let given = Self.leaves.map { builder.leaf($0.leaf, TensorType(.f64, $0.shape)) }
    let window = ConvolutionWindow(rank: 2)
    let bias = try builder.reshape(given[2], [4, 1, 1])
    let first = try builder.add(builder.convolution(given[0], given[1], window), bias)
    let middle = try test.build(&builder, first)
    let last = (leaf: Leaf("last", .parameter), shape: [2, builder.type(middle).shape[1], 1, 1] as Shape)
    let y = try builder.convolution(middle, builder.leaf(last.leaf, TensorType(.f64, last.shape)), window)
    builder.output("y", y)
    let loss = try builder.sum(builder.tanh(y))
    for (name, gradient) in zip(["d_image", "d_filter", "d_bias"], try builder.gradients(of: loss, withRespectTo: given)) {
      builder.output(name, try #require(gradient))
    }
    return (builder.graph, Self.leaves + [last])
  }

  @Test(arguments: cases) func programIsTheGraph(_ test: Case) throws {
    let (graph, leaves) = try graph(test)
    var model = Model(name: "image", element: .f64, symbols: graph.symbols)
    model.graphs = [graph]
    model.inputs = [Port(name: "image", element: .f64, dims: [3, 8, 7])]
    model.parameters = leaves.dropFirst().map { Parameter(name: $0.leaf.name, shape: $0.shape.map(\.coefficient)) }
    model.outputs = graph.outputs.map { output in
      Port(name: output.name, element: .f64, dims: graph.type(output.value).shape.filter { $0 != .batch }.map(\.coefficient))
    }
    let program = try lower(model)
    #expect(program.verify().map(\.description) == [])
    for rows in [1, 3] { try compare(program, graph, leaves, rows: rows) }
  }

  private func compare(_ program: Program, _ graph: Graph, _ leaves: [(leaf: Leaf, shape: Shape)], rows: Int) throws {
    var random = SplitMix(state: UInt64(rows))
    var tensors: [Leaf: Tensor] = [:]
    var memory: [Block: [UInt8]] = [:]
    for (leaf, shape) in leaves {
      let sizes = shape.map { $0 == .batch ? rows : $0.coefficient }
      let tensor = Tensor(
        TensorLiteral((0..<sizes.reduce(1, *)).map { _ in 2 * random.number() - 1 }, shape: sizes, element: .f64))
      tensors[leaf] = tensor
      // Parameters are in the order of the model's declaration, which is the block's.
      if case .input(let k) = leaf.role { memory[.input(k)] = tensor.bytes } else { memory[.parameters, default: []] += tensor.bytes }
    }
    for (k, output) in graph.outputs.enumerated() {
      memory[.output(k)] = Array(repeating: 0x7F, count: graph.type(output.value).maximumCount(graph.symbols) * 8)
    }
    let values = try GraphEvaluator(symbols: ["n": rows]).run(graph, leaves: tensors)
    #expect(try Interpreter(program).run("run", memory: &memory, symbols: ["n": rows]) == 0)
    for (k, output) in graph.outputs.enumerated() {
      let wanted = values[output.value]![0]
      let found = Tensor(.f64, wanted.shape, bytes: memory[.output(k)]!)
      for (a, b) in zip(found.doubles, wanted.doubles) where !(abs(a - b) <= 1e-10 * (1 + abs(b))) {
        Issue.record("\(output.name) of \(rows) rows: \(found.doubles), not \(wanted.doubles)")
        break
      }
    }
  }
}
