import Basics
import GraphIR
import LoopIR

/// The largest element of each window over the last axes; padding counts as minus infinity, NaN is passed over. The gradient goes to the
/// first of equal elements.
public struct MaxPool: ExtremePool {
  public static let name = "max_pool"
  public static let combiner = Reduction.Combiner.max
  public static let formula = "y[…, i…] = the largest of x[…, i strides + r dilations - before…] over the taps r"
  public var window: Window

  public init(_ window: Window) { self.window = window }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pooled(window, "MaxPool").map { [$0] } }

  public static let onnxRules = [
    ONNXRule("MaxPool") { node in
      let x = try node.value(0)
      let type = node.type(x)
      let window = try node.poolWindow(type)
      let y = try node.add(MaxPool(window), x)
      guard node.usedOutputs.dropFirst().contains(true) else { return [y] }
      let tap = try node.add(PoolPosition(window), x, y)
      let isColumnMajor = try node.int("storage_order", 0) == 1
      return [y, try node.graph.elementNumbers(ofTaps: tap, window, type, isColumnMajor: isColumnMajor)]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x2", MaxPool(Window(kernel: [2, 2], strides: [2, 2])),
        [TensorLiteral([1, 3, 2, 4, 5, 6, 7, 8, 9, 1, 2, 0, 3, 4, 5, 6], shape: [1, 1, 4, 4])],
        [TensorLiteral([6, 8, 9, 6], shape: [1, 1, 2, 2])], source: "course notes"),
      OperatorExample(
        "3x3, stride 2, padding on three sides", MaxPool(Window(kernel: [3, 3], strides: [2, 2], before: [1, 0], after: [1, 1])),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ], [TensorLiteral([1.82, -0.72, 1.94, 1.24, 1.92, 1.85, 0.99, 1.98, 2, 2, 2, 2], shape: [1, 2, 3, 2])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "bytes, padded", MaxPool(Window(kernel: [2], before: [1], after: [0])),
        [TensorLiteral([3, 200, 7], shape: [1, 3], element: .u8)], [TensorLiteral([3, 200, 200], shape: [1, 3], element: .u8)],
        source: "by hand", checksGradient: false),
      OperatorExample(
        "dilated", MaxPool(Window(kernel: [2, 3], dilations: [3, 1], before: [2, 1], after: [2, 1])),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ],
        [
          TensorLiteral(
            [
              1.46, 1.46, 1.17, -0.72, 1.94, 1.94, 0.3, 0.3, 1.92, 1.92, 1.82, 1.24, 1.46, 1.46, 1.85, 1.85, 1.94, 1.94, 0.3, 0.3, 1.92,
              1.92, 1.24, 1.24, -0.51, 0.99, 1.6, 1.6, -1.23, 1.72, 1.72, 1.72, 0.51, 2, 2, 2, 0.72, 1.76, 1.76, 1.76, -1.23, 1.72, 1.72,
              1.72, -0.3, 2, 2, 2,
            ], shape: [1, 2, 6, 4])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "a last window that does not fit", MaxPool(Window(kernel: [3], strides: [2], ceil: true)),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [2, 1, 6])],
        [TensorLiteral([1.82, 1.46, 1.46, 1.94, 1.94, 0.3], shape: [2, 1, 3])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "more positions than taps", MaxPool(Window(kernel: [1, 2], strides: [2, 3])),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ], [TensorLiteral([1.82, 1.94, 1.4, 0.51, -1.23, 0.72], shape: [1, 2, 3, 1])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The largest element of each window.
  public mutating func maxPool(_ x: ValueID, _ window: Window) throws -> ValueID { try add(MaxPool(window), [x]) }

  /// Where the given tap of each window over x lies, as the number of the element in all of x (i64); within an image in row-major order, or
  /// with the first spatial axis innermost.
  fileprivate mutating func elementNumbers(ofTaps tap: ValueID, _ window: Window, _ x: TensorType, isColumnMajor: Bool) throws -> ValueID {
    let shape = type(tap).shape
    let first = window.firstAxis(x.rank)
    let sizes = window.sizes(of: x)
    var rest = try cast(tap, to: .i64)
    var step = isColumnMajor ? sizes.reduce(1, *) : 1
    var number = try constant(0, .i64)
    for k in window.kernel.indices.reversed() {
      let quotient = try divide(rest, Double(window.kernel[k]))
      let place = try subtract(rest, multiply(quotient, Double(window.kernel[k])))
      let start = try multiply(iota(shape, axis: first + k, .i64), Double(window.strides[k]))
      let position = try add(start, add(multiply(place, Double(window.dilations[k])), Double(-window.before[k])))
      if isColumnMajor { step /= sizes[k] }
      number = try add(number, multiply(position, Double(step)))
      if !isColumnMajor { step *= sizes[k] }
      rest = quotient
    }
    for axis in 0..<first {
      let stride = x.shape[(axis + 1)...].reduce(1) { $0 * $1.coefficient }
      number = try add(number, multiply(iota(shape, axis: axis, .i64), Double(stride)))
    }
    return number
  }
}
