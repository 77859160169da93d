import Basics
import GraphIR
import LoopIR

/// Where tensors lie in the flat blocks.
struct BlockLayout {
  private(set) var slots: [TensorSlot] = []
  private(set) var parameterCount = 0
  private(set) var stateCount = 0
  private(set) var gradientCount = 0
  private(set) var preparedCount = 0
  private(set) var memoryBytes = 0
  private var offsets: [String: Int] = [:]
  private let elementSize: Int

  init(_ model: Model) {
    elementSize = model.element.size
    for parameter in model.parameterOrder + model.parameters.filter(\.isState) {
      let offset = parameter.isState ? stateCount : parameterCount
      offsets[parameter.name] = offset
      slots.append(
        TensorSlot(
          name: parameter.name, dims: parameter.shape, offset: offset, isState: parameter.isState, trainable: parameter.trainable))
      if parameter.isState { stateCount += parameter.count } else { parameterCount += parameter.count }
      if parameter.trainable { gradientCount += parameter.count }
    }
    if let graph = model.graph("generate") { placeMemory(of: graph) }
  }

  /// Gives each leaf of the memory its place, at the symbols' maxima; each begins at a cache line. The number of tokens so far is the first.
  private mutating func placeMemory(of graph: Graph) {
    let updated = graph.updates.map { ($0.leaf, graph.type($0.value)) }
    let leaves = graph.ids.compactMap { id in graph[id].leaf.map { ($0, graph.type(id)) } } + updated
    let kept = leaves.filter { $0.0.role == .memory }
    for (leaf, type) in kept.filter({ $0.0 == .position }) + kept.filter({ $0.0 != .position }) where offsets["memory \(leaf.name)"] == nil
    {
      offsets["memory \(leaf.name)"] = memoryBytes
      memoryBytes +=
        (type.maximumCount(graph.symbols) * type.element.size + MemoryPlan.alignment - 1) / MemoryPlan.alignment * MemoryPlan.alignment
    }
  }

  /// Gives a prepared value its place; each begins at a cache line.
  mutating func addPrepared(_ name: String, _ type: TensorType) {
    offsets["prepared \(name)"] = preparedCount
    let line = 64 / elementSize
    preparedCount += ((type.count.coefficient * type.element.size + elementSize - 1) / elementSize + line - 1) / line * line
  }

  /// The block and byte offset of a leaf.
  func place(_ leaf: Leaf) throws -> (block: Block, offset: Int) {
    func named(_ block: Block) throws -> (Block, Int) {
      guard let offset = offsets[leaf.name] else { throw Diagnostic.bug("no tensor is called '\(leaf.name)'") }
      return (block, offset * elementSize)
    }
    switch leaf.role {
    case .input(let index): return (.input(index), 0)
    case .target(let index): return (.target(index), 0)
    case .weights: return (.weights, 0)
    case .parameter: return try named(.parameters)
    case .state: return try named(.state)
    case .gradient: return try named(.gradients)
    case .table: throw Diagnostic.bug("a table has no place in the blocks")
    case .prepared: return (.prepared, offsets["prepared \(leaf.name)", default: 0] * elementSize)
    case .memory:
      guard let offset = offsets["memory \(leaf.name)"] else { throw Diagnostic.bug("nothing in memory is called '\(leaf.name)'") }
      return (.memory, offset)
    case .segment(.parameters, let offset): return (.parameters, offset * elementSize)
    case .segment(.gradients, let offset): return (.gradients, offset * elementSize)
    case .segment(.moments, let offset): return (.moments, offset * elementSize)
    case .control(let offset): return (.controls, offset)
    case .captured, .carried, .stacked: throw Diagnostic.bug("\(leaf) stands outside a loop's body")
    }
  }
}
