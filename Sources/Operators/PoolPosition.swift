import Basics
import GraphIR
import LoopIR

/// The number of the first tap of each window at which x is the window's extreme y, in row-major order; the number of taps where there is
/// none (a window of NaN).
public struct PoolPosition: WindowOperator {
  public static let name = "pool_position"
  public static let operandNames = ["x", "y"]
  public static let formula = "p[…, i…] = the first tap r with x[…, i strides + r dilations - before…] = y[…, i…]"
  public static let isDifferentiable = false
  public var window: Window

  public init(_ window: Window) { self.window = window }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let y = TensorType(operands[0].element, try window.resultShape(Self.name, operands[0]))
    guard operands[1] == y else { throw TypeError("pool_position of \(operands[0]) needs the extremes \(y), got \(operands[1])") }
    return [y.with(.i32)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let none = Scalar.integer(window.taps, .i32)
    return .reduction(
      window.reduction(.min, of: operands[0], results[0], fill: none) { x in
        .select(.compare(.eq, x, .operand(1, rank: results[0].rank)), .index(window.tap, .i32), none)
      })
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "the first of two, and none", PoolPosition(Window(kernel: [2], strides: [2], before: [1], after: [1])),
        [TensorLiteral([3, 5, 5, 2], shape: [1, 4]), TensorLiteral([3, 5, 7], shape: [1, 3])],
        [TensorLiteral([1, 0, 2], shape: [1, 3], element: .i32)], source: "by hand", checksGradient: false),
      OperatorExample(
        "two axes", PoolPosition(Window(kernel: [2, 2])),
        [TensorLiteral([1, 4, 2, 3, 0, 9], shape: [2, 3]), TensorLiteral([4, 9], shape: [1, 2])],
        [TensorLiteral([1, 3], shape: [1, 2], element: .i32)], source: "by hand", checksGradient: false),
    ]
  }
}
