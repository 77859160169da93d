import Foundation
import GraphIR
import ONNX
import Operators
import Testing

/// Products, reductions, quantized and stored numbers against ONNX's reference evaluator 1.23 in double precision, or by hand.
@Suite struct NumericRuleTests {
  @Test(arguments: products + reductions + elements + quantized + stored) func rules(_ test: RuleCase) throws { try test.check() }

  static let products: [RuleCase] = [
    RuleCase(
      title: "ellipsis", type: "Einsum", attributes: ["equation": .string("...ij,...jk->...ik")],
      operands: [.wave(1, [2, 2, 3]), .wave(2, [2, 3, 2])],
      outputs: [
        TensorLiteral(
          [
            -0.077904004298, 0.449808173675, -0.627990985864, 0.569941493959, 0.332905923878, -0.268248125472, 0.148244974255,
            0.595688761185,
          ], shape: [2, 2, 2])
      ]),
    RuleCase(
      title: "diagonal", type: "Einsum", attributes: ["equation": .string("ii->i")], operands: [.wave(1, [3, 3])],
      outputs: [TensorLiteral([0.673176787846, 0.7988346763, 0.715832937712])]),
    RuleCase(
      title: "three operands", type: "Einsum", attributes: ["equation": .string("ij,j,ik->k")],
      operands: [.wave(1, [2, 3]), .wave(2, [3]), .wave(3, [2, 4])],
      outputs: [TensorLiteral([0.211511541371, -0.366916288012, -0.116961254215, 0.397055915315])]),
    RuleCase(
      title: "no arrow", type: "Einsum", attributes: ["equation": .string("ij, jk")], operands: [.wave(1, [2, 3]), .wave(2, [3, 2])],
      outputs: [TensorLiteral([-0.077904004298, 0.449808173675, -0.627990985864, 0.569941493959], shape: [2, 2])]),
    RuleCase(
      title: "batches of both sides", type: "MatMul", operands: [.wave(1, [2, 1, 2, 3]), .wave(2, [3, 3, 1])],
      outputs: [
        TensorLiteral(
          [
            0.815405045616, -0.407443284447, 1.088325405129, 0.331126058687, 0.00732051432, 0.657759844879, -1.123414031494,
            -0.441807715065, -0.838008844698, -0.964623441672, 0.48991664851, -0.287404667037,
          ], shape: [2, 3, 2, 1])
      ]),
    RuleCase(
      title: "a vector", type: "MatMul", operands: [.wave(1, [3]), .wave(2, [2, 3, 2])],
      outputs: [TensorLiteral([-0.077904004298, 0.449808173675, -0.254727211162, -0.335361467606], shape: [2, 2])]),
    RuleCase(
      title: "all attributes", type: "Gemm",
      attributes: ["alpha": .float(0.5), "beta": .float(2), "transA": .int(1), "transB": .int(1)],
      operands: [.wave(1, [3, 2]), .wave(2, [2, 3]), .wave(3, [2])],
      outputs: [TensorLiteral([0.385056568145, -1.862794480837, 0.399617875535, -1.513123022521], shape: [2, 2])]),
  ]

  static let reductions: [RuleCase] = [
    RuleCase(
      title: "axes as an operand", type: "ReduceLogSumExp", attributes: ["keepdims": .int(0)],
      operands: [.wave(1, [2, 3]), .known(TensorLiteral([1], element: .i64))], outputs: [TensorLiteral([1.344207983144, 1.393515898512])]),
    RuleCase(
      title: "axes as an attribute", type: "ReduceL2", version: 13, attributes: ["axes": .ints([0])], operands: [.wave(1, [2, 3])],
      outputs: [TensorLiteral([0.688770078902, 0.868927568763, 0.763651940795], shape: [1, 3])]),
    RuleCase(
      title: "over no axis", type: "ReduceSumSquare", attributes: ["noop_with_empty_axes": .int(1)], operands: [.wave(1, [2, 3])],
      outputs: [
        TensorLiteral([0.453166987695, 0.116898279698, 0.5795497645, 0.021237233896, 0.638136840059, 0.00361452218], shape: [2, 3])
      ]),
    RuleCase(
      title: "of an empty set", type: "ReduceMax",
      operands: [.input(TensorLiteral([], shape: [2, 0])), .known(TensorLiteral([1], element: .i64))],
      outputs: [TensorLiteral([-.infinity, -.infinity], shape: [2, 1])], checksGradient: false),
    RuleCase(
      title: "the last of equal ones", type: "ArgMax", attributes: ["axis": .int(1), "keepdims": .int(0), "select_last_index": .int(1)],
      operands: [.input(TensorLiteral([2, 2, 1, 3, 10, 10], shape: [2, 3]))], outputs: [TensorLiteral([1, 2], element: .i64)],
      checksGradient: false),
  ]

  static let elements: [RuleCase] = [
    RuleCase(
      title: "ties", type: "Hardmax", operands: [.input(TensorLiteral([3, 1, 3, 0, 1, 2], shape: [2, 3]))],
      outputs: [TensorLiteral([1, 0, 0, 0, 0, 1], shape: [2, 3])], checksGradient: false),
    RuleCase(
      title: "soft", type: "Shrink", attributes: ["lambd": .float(1.5), "bias": .float(1.5)],
      operands: [.input(TensorLiteral([-2, -1, 0.5, 3]))], outputs: [TensorLiteral([-0.5, 0, 0, 1.5])]),
    RuleCase(
      title: "alpha 2", type: "Celu", attributes: ["alpha": .float(2)], operands: [.input(TensorLiteral([-1.5, 0.5]))],
      outputs: [TensorLiteral([-1.055266894518, 0.5])]),
    RuleCase(
      title: "alpha 2", type: "Swish", attributes: ["alpha": .float(2)], operands: [.input(TensorLiteral([-1.5, 0.5]))],
      outputs: [TensorLiteral([-0.071138809766, 0.365529289315])]),
    RuleCase(
      title: "of whole numbers", type: "Pow",
      operands: [.input(TensorLiteral([3, -2, 5], element: .i32)), .input(TensorLiteral([4, 3, 2], element: .i64))],
      outputs: [TensorLiteral([81, -8, 25], element: .i32)], checksGradient: false),
    RuleCase(
      title: "bounds in the wrong order", type: "Clip",
      operands: [.input(TensorLiteral([-2, 0, 6])), .known(TensorLiteral([2], shape: [])), .known(TensorLiteral([1], shape: []))],
      outputs: [TensorLiteral([1, 1, 1])]),
    RuleCase(
      title: "bounds that are inputs", type: "Clip",
      operands: [.input(TensorLiteral([-2, 0, 6])), .input(TensorLiteral([-1], shape: [])), .absent], outputs: [TensorLiteral([-1, 0, 6])]),
  ]

  static let quantized: [RuleCase] = [
    RuleCase(
      title: "along an axis", type: "QuantizeLinear", attributes: ["axis": .int(0)],
      operands: [
        .input(TensorLiteral([-1, 0.25, 0.75, 100, 2.5, -300], shape: [2, 3])), .known(TensorLiteral([0.5, 2])),
        .known(TensorLiteral([3, -4], element: .i8)),
      ], outputs: [TensorLiteral([1, 3, 5, 46, -3, -128], shape: [2, 3], element: .i8)], checksGradient: false),
    RuleCase(
      title: "in blocks", type: "DequantizeLinear", attributes: ["axis": .int(1), "block_size": .int(2)],
      operands: [
        .input(TensorLiteral([-1, 2, 3, 100, 25, -30], shape: [2, 3], element: .i8)),
        .input(TensorLiteral([0.5, 2, 1, 0.25], shape: [2, 2])),
      ], outputs: [TensorLiteral([-0.5, 1, 6, 100, 25, -7.5], shape: [2, 3])]),
    RuleCase(
      title: "bytes", type: "QLinearMatMul",
      operands: [
        .input(TensorLiteral([208, 236, 0, 3, 214, 255], shape: [2, 3], element: .u8)), .known(TensorLiteral([0.0066])),
        .known(TensorLiteral([113], element: .u8)), .input(TensorLiteral([152, 51, 60, 26, 0, 127], shape: [3, 2], element: .u8)),
        .known(TensorLiteral([0.00705])), .known(TensorLiteral([114], element: .u8)), .known(TensorLiteral([0.0107])),
        .known(TensorLiteral([118], element: .u8)),
      ], outputs: [TensorLiteral([161, 39, 6, 118], shape: [2, 2], element: .u8)], checksGradient: false),
    RuleCase(
      title: "a zero point", type: "MatMulInteger",
      operands: [
        .input(TensorLiteral([11, 7, 3, 10, 6, 2], shape: [2, 3], element: .u8)),
        .input(TensorLiteral([1, 4, 2, 5, 3, 6], shape: [3, 2], element: .u8)), .known(TensorLiteral([12], element: .u8)),
      ], outputs: [TensorLiteral([-38, -83, -44, -98], shape: [2, 2], element: .i32)], checksGradient: false),
  ]

  static let stored: [RuleCase] = [
    // 0.1 + 0.2 lies between two numbers of f16, 2048 + 1 as well; 120,000 is above the largest.
    RuleCase(
      title: "rounded once, to even", type: "Add",
      operands: [.input(TensorLiteral([0.1, 2048, 60000], element: .f16)), .input(TensorLiteral([0.2, 1, 60000], element: .f16))],
      outputs: [TensorLiteral([0.2998046875, 2048, .infinity], element: .f16)], checksGradient: false),
    // In f16 the intermediate 65,536 would be infinite.
    RuleCase(
      title: "only the result is rounded", type: "ReduceL2", operands: [.input(TensorLiteral([256, 256], element: .bf16))],
      outputs: [TensorLiteral([362], element: .bf16)], checksGradient: false),
    RuleCase(
      title: "to bf16", type: "Cast", attributes: ["to": .int(16)], operands: [.input(TensorLiteral([1.00390625, 1.01171875, -3.4e38]))],
      outputs: [TensorLiteral([1, 1.015625, -.infinity], element: .bf16)], checksGradient: false),
    RuleCase(
      title: "of another's type", type: "CastLike", operands: [.input(TensorLiteral([0.1], element: .f16)), .input(TensorLiteral([1]))],
      outputs: [TensorLiteral([0.0999755859375])], checksGradient: false),
  ]
}
