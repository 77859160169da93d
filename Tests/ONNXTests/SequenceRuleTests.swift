import Foundation
import GraphIR
import ONNX
import Operators
import Testing

/// Recurrent networks and attention against PyTorch 2.15 in double precision, or the formulas of ONNX written out in it.
@Suite struct SequenceRuleTests {
  @Test(arguments: recurrent + attention) func rules(_ test: RuleCase) throws { try test.check() }

  private static func operands(gates: Int, directions: Int, steps: Int = 3) -> [RuleCase.Operand] {
    [
      .wave(1, [steps, 2, 2]), .wave(2, [directions, gates * 2, 2]), .wave(3, [directions, gates * 2, 2]),
      .wave(4, [directions, 2 * gates * 2]),
    ]
  }

  static let recurrent: [RuleCase] = [
    RuleCase(
      title: "both directions", type: "LSTM", attributes: ["direction": .string("bidirectional"), "hidden_size": .int(2)],
      operands: operands(gates: 4, directions: 2) + [.absent, .wave(5, [2, 2, 2]), .wave(6, [2, 2, 2])],
      outputs: [
        TensorLiteral(
          [
            0.1000033691, 0.04866508848, 0.1204755617, -0.3246362486, -0.1815471877, -0.07617444173, -0.4390320731, -0.1115252694,
            0.2056350698, -0.02991790542, 0.1068762471, -0.3893841402, -0.1522079118, 0.08285838507, -0.3504664403, -0.1250086274,
            0.2926109354, -0.0705741092, 0.09024768535, -0.438810621, -0.1646025132, 0.1172652222, -0.1573999237, -0.2101609342,
          ], shape: [3, 2, 2, 2]),
        TensorLiteral(
          [
            0.2926109354, -0.0705741092, 0.09024768535, -0.438810621, -0.1815471877, -0.07617444173, -0.4390320731, -0.1115252694,
          ], shape: [2, 2, 2]),
        TensorLiteral(
          [0.3453965435, -0.2217150834, 0.1266930634, -1.093626046, -0.9682579728, -0.23789597, -1.446676013, -0.8781278705],
          shape: [2, 2, 2]),
      ]),
    RuleCase(
      title: "sequences of 2 and 3 steps", type: "LSTM", attributes: ["direction": .string("bidirectional")],
      operands: operands(gates: 4, directions: 2) + [
        .input(TensorLiteral([2, 3], element: .i32)), .wave(5, [2, 2, 2]), .wave(6, [2, 2, 2]),
      ],
      outputs: [
        TensorLiteral(
          [
            0.1000033691, 0.04866508848, 0.1204755617, -0.3246362486, -0.1467589203, -0.06519405654, -0.4390320731, -0.1115252694,
            0.2056350698, -0.02991790542, 0.1068762471, -0.3893841402, -0.1372172335, 0.06887044116, -0.3504664403, -0.1250086274, 0, 0,
            0.09024768535, -0.438810621, 0, 0, -0.1573999237, -0.2101609342,
          ], shape: [3, 2, 2, 2]),
        TensorLiteral(
          [
            0.2056350698, -0.02991790542, 0.09024768535, -0.438810621, -0.1467589203, -0.06519405654, -0.4390320731, -0.1115252694,
          ], shape: [2, 2, 2]),
        TensorLiteral(
          [0.2465704316, -0.07773545331, 0.1266930634, -1.093626046, -0.7129640899, -0.2003808548, -1.446676013, -0.8781278705],
          shape: [2, 2, 2]),
      ]),
    RuleCase(
      title: "peepholes, clip, coupled gates and functions with numbers", type: "LSTM",
      attributes: [
        "activations": .strings(["HardSigmoid", "Softsign", "ScaledTanh"]), "activation_alpha": .floats([0.3, 1.5]),
        "activation_beta": .floats([0.4, 0.7]), "clip": .float(0.6), "input_forget": .int(1),
      ],
      operands: operands(gates: 4, directions: 1, steps: 2) + [.absent, .wave(5, [1, 2, 2]), .wave(6, [1, 2, 2]), .wave(7, [1, 6])],
      outputs: [
        TensorLiteral(
          [
            -0.05586289612, 0.06161065823, 0.05956422822, -0.2596358793, 0.006609282078, 0.01625035106, 0.09637821195, -0.2655083604,
          ], shape: [2, 1, 2, 2]),
        TensorLiteral([0.006609282078, 0.01625035106, 0.09637821195, -0.2655083604], shape: [1, 2, 2]),
        TensorLiteral([0.01085288872, 0.0664043972, 0.1589086951, -0.5620344177], shape: [1, 2, 2]),
      ]),
    RuleCase(
      title: "reset last", type: "GRU", attributes: ["linear_before_reset": .int(1)], operands: operands(gates: 3, directions: 1),
      outputs: [
        TensorLiteral(
          [
            -0.2131957371, -0.03781727222, -0.2412943531, -0.2983846881, -0.1979941857, -0.2865541172, -0.4339546778, -0.3732057501,
            -0.08204013566, -0.5146114274, -0.5831376767, -0.3302733449,
          ], shape: [3, 1, 2, 2]),
        TensorLiteral([-0.08204013566, -0.5146114274, -0.5831376767, -0.3302733449], shape: [1, 2, 2]),
      ]),
    RuleCase(
      title: "reset first", type: "GRU", operands: operands(gates: 3, directions: 1) + [.absent, .wave(5, [1, 2, 2])],
      outputs: [
        TensorLiteral(
          [
            -0.4974772709, -0.1726629007, 0.3175993834, -0.5336548053, -0.2826849631, -0.5510678422, 0.0006392970384, -0.470577021,
            -0.1202020056, -0.7429803269, -0.2472274545, -0.3506341003,
          ], shape: [3, 1, 2, 2]),
        TensorLiteral([-0.1202020056, -0.7429803269, -0.2472274545, -0.3506341003], shape: [1, 2, 2]),
      ]),
  ]

  static let attention: [RuleCase] = [
    RuleCase(
      title: "causal, two query heads a key head", type: "Attention", attributes: ["is_causal": .int(1)],
      operands: [.wave(1, [1, 4, 3, 2]), .wave(2, [1, 2, 3, 2]), .wave(3, [1, 2, 3, 2])],
      outputs: [
        TensorLiteral(
          [
            0.1128960064, -0.7999386061, 0.1001122081, 0.2249238205, -0.04374242699, -0.4584061409, 0.1128960064, -0.7999386061,
            0.1076057854, -0.3758276593, 0.01606915446, 0.1305042302, 0.4736588118, 0.5783050796, 0.1663133642, 0.2990462413,
            -0.07147555893, -0.04925014544, 0.4736588118, 0.5783050796, -0.2491503508, -0.07845053086, 0.3331442057, 0.2089557944,
          ], shape: [1, 4, 3, 2])
      ]),
    RuleCase(
      title: "heads side by side, mask, soft cap", type: "Attention",
      attributes: ["q_num_heads": .int(2), "kv_num_heads": .int(2), "scale": .float(0.5), "softcap": .float(2)],
      operands: [
        .wave(1, [1, 2, 4]), .wave(2, [1, 3, 4]), .wave(3, [1, 3, 4]),
        .input(TensorLiteral([1, 0, 1, 0, 1, 1], shape: [2, 3], element: .bool)),
      ],
      outputs: [
        TensorLiteral(
          [
            -0.2038133477, -0.6354256913, 0.365334066, 0.5426153946, -0.445693484, -0.569598134, 0.591790488, 0.4178510138,
          ], shape: [1, 2, 4])
      ]),
    RuleCase(
      title: "causal behind a cache", type: "Attention", attributes: ["is_causal": .int(1)],
      operands: [
        .wave(1, [1, 1, 2, 2]), .wave(2, [1, 1, 2, 2]), .wave(3, [1, 1, 2, 2]), .absent, .wave(4, [1, 1, 1, 2]), .wave(5, [1, 1, 1, 2]),
      ],
      outputs: [
        TensorLiteral([-0.1912328768, -0.4115614247, -0.2622659879, 0.266272303], shape: [1, 1, 2, 2]),
        TensorLiteral(
          [-0.6054419962, -0.4405484341, 0.7274379415, -0.4238689127, -0.61821159, 0.5831752321], shape: [1, 1, 3, 2]),
      ]),
    RuleCase(
      title: "a query without keys", type: "Attention",
      operands: [
        .wave(1, [1, 1, 2, 2]), .wave(2, [1, 1, 2, 2]), .known(TensorLiteral([1, 2, 3, 4], shape: [1, 1, 2, 2])),
        .input(TensorLiteral([0, 0, 0, 1], shape: [2, 2], element: .bool)),
      ], outputs: [TensorLiteral([0, 0, 3, 4], shape: [1, 1, 2, 2])]),
  ]

  /// Kinks at 0 are no places for differences.
  @Test func elmanBackwardsWithTheBatchFirst() throws {
    var test = RuleCase(
      title: "relu", type: "RNN",
      attributes: ["activations": .strings(["Relu"]), "direction": .string("reverse"), "layout": .int(1)],
      operands: Self.operands(gates: 1, directions: 1),
      outputs: [
        TensorLiteral(
          [
            0.5500896701, 0, 0.813078265, 0, 0.8234813266, 0, 0, 0.8740852717, 0, 0.8682790457, 0, 0.5367846725,
          ], shape: [2, 3, 1, 2]),
        TensorLiteral([0.5500896701, 0, 0, 0.8740852717], shape: [2, 1, 2]),
      ], checksGradient: false)
    // The wave runs over steps first; here it is laid out with the batch first.
    guard case .input(let x) = test.operands[0] else { return }
    let turned = [0, 4, 8, 2, 6, 10].flatMap { Array(x.values[$0..<$0 + 2]) }
    test.operands[0] = .input(TensorLiteral(turned, shape: [2, 3, 2]))
    try test.check()
  }
}
