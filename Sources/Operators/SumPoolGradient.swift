import Basics
import GraphIR
import LoopIR

/// The gradient of `sum_pool`: each element collects the cotangents of the windows that hold it.
public struct SumPoolGradient: WindowGradient {
  public static let name = "sum_pool_gradient"
  public static let operandNames = ["dy"]
  public static let formula = "dx[…, i…] = sum of dy over the windows that hold i"
  public var window: Window
  public var sizes: [Int]

  public init(_ window: Window, sizes: [Int]) {
    self.window = window
    self.sizes = sizes
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try inputType(operands[0])]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    window.gather(to: results[0], from: operands[0], .constant(0, results[0].element)) { position, _ in .element(0, position) }
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.sumPool(request.cotangent, window)]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three neighbours", SumPoolGradient(Window(kernel: [3], before: [1], after: [1]), sizes: [4]),
        [TensorLiteral([1, 2, 4, 8], shape: [1, 4])], [TensorLiteral([3, 7, 14, 12], shape: [1, 4])], source: "by hand"),
      OperatorExample(
        "a stride, taps two apart, one element left over", SumPoolGradient(Window(kernel: [2], strides: [3], dilations: [2]), sizes: [7]),
        [TensorLiteral([3, 5], shape: [1, 2])], [TensorLiteral([3, 0, 3, 5, 0, 5, 0], shape: [1, 7])], source: "by hand"),
    ]
  }
}
