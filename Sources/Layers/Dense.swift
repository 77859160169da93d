import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// y = x W + b over the last axis: x [N, …, in], weight [in, units], bias [units]. The bias begins at zero and never decays.
  /// `l1` and `l2` add λ₁ Σ|w| + λ₂/2 Σ w² over the weight (not the bias) to the training loss.
  public mutating func dense(
    _ x: ValueID, units: Int, bias: Bool = true, activation: Activation? = nil, initializer: Initializer = .xavierUniform,
    l1: Double = 0, l2: Double = 0, name: String? = nil
  ) throws -> ValueID {
    try layer("dense", name: name) { builder in
      guard units >= 1 else { throw Diagnostic("layer '\(builder.graph.path)': units must be at least 1, got \(units)") }
      let units = builder.outputs(declared: units)
      let inputs = try builder.lastDim(x)
      let weight = try builder.parameter("weight", shape: [inputs, units], initializer: initializer)
      try builder.penalize("weight", checked: l1, l2)
      var y = try builder.graph.matmul(x, weight)
      if bias {
        y = try builder.graph.add(y, builder.parameter("bias", shape: [units], initializer: .zeros, decays: false))
      }
      return try activation.map { try builder.apply($0, to: y) } ?? y
    }
  }

  /// The size of the last axis of a batch of at least vectors.
  func lastDim(_ x: ValueID) throws -> Int {
    guard let last = try rowDims(x).last else {
      throw Diagnostic("layer '\(graph.path)' needs an input of at least two axes (batch and features), got \(type(x))")
    }
    return last
  }

  /// Adds a penalty after checking its factors.
  mutating func penalize(_ name: String, checked l1: Double, _ l2: Double) throws {
    for (label, factor) in [("l1", l1), ("l2", l2)] where !(factor >= 0 && factor.isFinite) {
      throw Diagnostic("layer '\(graph.path)': \(label) must be a finite number that is not negative, got \(factor)")
    }
    penalize(name, l1: l1, l2: l2)
  }
}

extension LayerEntry {
  static let dense = LayerEntry(
    "dense", aliases: ["linear"], "y = x W + b over the last axis",
    [
      .input, ArgumentDescription("units", .integer, "size of the result's last axis"),
      ArgumentDescription("bias", .bool, default: .bool(true), "whether b is added"),
      ArgumentDescription("activation", .word(Activation.names), optional: true, "applied to the result"),
      ArgumentDescription("initializer", .initializer, default: .word("xavier_uniform"), "how the weight begins"),
      ArgumentDescription("l1", .number, default: .number(0), "factor of Σ|w| in the training loss"),
      ArgumentDescription("l2", .number, default: .number(0), "factor of ½ Σ w² in the training loss"),
    ]
  ) { builder, arguments, name in
    try builder.dense(
      arguments.value("x")!, units: arguments.integer("units")!, bias: arguments.bool("bias"),
      activation: arguments.word("activation").map(Activation.named), initializer: Initializer(arguments["initializer"]!),
      l1: arguments.number("l1")!, l2: arguments.number("l2")!, name: name)
  }
}
