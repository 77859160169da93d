import Basics
import LoopIR

/// Something that computes tensors from tensors: a node's meaning. Attributes are stored properties, printed and parsed through
/// `Codable`; two nodes with equal operators and operands are one node.
///
/// Passes never ask which operator they see, only how it lowers.
public protocol Operator: Hashable, Codable, Sendable {
  /// The name in text forms and kernel names: `matmul`.
  static var name: String { get }
  /// One name an operand; a last name ending in `...` stands for any number.
  static var operandNames: [String] { get }
  /// What it computes, in one line.
  static var formula: String { get }
  /// Whether there is a gradient (its own or that of its expansion) for at least one operand.
  static var isDifferentiable: Bool { get }
  /// The ONNX operators that become this one. Compositions of several stand in the module ONNX.
  static var onnxRules: [ONNXRule] { get }
  /// Cases with literal or third-party results. An operator without any fails the tests.
  static var examples: [OperatorExample] { get }

  /// The type rule: result types, or an error in words that says what was found and expected.
  func resultTypes(_ operands: [TensorType]) throws -> [TensorType]
  /// How it becomes loops.
  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering
  /// The cotangents of the operands, given those of the results: nil where there is none. The default, for composites, is nil as a
  /// whole: the expansion is differentiated instead.
  func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]?
  /// Writes the operator as ONNX nodes and gives the results. The default is nil: a composite's expansion is written instead, and an
  /// operator without one cannot be written.
  func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]?
}

extension Operator {
  public static var isDifferentiable: Bool { true }
  public static var onnxRules: [ONNXRule] { [] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { nil }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { nil }

  /// Equality across types, for hash-consing.
  func isEqual(to other: any Operator) -> Bool { AnyHashable(self) == AnyHashable(other) }
}

/// What a gradient rule is given.
public struct GradientRequest {
  public var operands: [ValueID]
  public var results: [ValueID]
  /// Cotangents of the results; nil where a result does not reach the loss.
  public var cotangents: [ValueID?]

  public init(operands: [ValueID], results: [ValueID], cotangents: [ValueID?]) {
    self.operands = operands
    self.results = results
    self.cotangents = cotangents
  }

  /// The cotangent of the only result.
  public var cotangent: ValueID { cotangents[0]! }
  /// The only result.
  public var result: ValueID { results[0] }
}

/// A worked case of an operator.
public struct OperatorExample: Sendable {
  public var title: String
  public var op: any Operator
  public var inputs: [TensorLiteral]
  public var outputs: [TensorLiteral]
  /// Where the numbers come from: `by hand`, `PyTorch 2.13 float64`, `ONNX reference` …
  public var source: String
  /// Relative and absolute tolerance in f32.
  public var tolerance: Double
  /// Whether the compiled gradient is compared with central differences here (false at kinks and for integer results).
  public var checksGradient: Bool

  public init(
    _ title: String, _ op: any Operator, _ inputs: [TensorLiteral], _ outputs: [TensorLiteral], source: String, tolerance: Double = 1e-6,
    checksGradient: Bool = true
  ) {
    self.title = title
    self.op = op
    self.inputs = inputs
    self.outputs = outputs
    self.source = source
    self.tolerance = tolerance
    self.checksGradient = checksGradient
  }
}

/// A type error of an operator, without a place: who builds the node adds it.
public struct TypeError: Error, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }
}
