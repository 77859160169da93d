import Basics
import GraphIR
import LoopIR

/// The gradient of max and min pooling: each element collects the cotangents of the windows that chose it.
public struct PoolGradient: WindowGradient {
  public static let name = "pool_gradient"
  public static let operandNames = ["dy", "position"]
  public static let formula = "dx[…, i…] = sum of dy over the windows whose chosen tap is at i"
  public static let isDifferentiable = false
  public var window: Window
  public var sizes: [Int]

  public init(_ window: Window, sizes: [Int]) {
    self.window = window
    self.sizes = sizes
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    guard operands[1] == operands[0].with(.i32) else {
      throw TypeError("pool_gradient needs a position i32 for each element of dy, got \(operands[0]) and \(operands[1])")
    }
    return [try inputType(operands[0])]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let zero = Scalar.constant(0, results[0].element)
    return window.gather(to: results[0], from: operands[0], zero) { position, tap in
      .select(.compare(.eq, .element(1, position), .index(tap, .i32)), .element(0, position), zero)
    }
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "windows side by side", PoolGradient(Window(kernel: [2], strides: [2]), sizes: [5]),
        [TensorLiteral([3, 5], shape: [1, 2]), TensorLiteral([1, 0], shape: [1, 2], element: .i32)],
        [TensorLiteral([0, 3, 5, 0, 0], shape: [1, 5])], source: "by hand", checksGradient: false),
      OperatorExample(
        "overlapping windows", PoolGradient(Window(kernel: [3], before: [1], after: [1]), sizes: [4]),
        [TensorLiteral([1, 2, 4, 8]), TensorLiteral([2, 1, 0, 0], element: .i32)], [TensorLiteral([0, 7, 8, 0])], source: "by hand",
        checksGradient: false),
    ]
  }
}
