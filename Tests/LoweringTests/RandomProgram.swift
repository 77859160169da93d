import Basics
import Differentiation
import GraphIR
import LoopIR
import Operators

@testable import TestSupport

/// A graph grown from a seed over inputs with a batch axis and parameters without: any ranks and sizes (1 and odd ones among them), views,
/// broadcasts, reductions over any axes, products in all forms, rows by number; values are used several times. Outputs are a few of the
/// values and the gradients of a scalar made of them.
struct RandomProgram {
  static let maximumRows = 4
  private(set) var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: maximumRows)])
  private(set) var leaves: [(leaf: Leaf, type: TensorType)] = []
  private var random: SplitMix
  private var values: [ValueID] = []
  private var indices: [ValueID] = []
  private static let sizes = [1, 1, 2, 3, 5, 4, 2, 3, 7, 17, 33]

  init(seed: UInt64, steps: Int) throws {
    random = SplitMix(state: seed &* 7919 &+ 1)
    let width = size(), depth = size()
    for (k, shape) in [[.batch, width], [.batch, size(), depth], [.batch, 1, width]].enumerated() {
      addLeaf(Leaf("x\(k)", .input(k)), TensorType(.f64, shape))
    }
    for (k, shape) in [[width], [width, depth], [size(), width], [1], []].enumerated() {
      addLeaf(Leaf("w\(k)", .parameter), TensorType(.f64, shape))
    }
    addLeaf(Leaf("rows", .input(3)), TensorType(.i32, [.batch]))
    for step in 0..<steps {
      builder.path = "layer\(step / 4)"
      var next = self
      let value = try next.grow()
      random = next.random
      // Sizes stay small, the batch outermost.
      let type = next.builder.type(value)
      guard type.maximumCount(builder.graph.symbols) <= 700, type.shape.dropFirst().allSatisfy({ $0.symbol == nil }) else { continue }
      self = next
      values.append(value)
    }
    builder.path = "loss"
    try finish()
  }

  private mutating func finish() throws {
    var loss = try builder.constant(0.5, .f64)
    var chosen = [values.last!]
    for _ in 0..<2 { chosen.append(values[random.below(values.count)]) }
    for (k, value) in chosen.enumerated() {
      loss = try builder.add(loss, builder.mean(builder.tanh(value)))
      if k < 2 || random.below(2) == 0 { builder.output("y\(k)", value) }
    }
    builder.output("loss", loss)
    let wanted = leaves.indices.filter { leaves[$0].type.element == .f64 }.map { ValueID($0) }
    for (k, gradient) in try builder.gradients(of: loss, withRespectTo: wanted).enumerated() {
      if let gradient { builder.output("d_\(leaves[k].leaf.name)", gradient) }
    }
  }

  private mutating func addLeaf(_ leaf: Leaf, _ type: TensorType) {
    let id = builder.leaf(leaf, type)
    leaves.append((leaf, type))
    if type.element == .f64 { values.append(id) } else { indices.append(id) }
  }

  private mutating func size() -> Dimension { Dimension(Self.sizes[random.below(Self.sizes.count)]) }

  private mutating func pick(_ condition: (TensorType) -> Bool = { _ in true }) -> ValueID? {
    let fitting = values.filter { condition(builder.type($0)) }
    guard !fitting.isEmpty else { return nil }
    return random.below(2) == 0 ? fitting.last! : fitting[random.below(fitting.count)]
  }

  private func constantAxes(_ type: TensorType, above least: Int = 0) -> [Int] {
    type.shape.indices.filter { type.shape[$0].constant ?? 0 > least }
  }

  private mutating func grow() throws -> ValueID {
    let x = pick()!
    switch random.below(16) {
    case 0...2: return try unary(x)
    case 3...5: return try binary(x)
    case 6: return try reshaped(x)
    case 7: return try transposed(x)
    case 8: return try cut(x)
    case 9: return try widened(x)
    case 10, 11: return try reduced(x)
    case 12, 13: return try product(x)
    case 14: return try normalized(x)
    default: return try chosen(x)
    }
  }

  private mutating func unary(_ x: ValueID) throws -> ValueID {
    switch random.below(10) {
    case 0: try builder.tanh(x)
    case 1: try builder.sigmoid(x)
    case 2: try builder.relu(x)
    case 3: try builder.softplus(x)
    case 4: try builder.gelu(x)
    case 5: try builder.exp(builder.clip(x, low: -2, high: 1.5))
    case 6: try builder.sqrt(builder.add(builder.square(x), 0.5))
    case 7: try builder.multiply(x, -0.75)
    case 8: try builder.subtract(1, builder.silu(x))
    default: try builder.multiply(x, x)
    }
  }

  private mutating func binary(_ x: ValueID) throws -> ValueID {
    let shape = builder.type(x).shape
    let y = pick { type in (try? broadcastShape(type.shape, shape)) != nil } ?? x
    switch random.below(6) {
    case 0, 1: return try builder.add(x, y)
    case 2: return try builder.subtract(y, x)
    case 3: return try builder.multiply(builder.tanh(x), y)
    case 4: return try builder.divide(x, builder.add(builder.square(y), 1))
    default: return try builder.select(builder.greater(builder.sin(x), 0.1), builder.multiply(y, 0.5), builder.add(x, y))
    }
  }

  /// Axes split, merged, or of size 1 put in and taken out.
  private mutating func reshaped(_ x: ValueID) throws -> ValueID {
    var shape = builder.type(x).shape
    switch random.below(4) {
    case 0: shape.insert(1, at: random.below(shape.count + 1))
    case 1: shape.removeAll { $0 == 1 }
    case 2 where shape.count > 1:
      let axis = random.below(shape.count - 1)
      if let merged = Dimension.product(shape[axis...(axis + 1)]) { shape.replaceSubrange(axis...(axis + 1), with: [merged]) }
    default:
      for axis in constantAxes(builder.type(x), above: 1).reversed() {
        guard let factor = [2, 3, 5].first(where: { shape[axis].coefficient % $0 == 0 && shape[axis].coefficient > $0 }) else { continue }
        shape.replaceSubrange(axis...axis, with: [Dimension(shape[axis].coefficient / factor), Dimension(factor)])
        break
      }
    }
    // The batch stays outermost.
    if let batch = shape.firstIndex(where: { $0.symbol != nil }), batch > 0 { return x }
    return shape.count > 4 ? x : try builder.reshape(x, shape)
  }

  private mutating func transposed(_ x: ValueID) throws -> ValueID {
    let type = builder.type(x)
    let first = type.shape.first?.symbol != nil ? 1 : 0
    var permutation = Array(0..<type.rank)
    guard type.rank - first >= 2 else { return x }
    for axis in stride(from: type.rank - 1, to: first, by: -1) { permutation.swapAt(axis, first + random.below(axis - first + 1)) }
    return try builder.transpose(x, permutation)
  }

  private mutating func cut(_ x: ValueID) throws -> ValueID {
    let type = builder.type(x)
    guard let axis = constantAxes(type, above: 1).randomElement(&random) else { return x }
    let size = type.shape[axis].coefficient
    let start = random.below(size)
    return try builder.slice(x, axis: axis, from: start, to: start + 1 + random.below(size - start), step: 1 + random.below(2))
  }

  private mutating func widened(_ x: ValueID) throws -> ValueID {
    let type = builder.type(x)
    guard let axis = constantAxes(type).randomElement(&random) else { return x }
    if random.below(2) == 0 {
      var (before, after) = (Array(repeating: 0, count: type.rank), Array(repeating: 0, count: type.rank))
      (before[axis], after[axis]) = (random.below(3), random.below(3))
      return try builder.pad(x, before: before, after: after, value: 0.25)
    }
    let others = values.filter { other in
      let shape = builder.type(other).shape
      return shape.count == type.rank && shape.indices.allSatisfy { $0 == axis ? shape[$0].constant != nil : shape[$0] == type.shape[$0] }
    }
    return try builder.concat([x, others.randomElement(&random) ?? x] + (random.below(3) == 0 ? [x] : []), axis: axis)
  }

  private mutating func reduced(_ x: ValueID) throws -> ValueID {
    let rank = builder.type(x).rank
    guard rank > 0 else { return try unary(x) }
    var axes = (0..<rank).filter { _ in random.below(2) == 0 }
    if axes.isEmpty { axes = [random.below(rank)] }
    // Over the batch only as a whole axis before constant ones.
    let keeps = random.below(2) == 0
    switch random.below(5) {
    case 0: return try builder.sum(builder.multiply(x, 0.25), axes: axes, keepDims: keeps)
    case 1, 2: return try builder.mean(x, axes: axes, keepDims: keeps)
    case 3: return try builder.max(x, axes: axes, keepDims: keeps)
    default: return try builder.min(x, axes: axes, keepDims: keeps)
    }
  }

  /// A product with whatever fits, from either side and transposed where that fits.
  private mutating func product(_ x: ValueID) throws -> ValueID {
    let left = builder.type(x).rank >= 2 ? x : (pick { $0.rank >= 2 } ?? x)
    var options: [(ValueID, Bool, Bool)] = []
    for right in values {
      for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
        if (try? MatMul(transposeA: ta, transposeB: tb).resultTypes([builder.type(left), builder.type(right)])) != nil {
          let shape = try MatMul(transposeA: ta, transposeB: tb).resultTypes([builder.type(left), builder.type(right)])[0].shape
          if shape.dropFirst().allSatisfy({ $0.symbol == nil }) { options.append((right, ta, tb)) }
        }
      }
    }
    guard let (right, ta, tb) = options.randomElement(&random) else { return try binary(x) }
    return try builder.multiply(builder.matmul(left, right, transposeA: ta, transposeB: tb), 0.3)
  }

  private mutating func normalized(_ x: ValueID) throws -> ValueID {
    let axes = constantAxes(builder.type(x), above: 1)
    guard let axis = axes.randomElement(&random) else { return try unary(x) }
    switch random.below(4) {
    case 0: return try builder.softmax(x, axis: axis)
    case 1: return try builder.logSoftmax(x, axis: axis)
    case 2: return try builder.normalize(x, axes: [axis], epsilon: 0.1)
    default: return try builder.normalize(x, axes: Array(0..<builder.type(x).rank), epsilon: 0.1)
    }
  }

  /// Rows by number, or a column a row.
  private mutating func chosen(_ x: ValueID) throws -> ValueID {
    let type = builder.type(x)
    if type.rank == 2, type.shape[0] == .batch, random.below(2) == 0 {
      return try builder.reshape(builder.pick(x, indices[0]), [.batch, 1])
    }
    guard let table = pick({ $0.rank >= 1 && $0.shape.allSatisfy { $0.symbol == nil } }) else { return x }
    return try builder.gather(table, indices[0])
  }
}

extension Array {
  fileprivate func randomElement(_ random: inout SplitMix) -> Element? { isEmpty ? nil : self[random.below(count)] }
}
