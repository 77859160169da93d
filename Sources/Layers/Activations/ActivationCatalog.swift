import Basics
import GraphIR

/// An activation by name.
struct ActivationEntry: Sendable {
  /// With the default constants.
  var activation: Activation
  var aliases: [String] = []
  var summary: String
  var parameters: [ArgumentDescription] = []
  /// With the constants of a call.
  var make: @Sendable (Arguments) -> Activation

  /// An activation without constants.
  init(_ activation: Activation, aliases: [String] = [], _ summary: String) {
    self.init(activation, aliases: aliases, summary, []) { _ in activation }
  }

  init(
    _ activation: Activation, aliases: [String] = [], _ summary: String, _ parameters: [ArgumentDescription],
    make: @escaping @Sendable (Arguments) -> Activation
  ) {
    self.activation = activation
    self.aliases = aliases
    self.summary = summary
    self.parameters = parameters
    self.make = make
  }

  /// The activation as a layer of its own.
  var layer: LayerEntry {
    LayerEntry(activation.name, aliases: aliases, summary, [.input] + parameters) { builder, arguments, name in
      try builder.activation(make(arguments), arguments.value("x")!, name: name)
    }
  }
}

extension Activation {
  /// The name in the model language.
  public var name: String {
    switch self {
    case .linear: "linear"
    case .relu: "relu"
    case .relu6: "relu6"
    case .leakyRelu: "leaky_relu"
    case .elu: "elu"
    case .selu: "selu"
    case .silu: "silu"
    case .softplus: "softplus"
    case .gelu: "gelu"
    case .geluTanh: "gelu_tanh"
    case .tanh: "tanh"
    case .sigmoid: "sigmoid"
    case .softmax: "softmax"
    case .logSoftmax: "log_softmax"
    }
  }

  /// All that are layers, with their defaults.
  static let catalog: [ActivationEntry] = [
    ActivationEntry(.relu, "max(x, 0)"),
    ActivationEntry(.relu6, "min(max(x, 0), 6)"),
    ActivationEntry(
      .leakyRelu(slope: 0.01), "x where positive, else slope · x",
      [ArgumentDescription("slope", .number, default: .number(0.01), "slope below zero")]
    ) { .leakyRelu(slope: $0.number("slope")!) },
    ActivationEntry(
      .elu(alpha: 1), "x where positive, else alpha (e^x - 1)",
      [ArgumentDescription("alpha", .number, default: .number(1), "limit below zero, negated")]
    ) { .elu(alpha: $0.number("alpha")!) },
    ActivationEntry(.selu, "the scaled elu of self-normalising networks"),
    ActivationEntry(.silu, aliases: ["swish"], "x · sigmoid(x)"),
    ActivationEntry(.softplus, "ln(1 + e^x)"),
    ActivationEntry(.gelu, "x Φ(x), with the exact normal distribution function"),
    ActivationEntry(.geluTanh, "x Φ(x), with Φ in its tanh form"),
    ActivationEntry(.tanh, "the hyperbolic tangent"),
    ActivationEntry(.sigmoid, "1 / (1 + e^-x)"),
    ActivationEntry(.softmax, "e^x over its sum along the last axis"),
    ActivationEntry(.logSoftmax, "the logarithm of softmax along the last axis"),
  ]

  /// Every name that `dense(activation:)` understands.
  public static var names: [String] { catalog.flatMap { [$0.activation.name] + $0.aliases } + ["linear"] }

  /// The activation of that name with default constants.
  static func named(_ name: String) -> Activation {
    catalog.first { $0.activation.name == name || $0.aliases.contains(name) }?.activation ?? .linear
  }
}
