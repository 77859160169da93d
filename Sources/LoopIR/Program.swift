import Basics

/// A run-time size with its maximum: the batch `n`, first of all. Its value lies in 1 ... maximum.
public struct Symbol: Hashable, Sendable {
  public var name: String
  public var maximum: Int
  /// Whether it counts the rounds of a loop over calls, from 1 on, rather than rows.
  public var isCounter: Bool

  public init(name: String, maximum: Int, isCounter: Bool = false) {
    self.name = name
    self.maximum = maximum
    self.isCounter = isCounter
  }
}

/// A memory that a program works on; each is one member or argument in C.
public enum Block: Hashable, Sendable {
  case parameters, state, gradients, moments
  /// What inference computes once from parameters and state.
  case prepared
  /// What `generate` keeps from one token to the next; the caller's, zero at the beginning of a text. It begins with the number of tokens
  /// so far, an i64.
  case memory
  /// The fixed struct of scalars that the runtime reads and writes (`gradc_controls`): rate, seed, step …
  case controls
  case input(Int), output(Int), target(Int)
  /// One factor a row in the loss; the caller's, or ones.
  case weights
  /// Working memory: the trainer's arena or the caller's scratch.
  case arena
  /// Read-only tables that are part of the code.
  case constant(Int)
}

/// A typed stretch of a block.
public struct Buffer: Hashable, Sendable {
  public var name: String
  public var element: ElementType
  /// Elements at the symbols' maxima.
  public var count: Int
  public var block: Block
  /// Bytes from the block's beginning.
  public var offset: Int

  public init(name: String, element: ElementType, count: Int, block: Block, offset: Int) {
    self.name = name
    self.element = element
    self.count = count
    self.block = block
    self.offset = offset
  }
}

/// How a kernel uses a buffer.
public enum Access: String, Hashable, Sendable, CaseIterable { case read, write, update }

/// A buffer as a kernel sees it.
public struct BufferParameter: Hashable, Sendable {
  public var name: String
  public var element: ElementType
  /// Elements at the symbols' maxima.
  public var count: Int
  public var access: Access

  public init(name: String, element: ElementType, count: Int, access: Access) {
    self.name = name
    self.element = element
    self.count = count
    self.access = access
  }
}

/// One C function: a fused loop nest over buffers. All of a kernel's written buffers are disjoint from all its others.
public struct Kernel: Hashable, Sendable {
  public var name: String
  /// What it computes: layers, operators, formula; one line each.
  public var comments: [String]
  public var parameters: [BufferParameter]
  /// Symbols that the body reads, as integer arguments.
  public var symbols: [String]
  /// Those among them that count the rounds of a loop around the call; the others are the program's.
  public var counters: [Symbol]
  /// Independent parts of the work, run in any order on any thread; the body sees the part's number as the variable `part`.
  /// A function of shape and symbols only. Constant 1: the whole work at once.
  public var parts: Index
  public var body: [Statement]

  public init(
    name: String, comments: [String] = [], parameters: [BufferParameter], symbols: [String], counters: [Symbol] = [],
    parts: Index = .constant(1), body: [Statement]
  ) {
    self.name = name
    self.comments = comments
    self.parameters = parameters
    self.symbols = symbols
    self.counters = counters
    self.parts = parts
    self.body = body
  }
}

/// A step of an entry point.
public indirect enum Step: Hashable, Sendable {
  /// Calls kernel `kernel` of the program with buffers in the order of its parameters.
  case call(kernel: Int, buffers: [Int])
  /// Leaves the entry with GRADC_NOT_FINITE unless every element of the buffer (a float scalar) is finite.
  case requireFinite(buffer: Int)
  /// Runs the steps once for each value of the counter, from 1 to its maximum.
  case loop(Symbol, [Step])
}

extension Step {
  /// The buffers that the step itself names.
  public var buffers: [Int] {
    switch self {
    case .call(_, let buffers): buffers
    case .requireFinite(let buffer): [buffer]
    case .loop: []
    }
  }

  /// The step with each call, inside loops too, replaced.
  public func mappingCalls(_ transform: (_ kernel: Int, _ buffers: [Int]) -> Step) -> Step {
    switch self {
    case .call(let kernel, let buffers): transform(kernel, buffers)
    case .requireFinite: self
    case .loop(let counter, let body): .loop(counter, body.map { $0.mappingCalls(transform) })
    }
  }
}

/// A function that callers see: a list of kernel calls.
public struct Entry: Hashable, Sendable {
  /// `run`, `evaluate`, `generate`, `backward`, `update`, `initialize`.
  public var name: String
  public var steps: [Step]
  /// Bytes of the arena that the entry needs.
  public var arenaBytes: Int

  public init(name: String, steps: [Step], arenaBytes: Int) {
    self.name = name
    self.steps = steps
    self.arenaBytes = arenaBytes
  }

  /// All steps but loops, each once, those inside loops in their place, with how often they run.
  public var flatSteps: [(step: Step, rounds: Int)] { Entry.flat(steps, rounds: 1) }

  private static func flat(_ steps: [Step], rounds: Int) -> [(step: Step, rounds: Int)] {
    steps.flatMap { step in
      guard case .loop(let counter, let body) = step else { return [(step, rounds)] }
      return flat(body, rounds: rounds * counter.maximum)
    }
  }
}

/// A read-only table.
public struct ConstantTable: Hashable, Sendable {
  public var name: String
  public var element: ElementType
  /// Little-endian elements.
  public var bytes: [UInt8]

  public init(name: String, element: ElementType, bytes: [UInt8]) {
    self.name = name
    self.element = element
    self.bytes = bytes
  }
}

/// A tensor of the parameter or state block, as weights files name it.
public struct TensorSlot: Hashable, Sendable {
  public var name: String
  public var dims: [Int]
  /// Elements from the block's beginning.
  public var offset: Int
  public var isState: Bool
  public var trainable: Bool

  public init(name: String, dims: [Int], offset: Int, isState: Bool, trainable: Bool) {
    self.name = name
    self.dims = dims
    self.offset = offset
    self.isState = isState
    self.trainable = trainable
  }

  /// Elements.
  public var count: Int { dims.reduce(1, *) }
}

/// An input, output or target. `dims` are those of one row: the batch is outermost and not listed.
public struct Port: Hashable, Sendable {
  public var name: String
  public var element: ElementType
  public var dims: [Int]
  /// Whether it has a batch. What has none is one row, whatever the rows of a call.
  public var isBatched: Bool

  public init(name: String, element: ElementType, dims: [Int], isBatched: Bool = true) {
    self.name = name
    self.element = element
    self.dims = dims
    self.isBatched = isBatched
  }

  /// The sizes of all axes for so many rows.
  public func shape(rows: Int) -> [Int] { isBatched ? [rows] + dims : dims }

  /// Elements a row.
  public var rowCount: Int { dims.reduce(1, *) }
}

/// How metrics and prediction read output 0.
public enum Task: String, Hashable, Sendable, CaseIterable { case regression, binary, classes }

/// A whole compiled model: everything the C emitter, the interpreter and the runtime's descriptor need.
public struct Program: Hashable, Sendable {
  public var name: String
  /// f32 or f64.
  public var element: ElementType
  public var symbols: [Symbol]
  public var tensors: [TensorSlot]
  public var inputs: [Port]
  public var outputs: [Port]
  public var targets: [Port]
  public var task: Task
  /// Elements in each block; trainable parameters come first in the parameter block.
  public var parameterCount: Int
  public var stateCount: Int
  public var gradientCount: Int
  public var momentCount: Int
  public var preparedCount = 0
  /// Bytes of the memory of `generate`.
  public var memoryBytes = 0
  /// The most tokens that `generate` sees of one text; 0 where there is no such bound.
  public var contextLength = 0
  public var constants: [ConstantTable]
  public var buffers: [Buffer]
  public var kernels: [Kernel]
  public var entries: [Entry]

  public init(
    name: String, element: ElementType, symbols: [Symbol], tensors: [TensorSlot] = [], inputs: [Port] = [], outputs: [Port] = [],
    targets: [Port] = [], task: Task = .regression, parameterCount: Int = 0, stateCount: Int = 0, gradientCount: Int = 0,
    momentCount: Int = 0, constants: [ConstantTable] = [], buffers: [Buffer] = [], kernels: [Kernel] = [], entries: [Entry] = []
  ) {
    self.name = name
    self.element = element
    self.symbols = symbols
    self.tensors = tensors
    self.inputs = inputs
    self.outputs = outputs
    self.targets = targets
    self.task = task
    self.parameterCount = parameterCount
    self.stateCount = stateCount
    self.gradientCount = gradientCount
    self.momentCount = momentCount
    self.constants = constants
    self.buffers = buffers
    self.kernels = kernels
    self.entries = entries
  }

  /// The entry of that name.
  public func entry(_ name: String) -> Entry? { entries.first { $0.name == name } }
}

/// Byte offsets inside `Block.controls`, as in `gradc_controls` of the runtime.
public enum Controls {
  public static let rate = 0
  public static let loss = 8
  public static let dataLoss = 16
  public static let norm = 24
  public static let seed = 32
  public static let step = 40
  public static let micro = 48
  /// Bytes of the whole struct.
  public static let size = 56
}
