import Basics
import GraphIR
import LoopIR

/// What a kernel's buffer stands for, before memory is planned.
enum StorageKey: Hashable {
  case leaf(Leaf)
  case value(ValueID)
  /// Partial results of a reduction cut into parts.
  case partial(cluster: Int)
  /// A new value of a leaf that waits for the end of the entry.
  case staged(Leaf)
  /// Result `index` of a tuple-valued node.
  case tuple(ValueID, Int)
  /// Working memory of the kernels of one node, with its name in them.
  case scratch(ValueID, String)
  /// What belongs to the body of a loop, by the loop's node.
  indirect case inner(ValueID, StorageKey)
}

/// A kernel with what its parameters stand for.
struct LoweredKernel {
  var kernel: Kernel
  var arguments: [StorageKey]
}

/// Where a computed value goes, beside its own buffer.
struct LeafStore: Hashable {
  var key: StorageKey
  var accumulates: Bool
  /// Where the value is one slice of what lies there.
  var slice: SlicePlace?
}

/// A slice of a tensor: position `index` of axis `axis`.
struct SlicePlace: Hashable {
  var type: TensorType
  var axis: Int
  var index: Index
}

/// The state of emitting one kernel: names, parameters, statements, and which values are at hand.
struct KernelContext {
  let fused: FusedGraph
  let members: Set<ValueID>
  let stores: [ValueID: [LeafStore]]
  var ranges: [String: ClosedRange<Int>]
  private(set) var parameters: [BufferParameter] = []
  private(set) var arguments: [StorageKey] = []
  private var names: Set<String>
  private var blocks: [[Statement]] = [[]]
  private var memos: [[Key: Scalar]] = [[:]]
  private var guards = 0
  /// Whether leaves are stored to only when all members are computed: a member may read the old value that another replaces.
  var defersLeafStores = false
  private var deferredStores: [Statement] = []
  /// Values of the cluster that are kept in a buffer or local array while the kernel runs.
  private var arrays: [ValueID: (buffer: String, isLocal: Bool, prefixCount: Int)] = [:]

  private struct Key: Hashable {
    var value: ValueID
    var position: [Index]
  }

  init(fused: FusedGraph, members: [ValueID], stores: [ValueID: [LeafStore]]) {
    self.fused = fused
    self.members = Set(members)
    self.stores = stores
    ranges = ["part": 0...Int(Int32.max)]
    for symbol in fused.graph.symbols { ranges[symbol.name] = 1...symbol.maximum }
    names = Set(fused.graph.symbols.map(\.name)).union(["part", "parts"])
  }

  var graph: Graph { fused.graph }

  // MARK: Names and parameters

  /// A name not used in the kernel before.
  mutating func unique(_ base: String) -> String {
    var name = base
    var number = 1
    while !names.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    return name
  }

  /// A beginning of names that, with a number below `count` behind it, are used nowhere else in the kernel.
  mutating func uniquePrefix(_ base: String, count: Int) -> String {
    var prefix = base
    while (0..<count).contains(where: { names.contains("\(prefix)\($0)") }) { prefix += "_" }
    names.formUnion((0..<count).map { "\(prefix)\($0)" })
    return prefix
  }

  /// A loop variable over 0 ..< size.
  mutating func loopVariable(_ base: String, _ size: Dimension) -> String {
    let name = unique(base)
    setRange(name, size)
    return name
  }

  /// A loop variable for each size; after the last name come that name's numbers.
  mutating func loopVariables(_ names: [String], _ sizes: [Dimension]) -> [(name: String, size: Dimension)] {
    sizes.enumerated().map { (loopVariable(names[min($0.offset, names.count - 1)], $0.element), $0.element) }
  }

  mutating func setRange(_ name: String, _ size: Dimension) { ranges[name] = 0...max(0, maximum(size) - 1) }

  /// The size with symbols at their maxima.
  func maximum(_ size: Dimension) -> Int { TensorType(.u8, [size]).maximumCount(graph.symbols) }

  /// The parameter for a storage, added when it is new.
  mutating func buffer(_ key: StorageKey, _ type: TensorType, _ access: Access, named base: String) -> String {
    if let index = arguments.firstIndex(of: key) {
      if parameters[index].access != access { parameters[index].access = .update }
      return parameters[index].name
    }
    let name = unique(base)
    arguments.append(key)
    parameters.append(BufferParameter(name: name, element: type.element, count: type.maximumCount(graph.symbols), access: access))
    return name
  }

  /// The parameter that holds a computed value or leaf.
  mutating func buffer(of id: ValueID, _ access: Access) -> String {
    let origin = fused.storage(of: id)
    let key = fused.key(of: origin)
    let name: String
    switch key {
    case .leaf(let leaf): name = bufferName(leaf)
    case .tuple(let tuple, let index): name = "\(valueName(tuple))_\(index)"
    default: name = valueName(origin)
    }
    return buffer(key, graph.type(origin), access, named: name)
  }

  /// A name for a value from its layer and operator: `dense1_relu`.
  func valueName(_ id: ValueID) -> String {
    let node = graph[id]
    if let leaf = node.leaf { return identifier(leaf.name) }
    let op = node.op.map { type(of: $0).name } ?? "value"
    let layer = node.path.split(separator: ".").last.map { "\($0)_" } ?? ""
    return identifier((node.isBackward ? "d_" : "") + layer + op)
  }

  // MARK: Blocks

  mutating func append(_ statement: Statement) { blocks[blocks.count - 1].append(statement) }

  /// Collects the statements of `body` as a nested block: what is defined inside is not seen outside.
  mutating func nested(_ body: (inout KernelContext) -> Void) -> [Statement] {
    blocks.append([])
    memos.append(memos.last!)
    body(&self)
    memos.removeLast()
    return blocks.removeLast()
  }

  /// The statements collected so far at this level, taken away, with the stores that waited for them.
  mutating func take() -> [Statement] {
    deferredStores.forEach { append($0) }
    deferredStores = []
    defer { blocks[blocks.count - 1] = [] }
    return blocks[blocks.count - 1]
  }

  // MARK: Values

  /// Makes a value of the cluster known at a position.
  mutating func bind(_ id: ValueID, at position: [Index], to scalar: Scalar) {
    memos[memos.count - 1][Key(value: id, position: position)] = scalar
  }

  /// From here on, elements of the value are read from a buffer, or from a local array that lacks the common loops' axes.
  mutating func keep(_ id: ValueID, in buffer: String, isLocal: Bool, prefixCount: Int) { arrays[id] = (buffer, isLocal, prefixCount) }

  /// The element of a value at a position of its own axes.
  mutating func value(_ id: ValueID, at position: [Index]) -> Scalar {
    // Nothing reads an element of an empty tensor, but expressions that never are evaluated there may name one.
    if graph.type(id).isEmpty { return .constant(0, graph.type(id).element) }
    // An axis of size 1 has one position; an operator that guards its reads may name others there.
    let position = zip(position, graph.type(id).shape).map { $1 == 1 ? .constant(0) : $0.simplified(ranges) }
    let key = Key(value: id, position: position)
    if let known = memos.last![key] { return known }
    if let array = arrays[id] { return remember(key, .load(array.buffer, arrayOffset(id, array, position))) }
    let node = graph[id]
    if node.leaf != nil || (fused.clusterOf[id] != nil && !members.contains(id)) || node.op is Element {
      return remember(key, .load(buffer(of: id, .read), offset(graph.type(id), position)))
    }
    if node.op is Reshape {
      return reshaped(node.operands[0], from: graph.type(id), position)
    }
    guard case .map(let body) = fused.lowerings[id]! else { fatalError("value \(id) is not at hand") }
    let scalar = substitute(body, node.operands, position: position, reduced: [:])
    if case .literal = scalar { return scalar }
    if case .element = body { return scalar }
    return remember(key, scalar)
  }

  /// An operator's expression at a position, operands' elements put in.
  mutating func substitute(_ body: Scalar, _ operands: [ValueID], position: [Index], reduced: [String: Index]) -> Scalar {
    var variables = reduced
    for (axis, index) in position.enumerated() { variables["i\(axis)"] = index }
    return put(body, operands, variables)
  }

  private mutating func put(_ scalar: Scalar, _ operands: [ValueID], _ variables: [String: Index]) -> Scalar {
    switch scalar {
    case .element(let k, let indices): return value(operands[k], at: indices.map { put($0, operands, variables) })
    case .index(let index, let element): return .index(put(index, operands, variables).simplified(ranges), element)
    case .load: return scalar
    case .select(let condition, let a, let b):
      let chosen = put(condition, operands, variables)
      // In the part of a loop where a guard cannot hold, what it guards does not exist.
      if case .literal(.bool(let holds)) = chosen.simplified(ranges) { return put(holds ? a : b, operands, variables) }
      let guarded = mayReadOutside(a, condition, operands) || mayReadOutside(b, condition, operands)
      if guarded { guards += 1 }
      defer { if guarded { guards -= 1 } }
      return .select(chosen, put(a, operands, variables), put(b, operands, variables))
    default: return scalar.mapChildren { put($0, operands, variables) }
    }
  }

  private mutating func put(_ index: Index, _ operands: [ValueID], _ variables: [String: Index]) -> Index {
    index.substituting(variables).mapScalars { put($0, operands, [:]) }
  }

  /// Whether a branch reads an element that may not exist where the condition is false: one elsewhere than at the result's own position, or
  /// of a shape that the condition does not read there too (`i` itself is outside an operand that is smaller than the result).
  private func mayReadOutside(_ branch: Scalar, _ condition: Scalar, _ operands: [ValueID]) -> Bool {
    func isOwnPosition(_ indices: [Index]) -> Bool {
      indices.enumerated().allSatisfy { $0.element == .variable("i\($0.offset)") || $0.element == .constant(0) }
    }
    var existing = Set<Shape>()
    condition.forEachElement { k, indices in if isOwnPosition(indices) { existing.insert(graph.type(operands[k]).shape) } }
    var answer = false
    branch.forEachElement { k, indices in
      if !isOwnPosition(indices) || !existing.contains(graph.type(operands[k]).shape) { answer = true }
    }
    return answer
  }

  /// An element of `operand` at a position of a reshaped form of it.
  private mutating func reshaped(_ operand: ValueID, from type: TensorType, _ position: [Index]) -> Scalar {
    let source = graph.type(operand)
    if type.shape.filter({ $0 != 1 }) == source.shape.filter({ $0 != 1 }) {
      return value(operand, at: carriedPosition(position, from: type.shape, to: source.shape))
    }
    let flat = offset(type, position)
    if graph[operand].leaf != nil || (fused.clusterOf[operand] != nil && !members.contains(operand)) {
      return .load(buffer(of: operand, .read), flat)
    }
    let indices = zip(source.strides, source.shape.indices).map { stride, axis -> Index in
      let quotient = stride == 1 ? flat : Index.divide(flat, stride)
      return axis == 0 ? quotient : .remainder(quotient, max(1, source.shape[axis].coefficient))
    }
    return value(operand, at: indices)
  }

  /// The row-major position with variables in a canonical order.
  func offset(_ type: TensorType, _ position: [Index]) -> Index {
    let strides = type.strides
    var offset = Index.constant(0)
    for axis in position.indices where type.shape[axis] != 1 { offset = offset + position[axis] * strides[axis] }
    return offset.simplified(ranges)
  }

  private func arrayOffset(_ id: ValueID, _ array: (buffer: String, isLocal: Bool, prefixCount: Int), _ position: [Index]) -> Index {
    let type = graph.type(id)
    guard array.isLocal else { return offset(type, position) }
    return localOffset(type, position, dropping: array.prefixCount)
  }

  /// The position in a local array that has only the axes below the common loops.
  func localOffset(_ type: TensorType, _ position: [Index], dropping prefixCount: Int) -> Index {
    let strides = type.strides
    let axes = position.indices.filter { type.shape[$0] != 1 }.dropFirst(prefixCount)
    return axes.reduce(Index.constant(0)) { $0 + position[$1] * strides[$1] }.simplified(ranges)
  }

  /// A name for one element of a value: the operator's, or the last part of a leaf's.
  private func elementName(_ id: ValueID) -> String {
    let node = graph[id]
    if let leaf = node.leaf { return identifier(leaf.name.split(separator: ".").last.map(String.init) ?? leaf.name) + "_element" }
    return identifier((node.isBackward ? "d_" : "") + (node.op.map { type(of: $0).name } ?? "value"))
  }

  /// Names a scalar, unless it must not be computed before its guard.
  private mutating func remember(_ key: Key, _ scalar: Scalar) -> Scalar {
    guard guards == 0 else { return scalar }
    let name = unique(elementName(key.value))
    append(.define(name, graph.type(key.value).element, scalar))
    let variable = Scalar.variable(name)
    memos[memos.count - 1][key] = variable
    return variable
  }

  /// Defines a member's value at a position and stores it where it is wanted.
  mutating func define(_ id: ValueID, at position: [Index], as scalar: Scalar) {
    let position = position.map { $0.simplified(ranges) }
    if fused.materialized.contains(id) { _ = buffer(of: id, .write) }
    let variable = remember(Key(value: id, position: position), scalar)
    store(id, at: position, variable)
  }

  /// Stores a member's element to its buffer, when another kernel reads it, and to the leaves that it updates.
  mutating func store(_ id: ValueID, at position: [Index], _ scalar: Scalar) {
    let offset = offset(graph.type(id), position)
    if fused.materialized.contains(id) { append(.store(buffer(of: id, .write), offset, scalar)) }
    for store in stores[id] ?? [] { storeOnly(id, at: position, scalar, store) }
  }

  /// Stores a member's element to one leaf.
  mutating func storeOnly(_ id: ValueID, at position: [Index], _ scalar: Scalar, _ store: LeafStore) {
    var (type, position) = (graph.type(id), position)
    if let slice = store.slice {
      type = slice.type
      position.insert(slice.index, at: slice.axis)
    }
    let offset = offset(type, position)
    let base: String
    switch store.key {
    case .leaf(let leaf), .staged(let leaf): base = bufferName(leaf)
    default: base = "result"
    }
    let name = buffer(store.key, type, store.accumulates ? .update : .write, named: base)
    let statement = Statement.store(name, offset, store.accumulates ? accumulated(scalar, name, offset) : scalar)
    if defersLeafStores { deferredStores.append(statement) } else { append(statement) }
  }

  /// The scalar, added to what is there unless this is the first pass since the last update.
  private mutating func accumulated(_ scalar: Scalar, _ name: String, _ offset: Index) -> Scalar {
    let micro = buffer(.leaf(microLeaf), TensorType(.i64, []), .read, named: "micro")
    return .select(.compare(.eq, .load(micro, .constant(0)), .integer(0, .i64)), scalar, .load(name, offset) + scalar)
  }

  /// The finished kernel, with the symbols that it reads.
  func kernel(named name: String, comments: [String], parts: Index, body: [Statement]) -> LoweredKernel {
    let body = Statement.simplified(Statement.split(body), ranges)
    var used = parts.variables
    body.forEach { $0.forEachIndex(withBounds: true) { used.formUnion($0.variables) } }
    let symbols = graph.symbols.filter { used.contains($0.name) }
    return LoweredKernel(
      kernel: Kernel(
        name: name, comments: comments, parameters: parameters, symbols: symbols.map(\.name), counters: symbols.filter(\.isCounter),
        parts: parts, body: body),
      arguments: arguments)
  }

  /// A local array for a member's elements below the common loops.
  mutating func localArray(_ base: String, _ element: ElementType, count: Int) -> String {
    let name = unique(base)
    append(.array(name, element, count: count))
    return name
  }
}

/// The number of backward passes since the last update.
let microLeaf = Leaf("micro", .control(Controls.micro))

/// A leaf's name as a buffer: the gradient of `dense1.bias` is `d_dense1_bias`.
private func bufferName(_ leaf: Leaf) -> String { (leaf.role == .gradient ? "d_" : "") + identifier(leaf.name) }

/// Letters, digits and underscores, not beginning with a digit.
func identifier(_ text: String) -> String {
  let plain = String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
  return plain.first.map { $0.isNumber } ?? true ? "v\(plain)" : plain
}
