import Basics
import GraphIR
import LoopIR

/// The sum of each window over the last axes; padding counts as 0.
public struct SumPool: WindowOperator {
  public static let name = "sum_pool"
  public static let operandNames = ["x"]
  public static let formula = "y[…, i…] = sum of x[…, i strides + r dilations - before…] over the taps r"
  public var window: Window

  public init(_ window: Window) { self.window = window }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try call.pooled(window, "AveragePool", ["count_include_pad": .int(1)]).map {
      [try call.writer.pointwise("Mul", $0, Double(window.taps))]
    }
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [TensorType(try requireFloat(Self.name, [operands[0].element]), try window.resultShape(Self.name, operands[0]))]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .reduction(window.reduction(.sum, of: operands[0], results[0], fill: .constant(0, results[0].element)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.sumPoolGradient(request.cotangent, window, of: request.operands[0])]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three neighbours", SumPool(Window(kernel: [3], before: [1], after: [1])), [TensorLiteral([1, 2, 4, 8], shape: [1, 4])],
        [TensorLiteral([3, 7, 14, 12], shape: [1, 4])], source: "by hand"),
      OperatorExample(
        "every second of two taps that are two apart", SumPool(Window(kernel: [1, 2], strides: [1, 2], dilations: [1, 2])),
        [TensorLiteral([1, 2, 4, 8, 16, 32], shape: [1, 6])], [TensorLiteral([5, 20], shape: [1, 2])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The sum of each window.
  public mutating func sumPool(_ x: ValueID, _ window: Window) throws -> ValueID { try add(SumPool(window), [x]) }

  /// For each element of x the sum of the cotangents of the windows that hold it.
  mutating func sumPoolGradient(_ dy: ValueID, _ window: Window, of x: ValueID) throws -> ValueID {
    try add(SumPoolGradient(window, sizes: window.sizes(of: type(x))), [dy])
  }
}
