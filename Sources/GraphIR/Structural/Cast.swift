import Basics
import LoopIR

/// Conversion to another element type; float to integer truncates and saturates.
public struct Cast: PointwiseOperator {
  public static let name = "cast"
  public static let operandNames = ["x"]
  public static let formula = "y = x as another type"
  public var to: ElementType

  public init(to element: ElementType) { to = element }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    var x = call.inputs[0]
    // ONNX leaves open what a float outside the range becomes. Quantization meets that where numbers are small.
    if x.element.isFloat, to.isInteger, to.size <= 2 {
      let (lowest, count) = (to.isUnsigned ? 0 : -Double(1 << (8 * to.size - 1)), Double(1 << (8 * to.size)))
      let bounds = [lowest, lowest + count - 1].map { call.writer.number($0, x.element) }
      x = call.writer.node("Clip", [x] + bounds, shape: x.shape)
    }
    return [call.writer.cast(x, to: to)]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { to }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .cast(to, x[0]) }

  /// Only between float types.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0]).element
    return [x.isFloat && to.isFloat ? try builder.cast(request.cotangent, to: x) : nil]
  }

  public static let onnxRules = [
    ONNXRule("Cast", keepsTypes: true) { node in
      guard let element = try node.element("to") else { throw Diagnostic("attribute 'to' is missing") }
      return [try node.graph.cast(node.stored(0), to: element)]
    },
    ONNXRule("CastLike", keepsTypes: true) { node in [try node.graph.cast(node.stored(0), to: node.storedElement(1))] },
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "float to integer", Cast(to: .i32), [TensorLiteral([1.9, -1.9, 3e10])],
        [TensorLiteral([1, -1, 2_147_483_647], element: .i32)], source: "by hand", checksGradient: false),
      OperatorExample(
        "to narrow integers", Cast(to: .i8), [TensorLiteral([1.9, -200, 3e10, .nan])], [TensorLiteral([1, -128, 127, 0], element: .i8)],
        source: "by hand", checksGradient: false),
      OperatorExample(
        "to f16", Cast(to: .f16), [TensorLiteral([0.1, 65519, 65520, 1e-7, -6.1e-5])],
        [TensorLiteral([0.0999755859375, 65504, .infinity, 1.1920928955078125e-07, -6.097555160522461e-05], element: .f16)],
        source: "NumPy 2", checksGradient: false),
      OperatorExample(
        "from bf16", Cast(to: .i16), [TensorLiteral([1.5, -300, 1e10], element: .bf16)], [TensorLiteral([1, -300, 32767], element: .i16)],
        source: "by hand", checksGradient: false),
    ]
  }
}
