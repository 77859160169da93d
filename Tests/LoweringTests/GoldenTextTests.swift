import Basics
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Small graphs, what shares a kernel, and the loops, as one text each in `Golden`; `GRADC_BLESS=1` writes them anew.
@Suite struct GoldenTextTests {
  private static let graphs: [(name: String, text: String)] = [
    (
      "dense_relu",
      """
      graph run {
        symbol n <= 32
        %0 = input 0 "x" : f32[N, 29]
        %1 = parameter "dense1.weight" : f32[29, 16]
        %2 = parameter "dense1.bias" : f32[16]
        %3 = matmul(%0, %1) : f32[N, 16] in "dense1"
        %4 = broadcast(%2, shape: [N, 16]) : f32[N, 16] in "dense1"
        %5 = add(%3, %4) : f32[N, 16] in "dense1"
        %6 = relu(%5) : f32[N, 16] in "dense1"
        output "y" = %6
      }
      """
    ),
    (
      "softmax",
      """
      graph run {
        symbol n <= 8
        %0 = input 0 "x" : f32[N, 10]
        %1 = softmax(%0, axis: 1) : f32[N, 10]
        output "y" = %1
      }
      """
    ),
    (
      "column_means",
      """
      graph run {
        symbol n <= 8
        %0 = input 0 "x" : f32[N, 20]
        %1 = mean(%0, axes: [0]) : f32[20]
        %2 = square(%1) : f32[20]
        output "mean" = %1
        output "square" = %2
      }
      """
    ),
    (
      "views",
      """
      graph run {
        symbol n <= 8
        %0 = input 0 "x" : f32[N, 6]
        %1 = slice(%0, starts: [0, 1], sizes: [N, 3], steps: [1, 1]) : f32[N, 3]
        %2 = reshape(%0, shape: [N, 2, 3]) : f32[N, 2, 3]
        %3 = transpose(%2, permutation: [0, 2, 1]) : f32[N, 3, 2]
        %4 = reshape(%3, shape: [N, 6]) : f32[N, 6]
        %5 = concat(%1, %4, axis: 1) : f32[N, 9]
        output "y" = %5
      }
      """
    ),
  ]

  @Test(arguments: graphs.indices) func text(_ index: Int) throws {
    let (name, source) = Self.graphs[index]
    let graph = try GraphParser.parse(source, operators: allOperators)
    var model = Model(name: name, element: .f32, symbols: graph.symbols)
    model.graphs = [graph]
    for id in graph.ids {
      guard let leaf = graph[id].leaf else { continue }
      let dims = graph.type(id).shape.filter { $0 != .batch }.map(\.coefficient)
      if case .input = leaf.role {
        model.inputs.append(Port(name: leaf.name, element: .f32, dims: dims))
      } else {
        model.parameters.append(Parameter(name: leaf.name, shape: dims, decays: dims.count > 1))
      }
    }
    model.outputs = graph.outputs.map {
      Port(name: $0.name, element: .f32, dims: graph.type($0.value).shape.filter { $0 != .batch }.map(\.coefficient))
    }
    let program = try lower(model)
    let text = graph.description + "\n" + (try fusedText(graph)) + "\n" + program.kernels.map(\.description).joined(separator: "\n")
    let difference = try differenceFromGolden(text.hasSuffix("\n") ? text : text + "\n", "\(name).txt")
    #expect(difference == nil)
    #expect(text.split(separator: "\n").count <= 120)
  }
}
