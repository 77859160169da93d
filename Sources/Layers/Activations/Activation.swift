import Basics
import GraphIR
import Operators

/// An elementwise function or softmax between layers, with its constants.
public enum Activation: Hashable, Sendable {
  /// The identity.
  case linear
  case relu
  /// x between 0 and 6, the nearer of them outside.
  case relu6
  /// x where positive, else slope · x.
  case leakyRelu(slope: Double)
  /// x where positive, else α (e^x - 1).
  case elu(alpha: Double)
  case selu, silu, softplus, gelu, tanh
  /// gelu with the tanh form of the normal distribution function, as in GPT-2.
  case geluTanh
  /// A probability; losses on it work on x itself.
  case sigmoid
  /// Probabilities over the last axis; losses on them work on x itself.
  case softmax
  case logSoftmax
}

extension ModelBuilder {
  /// Applies an activation as a layer of its own.
  public mutating func activation(_ activation: Activation, _ x: ValueID, name: String? = nil) throws -> ValueID {
    try layer(activation.name, name: name) { try $0.apply(activation, to: x) }
  }

  /// Applies an activation inside the current layer. Remembers the logits of probabilities and the outputs of relu.
  mutating func apply(_ activation: Activation, to x: ValueID) throws -> ValueID {
    switch activation {
    case .linear: return x
    case .relu:
      let y = try graph.relu(x)
      noteActivation(y)
      return y
    case .relu6: return try graph.clip(x, low: 0, high: 6)
    case .leakyRelu(let slope): return try graph.leakyRelu(x, slope: slope)
    case .elu(let alpha): return try graph.elu(x, alpha: alpha)
    case .selu: return try graph.selu(x)
    case .silu: return try graph.silu(x)
    case .softplus: return try graph.softplus(x)
    case .gelu: return try graph.gelu(x)
    case .geluTanh: return try graph.gelu(x, form: .tanh)
    case .tanh: return try graph.tanh(x)
    case .sigmoid:
      let y = try graph.sigmoid(x)
      logits[y] = .sigmoid(x)
      return y
    case .softmax:
      let y = try graph.softmax(x, axis: type(x).rank - 1)
      logits[y] = .softmax(x)
      return y
    case .logSoftmax:
      let y = try graph.logSoftmax(x, axis: type(x).rank - 1)
      logits[y] = .logSoftmax(x)
      return y
    }
  }

  /// `relu`, as a layer.
  public mutating func relu(_ x: ValueID, name: String? = nil) throws -> ValueID { try activation(.relu, x, name: name) }

  /// `tanh`, as a layer.
  public mutating func tanh(_ x: ValueID, name: String? = nil) throws -> ValueID { try activation(.tanh, x, name: name) }

  /// A probability from a logit, as a layer.
  public mutating func sigmoid(_ x: ValueID, name: String? = nil) throws -> ValueID { try activation(.sigmoid, x, name: name) }

  /// Probabilities over the last axis, as a layer.
  public mutating func softmax(_ x: ValueID, name: String? = nil) throws -> ValueID { try activation(.softmax, x, name: name) }
}
