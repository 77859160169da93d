import Basics
import GraphIR
import Layers
import Optimizers

/// A loss of one output, as a recipe asks for it.
public struct LossChoice: Sendable {
  /// A name or alias of `LossCatalog`.
  public var name: String
  /// The loss's own constants: `delta: 0.5`.
  public var arguments: [LabelledArgument]
  /// The output that it judges; nil for the only one.
  public var output: String?
  /// The name of the targets: an input's name for models that learn their own input; nil for `target`, or `OUTPUT_target` where there are
  /// several losses.
  public var target: String?
  /// Its factor in the sum of losses.
  public var weight: Double

  public init(_ name: String, _ arguments: [LabelledArgument] = [], output: String? = nil, target: String? = nil, weight: Double = 1) {
    self.name = name
    self.arguments = arguments
    self.output = output
    self.target = target
    self.weight = weight
  }
}

/// What is needed besides a model to compile its training.
public struct TrainingSpecification: Sendable {
  /// Added with their weights.
  public var losses: [LossChoice]
  public var optimizer: OptimizerChoice
  /// Largest global norm of the gradient, if bounded.
  public var clipNorm: Double?
  /// Largest size of a gradient element, if bounded.
  public var clipValue: Double?
  /// Layers whose parameters stay as they are, as `LayerPatterns` reads them: `encoder` freezes `encoder.dense1.weight`.
  public var freeze: [String]

  public init(
    losses: [LossChoice], optimizer: OptimizerChoice, clipNorm: Double? = nil, clipValue: Double? = nil, freeze: [String] = []
  ) {
    self.losses = losses
    self.optimizer = optimizer
    self.clipNorm = clipNorm
    self.clipValue = clipValue
    self.freeze = freeze
  }
}
