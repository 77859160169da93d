import Basics
import GraphIR
import LoopIR

/// Numbers along an axis as probabilities; the largest is subtracted first, so nothing overflows.
public struct Softmax: Operator {
  public static let name = "softmax"
  public static let operandNames = ["x"]
  public static let formula = "y = e^(x - max x) / sum of e^(x - max x) along the axis"
  public var axis: Int

  public init(axis: Int = -1) { self.axis = axis }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.node("Softmax", ["axis": .int(axis)]) }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    _ = try resolveAxis(Self.name, axis, operands[0])
    return operands
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let powers = try builder.shiftedPowers(x[0], axis: axis)
      return [try builder.divide(powers, builder.sum(powers, axes: [axis], keepDims: true))]
    }
  }

  /// y (dy - sum of dy y).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (y, dy) = (request.result, request.cotangent)
    let projection = try builder.sum(builder.multiply(dy, y), axes: [axis], keepDims: true)
    return [try builder.multiply(y, builder.subtract(dy, projection))]
  }

  public static let onnxRules = [
    // Before version 13 all axes from `axis` on were one.
    ONNXRule("Softmax") { node in
      let x = try node.value(0)
      let shape = node.type(x).shape
      let axis = try node.axis(node.int("axis", 1), rank: shape.count)
      return [try node.graph.reshape(node.add(Softmax(), node.graph.flattened(x, from: axis)), shape)]
    },
    ONNXRule("Softmax", since: 13) { node in [try node.add(Softmax(axis: node.int("axis", -1)), node.value(0))] },
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, -1, 0.5, 0, 3], shape: [2, 3])
    return [
      OperatorExample(
        "of rows", Softmax(), [x],
        [
          TensorLiteral([0.2594964603, 0.7053845127, 0.03511902696, 0.07252144568, 0.04398648029, 0.883492074], shape: [2, 3])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "of columns", Softmax(axis: 0), [x],
        [
          TensorLiteral([0.6224593312, 0.880797078, 0.01798620996, 0.3775406688, 0.119202922, 0.98201379], shape: [2, 3])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample("large", Softmax(), [TensorLiteral([1000, 1000, -1000])], [TensorLiteral([0.5, 0.5, 0])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Numbers along `axis` as probabilities.
  public mutating func softmax(_ x: ValueID, axis: Int = -1) throws -> ValueID { try add(Softmax(axis: axis), [x]) }

  /// e^(x - max x), the maximum taken along the axis.
  mutating func shiftedPowers(_ x: ValueID, axis: Int) throws -> ValueID {
    try exp(subtract(x, max(x, axes: [axis], keepDims: true)))
  }
}
