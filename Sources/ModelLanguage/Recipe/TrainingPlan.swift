import Basics
import GraphIR
import Optimizers

/// One term of the training loss.
public struct LossTerm: Hashable, Sendable {
  /// The loss's name in the catalog, never an alias.
  public var name: String
  /// Its own arguments: `delta: 1`.
  public var arguments: [LabelledArgument]
  /// The model's output that it looks at.
  public var output: String
  public var target: LossTarget
  /// Its factor in the sum.
  public var weight: Double
  /// Where the loss is named, and the characters of the name.
  public var location: SourceLocation
  public var length: Int

  public init(
    name: String, arguments: [LabelledArgument] = [], output: String, target: LossTarget, weight: Double = 1, location: SourceLocation,
    length: Int
  ) {
    self.name = name
    self.arguments = arguments
    self.output = output
    self.target = target
    self.weight = weight
    self.location = location
    self.length = length
  }
}

/// What an output is compared with.
public enum LossTarget: Hashable, Sendable {
  /// Target columns of the data; none when the file does not name them (arrays, or a model without a data block).
  case columns([String])
  /// One of the model's inputs: an autoencoder.
  case input(String)
}

/// An optimizer as the file names it.
public struct OptimizerCall: Hashable, Sendable {
  /// The optimizer's name in the catalog, never an alias.
  public var name: String
  /// All with labels; without the rate.
  public var arguments: [LabelledArgument]

  public init(name: String, arguments: [LabelledArgument] = []) {
    self.name = name
    self.arguments = arguments
  }

  /// The optimizer itself; `rate` nil: its own default. Throws when an argument is out of its range.
  public func choice(rate: Double?) throws -> OptimizerChoice {
    try OptimizerChoice(name, arguments + (rate.map { [LabelledArgument(.number($0), label: "rate")] } ?? []))
  }
}

/// What the `train` block says that changes the compiled code. The rest (epochs, schedule, callbacks …) is in the recipe's lines alone.
public struct TrainingPlan: Hashable, Sendable {
  /// The terms of the loss, in the order of the target columns; empty when the file names no loss.
  public var losses: [LossTerm] = []
  public var optimizer = OptimizerCall(name: "adam")
  /// Learning rate; nil: the optimizer's own default.
  public var rate: Double?
  /// The largest global gradient norm; nil: not clipped.
  public var clipNorm: Double?
  /// The largest size of one gradient element; nil: not clipped.
  public var clipValue: Double?
  /// Layers that are left as they are, as `LayerPatterns` reads them.
  public var freeze: [String] = []
  /// f32 or f64.
  public var precision = ElementType.f32
  /// Rows a step; nil: all.
  public var batch: Int? = 32

  public init() {}
}
