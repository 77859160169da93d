import Foundation
import GraphIR
import ONNX
import Operators
import Testing

/// Loops and branches, by hand.
@Suite struct ControlRuleTests {
  @Test(arguments: all) func rules(_ test: RuleCase) throws { try test.check() }

  private static let one = RuleCase.Operand.input(TensorLiteral([1], shape: []))

  /// x twice, as long as it stays below 5.
  private static let doubling: RuleReader.Subgraph = { reader, inputs in
    let x = try reader.graph.multiply(reader.place(inputs[2], isState: false), 2)
    return [.value(try reader.graph.less(x, 5)), .value(x)]
  }

  /// The running sum, as state and as output.
  private static let runningSum: RuleReader.Subgraph = { reader, inputs in
    let sum = try reader.graph.add(reader.place(inputs[0], isState: false), reader.place(inputs[1], isState: false))
    return [.value(sum), .value(sum)]
  }

  static let all: [RuleCase] = [
    RuleCase(
      title: "a condition of the model's inputs", type: "Loop", attributes: ["body": .graph(0)],
      operands: [
        .known(TensorLiteral([6], shape: [], element: .i64)), .input(TensorLiteral([1], shape: [], element: .bool)), one,
      ], outputs: [TensorLiteral([8], shape: [])], subgraphs: [doubling]),
    RuleCase(
      title: "a condition that is known", type: "Loop", attributes: ["body": .graph(0)],
      operands: [.absent, .known(TensorLiteral([1], shape: [], element: .bool)), .known(TensorLiteral([1.5], shape: []))],
      outputs: [TensorLiteral([6], shape: [])], subgraphs: [doubling]),
    RuleCase(
      title: "all steps of a value", type: "Loop", attributes: ["body": .graph(0)],
      operands: [.known(TensorLiteral([3], shape: [], element: .i64)), .absent, one],
      outputs: [TensorLiteral([8], shape: []), TensorLiteral([2, 4, 8]), TensorLiteral([0, 1, 2], element: .i64)],
      subgraphs: [
        { reader, inputs in
          let results = try doubling(reader, inputs)
          return results + [results[1], inputs[0]]
        }
      ]),
    RuleCase(
      title: "all of many steps", type: "Loop", attributes: ["body": .graph(0)],
      operands: [.known(TensorLiteral([6], shape: [], element: .i64)), .absent, one],
      outputs: [TensorLiteral([64], shape: []), TensorLiteral([2, 4, 8, 16, 32, 64]), TensorLiteral([0, 1, 2, 3, 4, 5], element: .i64)],
      subgraphs: [
        { reader, inputs in
          let results = try doubling(reader, inputs)
          return results + [results[1], inputs[0]]
        }
      ]),
    RuleCase(
      title: "many steps backwards along the second axis", type: "Scan",
      attributes: [
        "body": .graph(0), "num_scan_inputs": .int(1), "scan_input_axes": .ints([1]), "scan_input_directions": .ints([1]),
        "scan_output_axes": .ints([-1]), "scan_output_directions": .ints([1]),
      ],
      operands: [.input(TensorLiteral([10, 20])), .input(TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], shape: [2, 5]))],
      outputs: [TensorLiteral([25, 60]), TensorLiteral([25, 24, 22, 19, 15, 60, 54, 47, 39, 30], shape: [2, 5])],
      subgraphs: [runningSum]),
    RuleCase(
      title: "no step", type: "Loop", attributes: ["body": .graph(0)],
      operands: [.known(TensorLiteral([0], shape: [], element: .i64)), .absent, one],
      outputs: [TensorLiteral([1], shape: []), TensorLiteral([], shape: [0])], checksGradient: false,
      subgraphs: [
        { reader, inputs in
          let results = try doubling(reader, inputs)
          return results + [results[1]]
        }
      ]),
    RuleCase(
      title: "backwards along the second axis", type: "Scan",
      attributes: [
        "body": .graph(0), "num_scan_inputs": .int(1), "scan_input_axes": .ints([1]), "scan_input_directions": .ints([1]),
        "scan_output_axes": .ints([-1]), "scan_output_directions": .ints([1]),
      ],
      operands: [.input(TensorLiteral([10, 20])), .input(TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3]))],
      outputs: [TensorLiteral([16, 35]), TensorLiteral([16, 15, 13, 35, 31, 26], shape: [2, 3])], subgraphs: [runningSum]),
    RuleCase(
      title: "sequences in a batch", type: "Scan", version: 8, attributes: ["body": .graph(0), "num_scan_inputs": .int(1)],
      operands: [
        .known(TensorLiteral([2, 1], element: .i64)), .input(TensorLiteral([0, 10])),
        .input(TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])),
      ], outputs: [TensorLiteral([3, 14]), TensorLiteral([1, 3, 0, 14, 0, 0], shape: [2, 3])], subgraphs: [runningSum]),
    RuleCase(
      title: "a condition of the model's inputs", type: "If", attributes: ["then_branch": .graph(0), "else_branch": .graph(1)],
      operands: [.input(TensorLiteral([0], element: .bool))], outputs: [TensorLiteral([7], element: .f64)],
      subgraphs: [
        { reader, _ in [.constant(HostTensor([5], element: .f64))] }, { reader, _ in [.constant(HostTensor([7], element: .f64))] },
      ]),
    RuleCase(
      title: "a known condition", type: "If", attributes: ["then_branch": .graph(0), "else_branch": .graph(1)],
      operands: [.known(TensorLiteral([1], element: .bool))], outputs: [TensorLiteral([5], element: .f64)],
      subgraphs: [
        { reader, _ in [.constant(HostTensor([5], element: .f64))] }, { reader, _ in [.constant(HostTensor([7, 8], element: .f64))] },
      ]),
  ]
}
