import Basics
import GraphIR
import Operators

/// A rule that moves parameters along their gradients. Values are flat tensors of one segment; everything is pointwise, so that an update
/// becomes one loop.
public protocol Optimizer: Hashable, Sendable {
  /// State elements for each parameter element; they begin at zero.
  var momentsPerParameter: Int { get }
  /// Factor of the decay, 0 for none.
  var weightDecay: Double { get }
  /// Whether the decay is taken off the parameter itself instead of being added to the gradient.
  var hasDecoupledDecay: Bool { get }
  /// Builds the scalars that `step` will ask for again, so that they stand before the loops over segments and each loop can use them all.
  func prepare(_ builder: inout GraphBuilder, rate: ValueID, update: ValueID, element: ElementType) throws
  /// New parameters and moments.
  func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult
}

extension Optimizer {
  public var hasDecoupledDecay: Bool { false }

  public func prepare(_ builder: inout GraphBuilder, rate: ValueID, update: ValueID, element: ElementType) throws {}
}

/// What an optimizer is given for one segment.
public struct OptimizerRequest {
  public var parameter: ValueID
  /// The gradient, clipped and with coupled weight decay.
  public var gradient: ValueID
  public var moments: [ValueID]
  /// The learning rate, a scalar of the parameters' element type.
  public var rate: ValueID
  /// The same as f64.
  public var exactRate: ValueID
  /// The number of this update, from 1 on, as an f64 scalar.
  public var update: ValueID

  public init(parameter: ValueID, gradient: ValueID, moments: [ValueID], rate: ValueID, exactRate: ValueID, update: ValueID) {
    self.parameter = parameter
    self.gradient = gradient
    self.moments = moments
    self.rate = rate
    self.exactRate = exactRate
    self.update = update
  }
}

/// What an optimizer gives for one segment.
public struct OptimizerResult {
  public var parameter: ValueID
  public var moments: [ValueID]

  public init(_ parameter: ValueID, moments: [ValueID] = []) {
    self.parameter = parameter
    self.moments = moments
  }
}

/// An optimizer by name.
public struct OptimizerEntry: CatalogEntry {
  public var name: String
  public var aliases: [String]
  public var summary: String
  /// The optimizer's own constants; `rate` and `weight_decay` come first for all.
  public var parameters: [ArgumentDescription]
  /// The optimizer with the constants of a call.
  public var make: @Sendable (Arguments) throws -> any Optimizer

  init(
    _ name: String, aliases: [String] = [], _ summary: String, rate: Double, weightDecay: Double = 0, _ own: [ArgumentDescription] = [],
    make: @escaping @Sendable (Arguments) throws -> any Optimizer
  ) {
    self.name = name
    self.aliases = aliases
    self.summary = summary
    parameters =
      [
        ArgumentDescription("rate", .number, default: .number(rate), "learning rate"),
        ArgumentDescription("weight_decay", .number, default: .number(weightDecay), "decay of weights, not of biases"),
      ] + own
    self.make = make
  }
}

/// All optimizers, with PyTorch's formulas and defaults.
public enum OptimizerCatalog {
  public static let entries: [OptimizerEntry] = [.sgd, .momentum, .nesterov, .adagrad, .adadelta, .rmsprop, .adam, .adamw]

  /// The optimizer of that name or alias; throws a diagnostic with the nearest name.
  public static func entry(_ name: String) throws -> OptimizerEntry { try findEntry(name, in: entries, what: "optimizer") }
}

/// An optimizer with its learning rate, as a recipe chooses it.
public struct OptimizerChoice: Sendable {
  public var name: String
  public var optimizer: any Optimizer
  /// The learning rate that training begins with.
  public var rate: Double

  /// The optimizer of that name with the arguments of a call: `adam(rate: 0.001, weight_decay: 0.01)`.
  public init(_ name: String, _ arguments: [LabelledArgument] = []) throws {
    let entry = try OptimizerCatalog.entry(name)
    let bound = try Arguments(arguments, to: entry.parameters, of: name)
    let rate = bound.number("rate")!
    guard rate >= 0, rate.isFinite else { throw Diagnostic("rate of \(name) must not be negative, got \(rate)") }
    self.name = entry.name
    self.rate = rate
    optimizer = try entry.make(bound)
  }
}

extension Arguments {
  /// A number that must lie in a range; `bounds` in words go into the error.
  func number(_ name: String, in range: Range<Double>) throws -> Double {
    let value = number(name)!
    guard range.contains(value) else {
      throw Diagnostic("\(name) must be at least \(range.lowerBound) and below \(range.upperBound), got \(value)")
    }
    return value
  }

  /// The decay factor, not negative.
  func decay() throws -> Double { try number("weight_decay", in: 0..<Double.infinity) }

  /// A small positive number added to a divisor.
  func epsilon() throws -> Double { try number("epsilon", in: 0..<Double.infinity) }
}

extension ArgumentDescription {
  static func epsilon(_ value: Double) -> ArgumentDescription {
    ArgumentDescription("epsilon", .number, default: .number(value), "added to the divisor")
  }
}

extension GraphBuilder {
  /// factor · old + (1 - factor) · new.
  mutating func average(_ old: ValueID, _ new: ValueID, _ factor: Double) throws -> ValueID {
    try add(multiply(old, factor), multiply(new, 1 - factor))
  }
}
