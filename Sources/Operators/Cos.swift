import Basics
import GraphIR
import LoopIR

/// The cosine of radians.
public struct Cos: PointwiseOperator {
  public static let name = "cos"
  public static let operandNames = ["x"]
  public static let formula = "y = cos x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Cos") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.cos, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.negate(builder.multiply(request.cotangent, builder.sin(request.operands[0])))]
  }

  public static let onnxRules = [
    ONNXRule("Cos") { try $0.pointwise(Cos()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Cos(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-0.4161468365, 0.8775825619, 0.7648421873, -0.9899924966])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// The cosine of radians.
  public mutating func cos(_ x: ValueID) throws -> ValueID { try add(Cos(), [x]) }
}
