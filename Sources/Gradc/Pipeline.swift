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

  public init(element: ElementType = .f32, maxBatch: Int = 64, usesBLAS: Bool = true) {
    self.element = element
    self.maxBatch = maxBatch
    self.usesBLAS = usesBLAS
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
  let model = try buildModel(definition: definition, training: training, element: options.element, maxBatch: options.maxBatch)
  let program = try lower(model, options: LoweringOptions(usesBLAS: options.usesBLAS, preparesWeights: training == nil))
  return Compilation(model: model, program: program)
}
