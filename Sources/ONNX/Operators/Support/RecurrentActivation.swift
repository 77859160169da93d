import Basics
import GraphIR
import Operators

/// An activation function of a recurrent network by its ONNX name, with the numbers that it takes.
struct RecurrentActivation {
  private let name: String
  private let alpha: Double
  private let beta: Double
  /// What goes into the function is first brought into -clip ... clip.
  private let clip: Double?

  /// The values of alpha and beta where the file has none; nil for a function that takes none.
  private static let defaults: [String: (alpha: Double?, beta: Double?)] = [
    "relu": (nil, nil), "tanh": (nil, nil), "sigmoid": (nil, nil), "softsign": (nil, nil), "softplus": (nil, nil),
    "affine": (1, 0), "leakyrelu": (0.01, nil), "thresholdedrelu": (1, nil), "scaledtanh": (1, 1), "hardsigmoid": (0.2, 0.5),
    "elu": (1, nil),
  ]

  /// The functions of all directions: those of the file, or `missing` for each direction. Alphas and betas are consumed in the order of
  /// the functions that take them.
  static func read(_ node: ONNXNode, missing: [String], directions: Int) throws -> [[RecurrentActivation]] {
    let names = try node.strings("activations") ?? Array(repeating: missing, count: directions).flatMap { $0 }
    guard names.count == missing.count * directions else {
      throw Diagnostic("\(node.type) needs \(missing.count * directions) activations, got \(names.count)")
    }
    var alphas = try node.floats("activation_alpha")?[...] ?? []
    var betas = try node.floats("activation_beta")?[...] ?? []
    let clip = try node.float("clip")
    let all = try names.map { name in
      guard let values = defaults[name.lowercased()] else { throw node.unsupported("activation '\(name)' is not known") }
      return RecurrentActivation(
        name: name.lowercased(), alpha: values.alpha.map { alphas.popFirst() ?? $0 } ?? 0,
        beta: values.beta.map { betas.popFirst() ?? $0 } ?? 0, clip: clip)
    }
    return (0..<directions).map { Array(all[$0 * missing.count..<($0 + 1) * missing.count]) }
  }

  func callAsFunction(_ x: ValueID, _ graph: inout GraphBuilder) throws -> ValueID {
    let x = try clip.map { try graph.clip(x, low: -abs($0), high: abs($0)) } ?? x
    switch name {
    case "relu": return try graph.relu(x)
    case "tanh": return try graph.tanh(x)
    case "sigmoid": return try graph.sigmoid(x)
    case "softsign": return try graph.divide(x, graph.add(graph.abs(x), 1))
    case "softplus": return try graph.softplus(x)
    case "leakyrelu": return try graph.leakyRelu(x, slope: alpha)
    case "thresholdedrelu": return try graph.select(graph.greaterEqual(x, alpha), x, 0)
    case "scaledtanh": return try graph.multiply(graph.tanh(graph.multiply(x, beta)), alpha)
    case "elu": return try graph.elu(x, alpha: alpha)
    case "hardsigmoid": return try graph.clip(graph.add(graph.multiply(x, alpha), beta), low: 0, high: 1)
    default: return try graph.add(graph.multiply(x, alpha), beta)
    }
  }
}
