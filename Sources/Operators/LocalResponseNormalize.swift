import Basics
import GraphIR
import LoopIR

/// Division by a power of the mean square of neighbouring channels (Krizhevsky et al. 2012), as PyTorch and ONNX define it: of `size`
/// channels, size / 2 (rounded down) lie before; what is missing at the ends counts as 0.
public struct LocalResponseNormalize: Operator {
  public static let name = "local_response_normalize"
  public static let operandNames = ["x"]
  public static let formula = "y[n, c, …] = x[n, c, …] (k + alpha / size · sum of x² over the channels near c)^-beta"
  public var size: Int
  public var alpha: Double
  public var beta: Double
  public var k: Double

  public init(size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1) {
    self.size = size
    self.alpha = alpha
    self.beta = beta
    self.k = k
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // With an even size ONNX takes one channel more after, not before.
    guard size % 2 == 1, call.operands[0].rank == 4 else { return nil }
    return try call.node("LRN", ["alpha": .float(alpha), "beta": .float(beta), "bias": .float(k), "size": .int(size)])
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    guard operands[0].rank >= 2, size >= 1, k >= 0, [alpha, beta, k].allSatisfy(\.isFinite) else {
      throw TypeError(
        "local_response_normalize needs a batch and channels, a size of at least 1 and finite constants, got \(operands[0]), size \(size), "
          + "alpha \(alpha), beta \(beta), k \(k)")
    }
    _ = try window(operands[0]).resultShape(Self.name, operands[0])
    return operands
  }

  /// Over the channels; one tap along the axes after them.
  private func window(_ x: TensorType) -> Window {
    func axes(_ value: Int, _ other: Int) -> [Int] { [value] + Array(repeating: other, count: max(0, x.rank - 2)) }
    return Window(kernel: axes(size, 1), before: axes(size / 2, 0), after: axes((size - 1) / 2, 0))
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let base = try base(x[0], window(operands[0]), &builder)
      return [try builder.multiply(x[0], builder.power(base, builder.constant(-beta, operands[0].element)))]
    }
  }

  /// k + alpha / size · sum of x².
  private func base(_ x: ValueID, _ window: Window, _ builder: inout GraphBuilder) throws -> ValueID {
    let sum = try builder.sumPool(builder.square(x), window)
    return try builder.add(builder.multiply(sum, alpha / Double(size)), k)
  }

  /// dy base^-beta - 2 alpha beta / size · x · sum of dy y / base over the windows that hold the channel.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y, dy) = (request.operands[0], request.result, request.cotangent)
    let type = builder.type(x)
    let base = try base(x, window(type), &builder)
    let own = try builder.multiply(dy, builder.power(base, builder.constant(-beta, type.element)))
    let shares = try builder.divide(builder.multiply(dy, y), base)
    let others = try builder.multiply(x, builder.sumPoolGradient(shares, window(type), of: x))
    return [try builder.subtract(own, builder.multiply(others, 2 * alpha * beta / Double(size)))]
  }

  public static let onnxRules = [
    ONNXRule("LRN") { node in
      let x = try node.value(0)
      guard let size = try node.int("size"), size >= 1 else { throw Diagnostic("attribute 'size' must be at least 1") }
      let op = LocalResponseNormalize(
        size: size, alpha: try node.float("alpha", 1e-4), beta: try node.float("beta", 0.75), k: try node.float("bias", 1))
      guard size % 2 == 0 else { return [try node.add(op, x)] }
      // Of an even size ONNX takes the larger half after the channel.
      let own = op.window(node.type(x))
      let base = try op.base(x, Window(kernel: own.kernel, before: own.after, after: own.before), &node.graph)
      return [try node.graph.multiply(x, node.graph.power(base, -op.beta))]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three channels", LocalResponseNormalize(size: 3, alpha: 0.5, beta: 0.75, k: 2),
        [
          TensorLiteral(
            [0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85],
            shape: [2, 5, 1, 2])
        ],
        [
          TensorLiteral(
            [
              0.3216611773, 0.8080361616, -0.5176151261, -0.6507984256, 0.6312327813, 0.5531749246, -0.6879760654, -0.3826919641,
              0.8217470951, 0.1263623201, -0.8203868768, 0.1706527888, 0.7090686747, -0.4177728674, -0.6818134781, 0.5744671964,
              0.6167781733, -0.6604985854, -0.4994402095, 0.8121712549,
            ], shape: [2, 5, 1, 2])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "four of five channels", LocalResponseNormalize(size: 4, alpha: 1, beta: 0.5, k: 1),
        [
          TensorLiteral(
            [0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85],
            shape: [2, 5, 1, 2])
        ],
        [
          TensorLiteral(
            [
              0.5044531848, 1.1678369615, -0.7688379245, -0.9311450814, 0.8926325073, 0.686982515, -0.9368729189, -0.4986850378,
              1.0764165065, 0.1805995671, -1.170090943, 0.2758802939, 1.0034355929, -0.6391007787, -0.84419275, 0.834699893, 0.7596784528,
              -0.9176591622, -0.6293329874, 1.0901182229,
            ], shape: [2, 5, 1, 2])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "the usual constants", LocalResponseNormalize(size: 5),
        [
          TensorLiteral(
            [0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85],
            shape: [2, 5, 1, 2])
        ],
        [
          TensorLiteral(
            [
              0.5899681128, 1.8198066362, -1.0598934682, -1.5498232724, 1.4597708694, 1.1698657499, -1.7597329743, -0.719953151,
              1.9397383507, 0.2199936124, -1.9996807155, 0.2999897962, 1.9196370618, -0.7999420737, -1.7196495929, 1.2398465703,
              1.3997987509, -1.5998041856, -0.9899124163, 1.8497913447,
            ], shape: [2, 5, 1, 2])
        ], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// Division by a power of the mean square of `size` neighbouring channels (axis 1).
  public mutating func localResponseNormalize(
    _ x: ValueID, size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1
  ) throws -> ValueID {
    try add(LocalResponseNormalize(size: size, alpha: alpha, beta: beta, k: k), [x])
  }
}
