import Basics
import GraphIR
import LoopIR

/// A reduction of numbers over some axes with one combiner.
public protocol AxesReduction: Operator {
  static var combiner: Reduction.Combiner { get }
  /// Negative ones count from the end.
  var axes: [Int] { get }
  /// Whether reduced axes stay, with size 1.
  var keepDims: Bool { get }
}

extension AxesReduction {
  public static var operandNames: [String] { ["x"] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireNumber(Self.name, [operands[0].element])
    return [try reducedType(operands[0], axes: axes, keepDims: keepDims)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .reduction(reduction(Self.combiner, of: operands[0], axes: axes, keepDims: keepDims))
  }
}

/// The first position along an axis of its largest or smallest element.
public protocol ExtremePosition: Operator {
  /// A negative one counts from the end.
  var axis: Int { get }
  /// Whether the axis stays, with size 1.
  var keepDims: Bool { get }
  /// The extreme element along the axis, which stays with size 1.
  func extreme(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID
}

extension ExtremePosition {
  public static var operandNames: [String] { ["x"] }
  public static var isDifferentiable: Bool { false }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireNumber(Self.name, [operands[0].element])
    return [try reducedType(operands[0], axes: [axis], keepDims: keepDims).with(.i32)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      [try builder.firstPosition(of: extreme(x[0], &builder), in: x[0], axis: axis, keepDims: keepDims)]
    }
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }
}
