import Basics
import GraphIR
import LoopIR

/// The Gaussian error linear unit of Hendrycks and Gimpel 2016, exactly or in its tanh form.
public struct Gelu: PointwiseOperator {
  /// How the normal distribution function is computed.
  public enum Form: String, Hashable, Sendable, Codable, CaseIterable {
    /// (1 + erf(x / sqrt 2)) / 2.
    case erf
    /// (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2.
    case tanh
  }

  public static let name = "gelu"
  public static let operandNames = ["x"]
  public static let formula = "y = x Φ(x), Φ the normal distribution function"
  public var form: Form

  public init(form: Form = .erf) { self.form = form }

  private static let cubic = 0.044715
  private static let tanhScale = 0.7978845608028654

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try call.pointwise("Gelu", ["approximate": .string(form == .erf ? "none" : "tanh")])
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let number = { (value: Double) in Scalar.constant(value, elements[0]) }
    let x = x[0]
    let bounded: Scalar =
      switch form {
      case .erf: .call(.erf, [x * number(0.7071067811865476)])
      case .tanh: .call(.tanh, [number(Self.tanhScale) * (x + number(Self.cubic) * x * x * x)])
      }
    return number(0.5) * x * (number(1) + bounded)
  }

  /// Φ(x) + x φ(x), or the same of the tanh form.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = request.operands[0]
    let square = try builder.square(x)
    let slope: ValueID
    switch form {
    case .erf:
      let erf = try builder.erf(builder.multiply(x, 0.7071067811865476))
      let density = try builder.multiply(builder.exp(builder.multiply(square, -0.5)), 0.3989422804014327)
      slope = try builder.add(builder.multiply(builder.add(erf, 1), 0.5), builder.multiply(x, density))
    case .tanh:
      let inner = try builder.multiply(x, builder.add(builder.multiply(square, Self.tanhScale * Self.cubic), Self.tanhScale))
      let t = try builder.tanh(inner)
      let innerSlope = try builder.add(builder.multiply(square, 3 * Self.tanhScale * Self.cubic), Self.tanhScale)
      let second = try builder.multiply(builder.multiply(x, innerSlope), builder.subtract(1, builder.square(t)))
      slope = try builder.multiply(builder.add(builder.add(t, 1), second), 0.5)
    }
    return [try builder.multiply(request.cotangent, slope)]
  }

  public static let onnxRules = [
    ONNXRule("Gelu") { node in
      let word = try node.string("approximate", "none")
      guard let form = ["none": Form.erf, "tanh": .tanh][word] else {
        throw Diagnostic("attribute 'approximate' must be none or tanh, found '\(word)'")
      }
      return try node.pointwise(Gelu(form: form))
    }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([-2, -0.5, 0.7, 3])
    return [
      OperatorExample(
        "exact", Gelu(), [x], [TensorLiteral([-0.0455002639, -0.1542687694, 0.5306254434, 2.995950306])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "tanh form", Gelu(form: .tanh), [x], [TensorLiteral([-0.04540230591, -0.1542859902, 0.5305701347, 2.996362608])],
        source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// x times the normal distribution function of x.
  public mutating func gelu(_ x: ValueID, form: Gelu.Form = .erf) throws -> ValueID { try add(Gelu(form: form), [x]) }
}
