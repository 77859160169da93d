import Basics
import GraphIR
import LoopIR

/// The smallest element of each window over the last axes; padding counts as infinity, NaN is passed over. The gradient goes to the first
/// of equal elements.
public struct MinPool: ExtremePool {
  public static let name = "min_pool"
  public static let combiner = Reduction.Combiner.min
  public static let formula = "y[…, i…] = the smallest of x[…, i strides + r dilations - before…] over the taps r"
  public var window: Window

  public init(_ window: Window) { self.window = window }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    call.inputs[0] = try call.writer.pointwise("Neg", call.inputs)
    return try call.pooled(window, "MaxPool").map { [try call.writer.pointwise("Neg", [$0])] }
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x2", MinPool(Window(kernel: [2, 2], strides: [2, 2])),
        [TensorLiteral([1, 3, 2, 4, 5, 6, 7, 8, 9, 1, 2, 0, 3, 4, 5, 6], shape: [1, 1, 4, 4])],
        [TensorLiteral([1, 2, 1, 0], shape: [1, 1, 2, 2])], source: "course notes"),
      OperatorExample(
        "3x3, stride 2, padding on three sides", MinPool(Window(kernel: [3, 3], strides: [2, 2], before: [1, 0], after: [1, 1])),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ], [TensorLiteral([-1.76, -1.76, -2, -2, -1.72, -1.72, -1.98, 0, -1.92, -0.22, -1.94, -1.17], shape: [1, 2, 3, 2])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "a last window that does not fit", MinPool(Window(kernel: [3], strides: [2], ceil: true)),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [2, 1, 6])],
        [TensorLiteral([-1.06, -1.55, 1.17, -1.76, -2, -2], shape: [2, 1, 3])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "more positions than taps", MinPool(Window(kernel: [1, 2], strides: [2, 3])),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ], [TensorLiteral([0.59, 0.22, -1.6, -1.98, -1.4, -1.94], shape: [1, 2, 3, 1])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The smallest element of each window.
  public mutating func minPool(_ x: ValueID, _ window: Window) throws -> ValueID { try add(MinPool(window), [x]) }
}
