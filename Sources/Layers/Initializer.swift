import Basics
import GraphIR
import LoopIR
import Operators

/// How a parameter begins. Random ones are keyed by the seed and the tensor's path, so that appending a layer changes no other.
public enum Initializer: Hashable, Sendable {
  case zeros
  case ones
  case constant(Double)
  case normal(mean: Double, deviation: Double)
  /// Normal, cut at two deviations.
  case truncatedNormal(mean: Double, deviation: Double)
  case uniform(low: Double, high: Double)
  /// Glorot and Bengio 2010: deviation sqrt(2 / (in + out)), or limit sqrt(6 / (in + out)).
  case xavierNormal, xavierUniform
  /// He et al. 2015: deviation sqrt(2 / in), or limit sqrt(6 / in).
  case heNormal, heUniform
}

/// An initializer by name.
public struct InitializerEntry: CatalogEntry {
  public var name: String
  public var aliases: [String]
  public var summary: String
  public var parameters: [ArgumentDescription]
  var make: @Sendable (Arguments) throws -> Initializer
}

/// All initializers, by the names of the model language.
public enum InitializerCatalog {
  public static let entries: [InitializerEntry] = [
    InitializerEntry(name: "zeros", aliases: [], summary: "all 0", parameters: []) { _ in .zeros },
    InitializerEntry(name: "ones", aliases: [], summary: "all 1", parameters: []) { _ in .ones },
    InitializerEntry(
      name: "constant", aliases: [], summary: "all of one value", parameters: [ArgumentDescription("value", .number, "the value")]
    ) { .constant($0.number("value")!) },
    InitializerEntry(
      name: "normal", aliases: ["random_normal"], summary: "normal numbers", parameters: moments
    ) { .normal(mean: $0.number("mean")!, deviation: try deviation($0)) },
    InitializerEntry(
      name: "truncated_normal", aliases: [], summary: "normal numbers within two deviations of the mean", parameters: moments
    ) { .truncatedNormal(mean: $0.number("mean")!, deviation: try deviation($0)) },
    InitializerEntry(
      name: "uniform", aliases: ["random_uniform"], summary: "uniform numbers",
      parameters: [
        ArgumentDescription("low", .number, default: .number(-0.05), "smallest value"),
        ArgumentDescription("high", .number, default: .number(0.05), "bound that is not reached"),
      ]
    ) { .uniform(low: $0.number("low")!, high: $0.number("high")!) },
    InitializerEntry(
      name: "xavier_normal", aliases: ["glorot_normal"], summary: "normal, deviation sqrt(2 / (in + out))", parameters: []
    ) { _ in .xavierNormal },
    InitializerEntry(
      name: "xavier_uniform", aliases: ["glorot_uniform"], summary: "uniform, limit sqrt(6 / (in + out))", parameters: []
    ) { _ in .xavierUniform },
    InitializerEntry(
      name: "he_normal", aliases: ["kaiming_normal"], summary: "normal, deviation sqrt(2 / in)", parameters: []
    ) { _ in .heNormal },
    InitializerEntry(
      name: "he_uniform", aliases: ["kaiming_uniform"], summary: "uniform, limit sqrt(6 / in)", parameters: []
    ) { _ in .heUniform },
  ]

  private static let moments = [
    ArgumentDescription("mean", .number, default: .number(0), "mean"),
    ArgumentDescription("deviation", .number, default: .number(0.05), "standard deviation"),
  ]

  private static func deviation(_ arguments: Arguments) throws -> Double {
    let deviation = arguments.number("deviation")!
    guard deviation >= 0, deviation.isFinite else { throw Diagnostic("deviation must not be negative, got \(deviation)") }
    return deviation
  }
}

extension Initializer {
  /// From a word or a call of the model language: `he_normal`, `normal(0, deviation: 0.01)`.
  public init(_ argument: Argument) throws {
    let (name, arguments): (String, [LabelledArgument])
    switch argument {
    case .word(let word): (name, arguments) = (word, [])
    case .call(let callee, let given): (name, arguments) = (callee, given)
    default: throw Diagnostic("an initializer is a name or a call such as normal(0, deviation: 0.01), got \(argument)")
    }
    let entry = try findEntry(name, in: InitializerCatalog.entries, what: "initializer")
    self = try entry.make(Arguments(arguments, to: entry.parameters, of: name))
  }
}

extension Initializer {
  /// The same first values with the fans in: what xavier and he stand for where the tensor's shape does not say them.
  func scaled(fanIn: Double, fanOut: Double) -> Initializer {
    switch self {
    case .xavierNormal: return .normal(mean: 0, deviation: (2 / (fanIn + fanOut)).squareRoot())
    case .xavierUniform:
      let limit = (6 / (fanIn + fanOut)).squareRoot()
      return .uniform(low: -limit, high: limit)
    case .heNormal: return .normal(mean: 0, deviation: (2 / fanIn).squareRoot())
    case .heUniform:
      let limit = (6 / fanIn).squareRoot()
      return .uniform(low: -limit, high: limit)
    default: return self
    }
  }
}
