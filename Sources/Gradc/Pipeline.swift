import Basics
import GraphIR
import Layers
import LoopIR
import Lowering
import Training

/// Choices of a compilation.
public struct CompileOptions: Sendable {
  /// f32 or f64: of parameters, activations and arithmetic.
  public var element: ElementType
  /// The most rows of one call.
  public var maxBatch: Int
  /// Whether large matrix products call CBLAS.
  public var usesBLAS: Bool
  /// How convolutions are computed.
  public var convolutions: ConvolutionChoices
  /// Whether there is an entry `generate`, which goes on with a text by one token; what a model that cannot do that is refused for.
  public var generates: Bool

  public init(
    element: ElementType = .f32, maxBatch: Int = 64, usesBLAS: Bool = true, convolutions: ConvolutionChoices = ConvolutionChoices(),
    generates: Bool = false
  ) {
    self.generates = generates
    self.convolutions = convolutions
    self.element = element
    self.maxBatch = maxBatch
    self.usesBLAS = usesBLAS
  }
}

/// Choices between methods of convolutions.
public struct ConvolutionChoices: Hashable, Sendable {
  /// The methods that may be taken, by name; nil: all. What works for every convolution always may.
  public var allowed: Set<String>?
  /// Methods of single convolutions by the words of their shape, as a measurement found them best.
  public var choices: [String: String]
  /// The method of all others that it can compute; nil: by estimated costs.
  public var preferred: String?

  public init(allowed: Set<String>? = nil, choices: [String: String] = [:], preferred: String? = nil) {
    self.allowed = allowed
    self.choices = choices
    self.preferred = preferred
  }

  /// All methods but Winograd's, which rounds more coarsely.
  public static var withoutWinograd: ConvolutionChoices {
    ConvolutionChoices(allowed: Set(convolutionMethodNames.filter { !$0.hasPrefix("winograd") }))
  }
}

extension LoweringOptions {
  /// The lowering's part of a compilation's choices.
  public init(_ options: CompileOptions, preparesWeights: Bool = false) {
    self.init(
      usesBLAS: options.usesBLAS, convolutionMethods: options.convolutions.allowed, convolutionChoices: options.convolutions.choices,
      preferredConvolution: options.convolutions.preferred, preparesWeights: preparesWeights)
  }
}

/// A compiled model: its graphs and its loop program.
public struct Compilation: Sendable {
  public var model: Model
  public var program: Program

  public init(model: Model, program: Program) {
    self.model = model
    self.program = program
  }
}

/// The whole compiler: a definition becomes graphs (layers, loss, reverse mode, optimizer), the graphs become loops (expand, fuse, lower,
/// plan memory). What is left to do with a program is to emit, to load and to run it.
///
/// `training` nil compiles inference only. In debug builds the verifiers run after every step.
public func compile(_ definition: ModelDefinition, training: TrainingSpecification?, options: CompileOptions = CompileOptions()) throws
  -> Compilation
{
  let model = try buildModel(
    definition: definition, training: training, element: options.element, maxBatch: options.maxBatch, generates: options.generates)
  let program = try lower(model, options: LoweringOptions(options, preparesWeights: training == nil))
  return Compilation(model: model, program: program)
}
