import Basics
import GraphIR
import LoopIR

/// The rectified linear unit; NaN stays NaN. The gradient at 0 is 0, as in PyTorch.
public struct Relu: PointwiseOperator {
  public static let name = "relu"
  public static let operandNames = ["x"]
  public static let formula = "y = max(x, 0)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Relu") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .binary(.max, x[0], .constant(0, elements[0])) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.select(builder.greater(request.result, 0), request.cotangent, 0)]
  }

  public static let onnxRules = [
    ONNXRule("Relu") { node in
      let x = try node.value(0)
      return [try node.type(x).element.isFloat ? node.add(Relu(), x) : node.graph.maximum(x, 0)]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample("four numbers", Relu(), [TensorLiteral([-2, -0.5, 0.7, 3])], [TensorLiteral([0, 0, 0.7, 3])], source: "by hand"),
      OperatorExample(
        "with zero", Relu(), [TensorLiteral([-2, 0, 3])], [TensorLiteral([0, 0, 3])], source: "course notes", checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// max(x, 0).
  public mutating func relu(_ x: ValueID) throws -> ValueID { try add(Relu(), [x]) }
}
