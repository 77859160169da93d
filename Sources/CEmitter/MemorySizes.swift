import LoopIR

/// Exact bytes of what the emitted code works on, padding included.
public struct MemorySizes: Hashable, Sendable {
  /// `sizeof(NAME)`: parameters, state, and the pool's hook.
  public var model: Int
  /// `sizeof(NAME_trainer)`: the model, controls, gradients, moments, arena; 0 without training.
  public var trainer: Int
  /// What the caller of `NAME_run` and `NAME_evaluate` brings.
  public var scratch: Int
  /// Parts of these.
  public var parameters: Int
  public var state: Int
  public var gradients: Int
  public var moments: Int
  /// What inference computes once from the weights, in the model.
  public var prepared: Int
  /// Of the trainer.
  public var arena: Int
  /// What `NAME_generate` keeps of its texts, the caller's.
  public var memory: Int

  public init(_ program: Program) {
    let layout = Layout(program)
    let size = program.element.size
    model = layout.modelBytes
    trainer = layout.trainerBytes
    scratch = layout.scratchBytes
    parameters = layout.parameters * size
    state = layout.state * size
    gradients = layout.hasTrainer ? layout.gradients * size : 0
    prepared = layout.prepared * size
    moments = layout.hasTrainer ? layout.moments * size : 0
    arena = layout.hasTrainer ? layout.arena : 0
    memory = layout.memoryBytes
  }
}
