import Basics
import GraphIR
import LoopIR

/// Choices of lowering.
public struct LoweringOptions: Sendable {
  /// Whether large matrix products call CBLAS.
  public var usesBLAS: Bool
  /// Whether nodes share kernels. Without, every node but views has a kernel of its own: what fused programs are compared with.
  public var fuses: Bool

  /// The methods of convolutions that may be taken, by name; nil for all. What works for every convolution is always there.
  public var convolutionMethods: Set<String>?
  /// Methods of single convolutions by the words of their shape (`ConvolutionNote.shape`), as measured on this machine.
  public var convolutionChoices: [String: String]
  /// The method of all other convolutions that it can compute; nil: by the costs.
  public var preferredConvolution: String?
  /// Whether what `run` computes from nothing but weights becomes an entry `prepare` of its own, to be called once.
  public var preparesWeights: Bool

  public init(
    usesBLAS: Bool = true, fuses: Bool = true, convolutionMethods: Set<String>? = nil, convolutionChoices: [String: String] = [:],
    preferredConvolution: String? = nil, preparesWeights: Bool = false
  ) {
    self.usesBLAS = usesBLAS
    self.fuses = fuses
    self.preparesWeights = preparesWeights
    self.convolutionMethods = convolutionMethods
    self.convolutionChoices = convolutionChoices
    self.preferredConvolution = preferredConvolution
  }

  /// Whether a convolution may be computed by the method of that name.
  func allowsConvolution(_ method: String) -> Bool {
    convolutionMethods?.contains(method) ?? true || method.hasPrefix("patches")
  }
}

/// Turns a model's entry graphs into one loop program: expand, lay out, fuse, emit loops, plan memory.
public func lower(_ model: Model, options: LoweringOptions = LoweringOptions()) throws -> Program {
  var program = Program(name: model.name, element: model.element, symbols: model.symbols)
  var layout = BlockLayout(model)
  program.tensors = layout.slots
  program.inputs = model.inputs
  program.outputs = model.outputs
  program.targets = model.targets
  program.task = model.task
  program.parameterCount = layout.parameterCount
  program.stateCount = layout.stateCount
  program.gradientCount = layout.gradientCount
  program.momentCount = layout.gradientCount * model.momentsPerParameter
  program.memoryBytes = layout.memoryBytes
  program.contextLength = model.contextLength
  for graph in model.graphs {
    try verified(graph.verify(), "building '\(graph.name)'")
    try lower(graph, into: &program, layout: &layout, options: options)
  }
  try verified(program.verify(), "lowering '\(model.name)'")
  return program
}

/// In debug builds, throws the first thing that a verifier found after a pass; in release builds nothing is verified.
private func verified(_ diagnostics: @autoclosure () -> [Diagnostic], _ pass: String) throws {
  #if DEBUG
    if let first = diagnostics().first { throw Diagnostic.bug("after \(pass): \(first.message)") }
  #endif
}

/// Lowers one entry graph and appends its kernels, buffers and entry to the program.
private func lower(_ source: Graph, into program: inout Program, layout: inout BlockLayout, options: LoweringOptions) throws {
  let graph = try expand(source, options: options)
  try verified(graph.verify(), "expanding '\(source.name)'")
  guard options.preparesWeights, source.name == "run", let separated = separatePreparation(graph) else {
    return try lowerExpanded(graph, into: &program, layout: layout, options: options)
  }
  for slot in separated.slots { layout.addPrepared(slot.name, slot.type) }
  program.preparedCount = layout.preparedCount
  try lowerExpanded(separated.prepare, into: &program, layout: layout, options: options)
  try lowerExpanded(separated.run, into: &program, layout: layout, options: options)
}

private func lowerExpanded(_ graph: Graph, into program: inout Program, layout: BlockLayout, options: LoweringOptions) throws {
  let fused = try fuse(try layOut(graph), merges: options.fuses)
  var entry = EntryLowering(fused: fused, layout: layout, options: options, entryName: graph.name)
  try entry.run(&program)
}

/// The kernels of one entry, or of one round of a loop, in order, with the storage behind their parameters.
struct EntryLowering {
  let fused: FusedGraph
  let layout: BlockLayout
  let options: LoweringOptions
  let entryName: String
  /// In the body of a loop: where each round puts what it hands out.
  var slices: [Leaf: SlicePlace] = [:]
  var kernels: [LoweredKernel] = []
  /// Stretches of kernels that run round after round; inner ones first.
  var loops: [LoweredLoop] = []
  /// After which kernel each requirement can be checked.
  var checks: [(after: Int, value: ValueID)] = []

  init(fused: FusedGraph, layout: BlockLayout, options: LoweringOptions, entryName: String) {
    self.fused = fused
    self.layout = layout
    self.options = options
    self.entryName = entryName
  }

  var graph: Graph { fused.graph }

  mutating func run(_ program: inout Program) throws {
    var names = Set(program.kernels.map(\.name))
    try lowerClusters(&names)
    try finish(&program)
  }

  /// Makes all kernels; `names` are those that are taken.
  mutating func lowerClusters(_ names: inout Set<String>) throws {
    let (stores, staged) = planStores()
    for (index, cluster) in fused.clusters.enumerated() {
      let context = KernelContext(fused: fused, members: cluster.members, stores: stores)
      let name = unique(kernelName(cluster), &names)
      let comments = comments(cluster)
      switch cluster.kind {
      case .nest:
        var nest = NestLowering(cluster, index: index, context: context)
        kernels += nest.kernels(named: name, comments: comments)
      case .columns:
        var columns = ColumnLowering(cluster, index: index, context: context)
        kernels += columns.kernels(named: name, comments: comments)
      case .contraction:
        var contraction = ContractionLowering(cluster, context: context, usesBLAS: options.usesBLAS)
        kernels.append(contraction.kernel(named: name, comments: comments))
      case .convolution: kernels += lowerConvolution(cluster, index: index, context: context, named: name, comments: comments)
      case .custom: kernels.append(lowerCustom(cluster, context: context, named: name, comments: comments))
      case .loop: try lowerLoop(cluster, &names)
      }
      for requirement in graph.requirements where fused.clusterOf[fused.storage(of: requirement)] == index {
        checks.append((kernels.count - 1, fused.storage(of: requirement)))
      }
    }
    for (leaf, type) in staged {
      kernels.append(
        copyKernel(
          from: .staged(leaf), to: .leaf(leaf), type, named: unique("commit_\(identifier(leaf.name))", &names),
          comment: "\(leaf.name) <- its new value"))
    }
  }

  // MARK: Updates

  /// What each computed value is stored to. A leaf is written in place when nothing later reads its old value and no requirement is
  /// still open; else its new value waits in the arena for the end of the entry.
  private func planStores() -> (stores: [ValueID: [LeafStore]], staged: [(Leaf, TensorType)]) {
    var stores: [ValueID: [LeafStore]] = [:]
    var staged: [(Leaf, TensorType)] = []
    let lastRequirement = graph.requirements.compactMap { fused.clusterOf[fused.storage(of: $0)] }.max() ?? -1
    for update in graph.updates {
      let value = fused.storage(of: update.value)
      let cluster = fused.clusterOf[value]!
      let isControl = if case .control = update.leaf.role { true } else { false }
      let readers = fused.reads.filter { entry in entry.value.contains { graph[$0].leaf == update.leaf } }.keys
      let lateReader = readers.contains { reader in
        let index = fused.clusterOf[reader]!
        guard index == cluster else { return index > cluster }
        return !readsInPlace(cluster, update.leaf)
      }
      if isControl || (cluster > lastRequirement && !lateReader) || (update.mode == .accumulate && cluster > lastRequirement) {
        stores[value, default: []].append(
          LeafStore(key: .leaf(update.leaf), accumulates: update.mode == .accumulate, slice: slices[update.leaf]))
      } else {
        stores[value, default: []].append(LeafStore(key: .staged(update.leaf), accumulates: false))
        staged.append((update.leaf, graph.type(value)))
      }
    }
    return (stores, staged)
  }

  /// Whether every member is pointwise over the same elements and reads the leaf only at its own element: then each element is read
  /// before it is written, and never again.
  private func readsInPlace(_ index: Int, _ leaf: Leaf) -> Bool {
    let cluster = fused.clusters[index]
    return cluster.kind == .nest && !cluster.hasInnerLoops && cluster.members.allSatisfy { !readsElsewhere($0, leaf) }
  }

  /// Whether computing the node, recomputed operands included, may read the leaf at another position than the node's own.
  private func readsElsewhere(_ id: ValueID, _ leaf: Leaf) -> Bool {
    guard case .map(let body) = fused.lowerings[id] else { return true }
    let rank = graph.type(id).rank
    var answer = false
    body.forEachElement { k, indices in
      let operand = graph[id].operands[k]
      guard !answer, graph[operand].leaf == leaf || (fused.clusterOf[operand] == nil && depends(operand, on: leaf)) else { return }
      let isOwn = indices == (0..<rank).map { .variable("i\($0)") }
      answer = !isOwn || (graph[operand].leaf == nil && readsElsewhere(operand, leaf))
    }
    return answer
  }

  /// Whether the leaf is read on the way to a node, through recomputed nodes only.
  private func depends(_ id: ValueID, on leaf: Leaf) -> Bool {
    graph[id].leaf == leaf || (fused.clusterOf[id] == nil && graph[id].operands.contains { depends($0, on: leaf) })
  }

  func copyKernel(from: StorageKey, to: StorageKey, _ type: TensorType, named name: String, target: String = "to", comment: String)
    -> LoweredKernel
  {
    let count = type.maximumCount(graph.symbols)
    let parameters = [
      BufferParameter(name: "from", element: type.element, count: count, access: .read),
      BufferParameter(name: target, element: type.element, count: count, access: .write),
    ]
    let body: [Statement] = [
      .loop(Loop("i", to: type.count.index, [.store(target, .variable("i"), .load("from", .variable("i")))]))
    ]
    return LoweredKernel(
      kernel: Kernel(name: name, comments: [comment], parameters: parameters, symbols: type.count.symbol.map { [$0] } ?? [], body: body),
      arguments: [from, to])
  }

  // MARK: Names

  private func kernelName(_ cluster: Cluster) -> String {
    var words: [String] = []
    let isBackward = cluster.members.contains { graph[$0].isBackward }
    var paths: [String] = []
    for member in cluster.members {
      let path = graph[member].path
      if !path.isEmpty, !paths.contains(path) { paths.append(path) }
    }
    words.append(paths.first.map(identifier) ?? entryName)
    for op in computedOperators(cluster) where op != words.last && words.joined(separator: "_").count + op.count < 48 { words.append(op) }
    return words.joined(separator: "_") + (isBackward ? "_grad" : "")
  }

  /// The names of the operators that the kernel computes, in order: recomputed nodes too, views and scalars not.
  private func computedOperators(_ cluster: Cluster) -> [String] {
    var words: [String] = []
    var seen = Set<ValueID>()
    func visit(_ id: ValueID) {
      guard seen.insert(id).inserted, let op = graph[id].op else { return }
      for operand in graph[id].operands where fused.clusterOf[operand] == nil { visit(operand) }
      if fused.clusterOf[id] == nil {
        guard case .map(let body) = fused.lowerings[id]!, !graph[id].operands.isEmpty else { return }
        if case .element = body { return }
      }
      words.append(type(of: op).name)
    }
    for member in cluster.members { visit(member) }
    return words
  }

  func unique(_ base: String, _ names: inout Set<String>) -> String {
    var name = base
    var number = 1
    while !names.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    return name
  }

  private func comments(_ cluster: Cluster) -> [String] {
    cluster.members.prefix(12).map { id in
      let node = graph[id]
      let op = node.op!
      let path = node.path.isEmpty ? "" : "\(node.path): "
      return "\(path)\(node.isBackward ? "gradient, " : "")\(type(of: op).name) \(graph.type(id)): \(type(of: op).formula)"
    } + (cluster.members.count > 12 ? ["and \(cluster.members.count - 12) more"] : [])
  }

  // MARK: Buffers

  private func finish(_ program: inout Program) throws {
    var buffers: [StorageKey: Int] = [:]
    var lifetimes: [StorageKey: Lifetime] = [:]
    var order: [StorageKey] = []
    let outputs = Dictionary(
      graph.outputs.enumerated().map { (fused.storage(of: $0.element.value), $0.offset) }, uniquingKeysWith: { first, _ in first })
    for (position, lowered) in kernels.enumerated() {
      for (key, parameter) in zip(lowered.arguments, lowered.kernel.parameters) {
        if case .leaf = key { continue }
        if case .value(let id) = key, outputs[id] != nil { continue }
        let bytes = parameter.count * parameter.element.size
        if lifetimes[key] == nil { order.append(key) }
        lifetimes[key] = Lifetime(key: key, bytes: bytes, first: lifetimes[key]?.first ?? position, last: position)
      }
    }
    for loop in loops {
      for key in order where !loop.owns(key) { lifetimes[key]!.extend(over: loop.kernels) }
    }
    for check in checks {
      let key = StorageKey.value(check.value)
      if let last = lifetimes[key]?.last { lifetimes[key]!.last = max(last, check.after) }
    }
    let plan = MemoryPlan(order.map { lifetimes[$0]! })
    var names = Set(program.buffers.map(\.name))
    func buffer(_ key: StorageKey, _ parameter: BufferParameter) throws -> Int {
      if let known = buffers[key] { return known }
      var buffer = Buffer(name: parameter.name, element: parameter.element, count: parameter.count, block: .arena, offset: 0)
      if case .leaf(let leaf) = key, case .table(let tensor) = leaf.role {
        buffer.block = .constant(program.constant(tensor))
      } else if case .leaf(let leaf) = key {
        (buffer.block, buffer.offset) = try layout.place(leaf)
      } else if case .value(let id) = key, let output = outputs[id] {
        buffer.block = .output(output)
      } else {
        buffer.offset = plan.offsets[key]!
      }
      if buffer.block != .arena, let same = program.buffers.firstIndex(where: { $0.isSameMemory(as: buffer) }) {
        buffers[key] = same
        return same
      }
      buffer.name = unique(buffer.name, &names)
      program.buffers.append(buffer)
      buffers[key] = program.buffers.count - 1
      return program.buffers.count - 1
    }
    var calls: [Step] = []
    for lowered in kernels {
      let arguments = try zip(lowered.arguments, lowered.kernel.parameters).map { try buffer($0, $1) }
      calls.append(.call(kernel: program.kernels.count, buffers: arguments))
      program.kernels.append(lowered.kernel)
    }
    let steps = try loops.steps(calls) { position in
      try checks.filter { $0.after == position }.map { check in
        guard let index = buffers[.value(check.value)] else { throw Diagnostic.bug("a required value has no buffer") }
        return .requireFinite(buffer: index)
      }
    }
    program.entries.append(Entry(name: entryName, steps: steps, arenaBytes: plan.bytes))
  }
}

extension Program {
  /// The number of the constant with these elements; equal ones are one.
  fileprivate mutating func constant(_ tensor: HostTensor) -> Int {
    if let known = constants.firstIndex(where: { $0.element == tensor.element && $0.bytes == tensor.bytes }) { return known }
    constants.append(ConstantTable(name: "table\(constants.count + 1)", element: tensor.element, bytes: tensor.bytes))
    return constants.count - 1
  }
}

extension Buffer {
  /// Whether both are the same stretch of the same block, whatever their names.
  fileprivate func isSameMemory(as other: Buffer) -> Bool {
    block == other.block && offset == other.offset && count == other.count && element == other.element
  }
}
