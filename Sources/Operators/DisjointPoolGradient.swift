import Basics
import GraphIR
import LoopIR

/// The gradient of max and min pooling over windows that neither overlap nor reach outside: an element is the chosen one of its window
/// when it is the extreme and no tap before it is. One pass over x, where `pool_position` and `pool_gradient` take two.
public struct DisjointPoolGradient: WindowOperator {
  public static let name = "disjoint_pool_gradient"
  public static let operandNames = ["x", "y", "dy"]
  public static let formula = "dx[…, i…] = dy of the window that holds i where x is y at i and at no earlier tap, else 0"
  public static let isDifferentiable = false
  public var window: Window

  public init(_ window: Window) { self.window = window }

  /// Beyond this many taps, comparing with all of them costs more than a pass of its own.
  private static let mostTaps = 9

  /// Whether windows over x are of this kind, and small.
  static func fits(_ window: Window, _ x: TensorType) -> Bool {
    guard let y = try? window.resultShape(name, x), window.taps <= mostTaps else { return false }
    let first = window.firstAxis(x.rank)
    return window.kernel.indices.allSatisfy { k in
      let end = (y[first + k].coefficient - 1) * window.strides[k] + window.span(k)
      return window.before[k] == 0 && end <= x.shape[first + k].coefficient && window.strides[k] >= window.span(k)
    }
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    let y = TensorType(try requireFloat(Self.name, [x.element]), try window.resultShape(Self.name, x))
    guard operands[1] == y, operands[2] == y else {
      throw TypeError("\(Self.name) of \(x) needs extremes and cotangents \(y), got \(operands[1]) and \(operands[2])")
    }
    guard Self.fits(window, x) else {
      throw TypeError("\(Self.name) of \(x) needs windows of at most \(Self.mostTaps) taps that do not overlap or reach outside")
    }
    return [x]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let zero = Scalar.constant(0, results[0].element)
    return window.gather(to: results[0], from: operands[1], zero) { position, tap in
      let extreme = Scalar.element(1, position)
      var chosen = Scalar.compare(.eq, .operand(0, rank: results[0].rank), extreme)
      for earlier in 0..<(window.taps - 1) {
        let isEarlier = Scalar.compare(.gt, .index(tap, .i32), .integer(earlier, .i32))
        let isExtreme = Scalar.compare(.eq, .element(0, self.position(of: earlier, position)), extreme)
        chosen = .binary(.and, chosen, .unary(.not, .binary(.and, isEarlier, isExtreme)))
      }
      return .select(chosen, .element(2, position), zero)
    }
  }

  /// Where a tap of the window at that position of y lies in x.
  private func position(of tap: Int, _ position: [Index]) -> [Index] {
    var (position, rest) = (position, tap)
    let first = window.firstAxis(position.count)
    for k in window.kernel.indices.reversed() {
      position[first + k] = position[first + k] * window.strides[k] + rest % window.kernel[k] * window.dilations[k]
      rest /= window.kernel[k]
    }
    return position
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil, nil] }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "the first of two", DisjointPoolGradient(Window(kernel: [2], strides: [2])),
        [TensorLiteral([3, 3, 1, 5, 9], shape: [1, 5]), TensorLiteral([3, 5], shape: [1, 2]), TensorLiteral([7, 8], shape: [1, 2])],
        [TensorLiteral([7, 0, 0, 8, 0], shape: [1, 5])], source: "by hand", checksGradient: false),
      OperatorExample(
        "two axes", DisjointPoolGradient(Window(kernel: [2, 2], strides: [2, 3])),
        [
          TensorLiteral([1, 4, 9, 2, 2, 4, 4, 9, 0, 2], shape: [2, 5]), TensorLiteral([4, 2], shape: [1, 2]),
          TensorLiteral([0.5, 3], shape: [1, 2]),
        ],
        [TensorLiteral([0, 0.5, 0, 3, 0, 0, 0, 0, 0, 0], shape: [2, 5])], source: "by hand", checksGradient: false),
    ]
  }
}
