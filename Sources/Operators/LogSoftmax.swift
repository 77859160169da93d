import Basics
import GraphIR
import LoopIR

/// The logarithm of softmax, finite where softmax itself rounds to 0.
public struct LogSoftmax: Operator {
  public static let name = "log_softmax"
  public static let operandNames = ["x"]
  public static let formula = "y = x - max x - ln(sum of e^(x - max x)) along the axis"
  public var axis: Int

  public init(axis: Int = -1) { self.axis = axis }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.node("LogSoftmax", ["axis": .int(axis)]) }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    _ = try resolveAxis(Self.name, axis, operands[0])
    return operands
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let shifted = try builder.subtract(x[0], builder.max(x[0], axes: [axis], keepDims: true))
      let total = try builder.sum(builder.shiftedPowers(x[0], axis: axis), axes: [axis], keepDims: true)
      return [try builder.subtract(shifted, builder.log(total))]
    }
  }

  /// dy - e^y sum of dy.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let total = try builder.sum(request.cotangent, axes: [axis], keepDims: true)
    return [try builder.subtract(request.cotangent, builder.multiply(builder.exp(request.result), total))]
  }

  public static let onnxRules = [
    // Before version 13 all axes from `axis` on were one.
    ONNXRule("LogSoftmax") { node in
      let x = try node.value(0)
      let shape = node.type(x).shape
      let axis = try node.axis(node.int("axis", 1), rank: shape.count)
      return [try node.graph.reshape(node.add(LogSoftmax(), node.graph.flattened(x, from: axis)), shape)]
    },
    ONNXRule("LogSoftmax", since: 13) { node in [try node.add(LogSoftmax(axis: node.int("axis", -1)), node.value(0))] },
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "of rows", LogSoftmax(), [TensorLiteral([1, 2, -1, 0.5, 0, 3], shape: [2, 3])],
        [
          TensorLiteral([-1.349012217, -0.3490122168, -3.349012217, -2.623872958, -3.123872958, -0.1238729584], shape: [2, 3])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "large", LogSoftmax(axis: 0), [TensorLiteral([1000, 1000, -1000])],
        [TensorLiteral([-0.6931471806, -0.6931471806, -2000.693147])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The logarithm of softmax along `axis`.
  public mutating func logSoftmax(_ x: ValueID, axis: Int = -1) throws -> ValueID { try add(LogSoftmax(axis: axis), [x]) }
}
