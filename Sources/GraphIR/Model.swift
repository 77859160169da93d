import Basics
import LoopIR

/// A tensor of the parameter or state block.
public struct Parameter: Hashable, Sendable {
  /// `dense1.weight`: the layer's path and the tensor's name in it.
  public var name: String
  public var shape: [Int]
  public var isState: Bool
  /// Whether gradients are computed and the optimizer changes it.
  public var trainable: Bool
  /// Whether weight decay applies: to weights, not to biases and normalisation's scale and shift.
  public var decays: Bool

  public init(name: String, shape: [Int], isState: Bool = false, trainable: Bool = true, decays: Bool = true) {
    self.name = name
    self.shape = shape
    self.isState = isState
    self.trainable = trainable && !isState
    self.decays = decays
  }

  /// Elements.
  public var count: Int { shape.reduce(1, *) }
}

/// A model before lowering: parameters and state with several entry graphs over them (`run`, `evaluate`, `generate`, `backward`,
/// `update`, `initialize`). Training and inference are not two models.
public struct Model: Sendable {
  public var name: String
  /// f32 or f64.
  public var element: ElementType
  /// The batch `n` with its maximum, first.
  public var symbols: [Symbol]
  /// In the order in which layers declared them; the flat blocks order them into segments.
  public var parameters: [Parameter]
  public var inputs: [Port]
  public var outputs: [Port]
  public var targets: [Port]
  public var task: Task
  /// Optimizer state elements for each trainable parameter element.
  public var momentsPerParameter: Int
  /// The most tokens that `generate` sees of one text; 0 where there is no such bound.
  public var contextLength = 0
  public var graphs: [Graph]

  public init(name: String, element: ElementType, symbols: [Symbol]) {
    self.name = name
    self.element = element
    self.symbols = symbols
    parameters = []
    inputs = []
    outputs = []
    targets = []
    task = .regression
    momentsPerParameter = 0
    graphs = []
  }

  /// The entry graph of that name.
  public func graph(_ name: String) -> Graph? { graphs.first { $0.name == name } }

  /// Parameters in block order: trainable ones with weight decay, trainable ones without, frozen ones; state apart.
  public var parameterOrder: [Parameter] {
    let tensors = parameters.filter { !$0.isState }
    return tensors.filter { $0.trainable && $0.decays } + tensors.filter { $0.trainable && !$0.decays } + tensors.filter { !$0.trainable }
  }

  /// Elements of the segments of trainable parameters: with and without weight decay.
  public var segments: (decayed: Int, plain: Int) {
    let trainable = parameters.filter(\.trainable)
    return (trainable.filter(\.decays).reduce(0) { $0 + $1.count }, trainable.filter { !$0.decays }.reduce(0) { $0 + $1.count })
  }
}
