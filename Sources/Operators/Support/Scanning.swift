import Basics
import GraphIR
import LoopIR

/// Combines the elements before each one along an axis.
public protocol ScanningOperator: Operator {
  static var combiner: Reduction.Combiner { get }
  /// A negative one counts from the end.
  var axis: Int { get }
  /// Whether an element itself is left out.
  var exclusive: Bool { get }
  /// Whether the elements behind each one are combined instead.
  var reverse: Bool { get }
}

extension ScanningOperator {
  public static var operandNames: [String] { ["x"] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireNumber(Self.name, [operands[0].element])
    _ = try resolveAxis(Self.name, axis, operands[0])
    return operands
  }

  /// Axes before the scanned one are independent; those behind it lie side by side.
  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let x = operands[0]
    let axis = axis < 0 ? axis + x.rank : axis
    let inner = x.shape[(axis + 1)...].reduce(1) { $0 * $1.coefficient }
    let size = x.shape[axis].index
    let row = zip(x.strides, (0..<axis).map { Index.variable("i\($0)") }).reduce(Index.constant(0)) { $0 + $1.1 * $1.0 }
    let step = Index.variable("step")
    let at = row + (reverse ? size - 1 - step : step) * inner + .variable("column")
    let total = Scalar.variable("total"), value = Scalar.load("x0", at)
    let combined = Scalar.binary(Self.combiner == .sum ? .add : .mul, total, value)
    let update: [Statement] =
      exclusive
      ? [.define("value", x.element, value), .store("y0", at, total)]
        + [.assign("total", .binary(Self.combiner == .sum ? .add : .mul, total, .variable("value")))]
      : [.assign("total", combined), .store("y0", at, total)]
    return .custom(
      CustomLoops(
        outerRank: axis,
        body: [
          .loop(
            Loop(
              "column", to: .constant(inner),
              [.variable("total", x.element, Self.combiner.neutral(x.element)), .loop(Loop("step", to: size, update))]))
        ]))
  }
}

extension ONNXNode {
  /// The axis, which is operand 1, and the attributes of a cumulative sum or product.
  func scanning() throws -> (axis: Int, exclusive: Bool, reverse: Bool) {
    guard let first = try integers(1).first else { throw Diagnostic("input 1, the axis, is empty") }
    return (try axis(first, rank: type(0).rank), try int("exclusive", 0) != 0, try int("reverse", 0) != 0)
  }
}
