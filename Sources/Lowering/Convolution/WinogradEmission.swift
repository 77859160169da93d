import Basics
import GraphIR
import LoopIR

/// Writes the kernel of a Winograd convolution.
struct WinogradEmission {
  private let planned: ConvolutionCluster
  private let sizes: WinogradSizes
  private var context: KernelContext
  private let image: String
  private let filter: String
  private let memory: (buffer: String, offset: Index)
  /// The part's group of panels.
  private let group: Index
  /// The block's first tile.
  private let first: String
  private let inputNames: String
  private let outputNames: String

  private typealias Transforms = WinogradTransforms

  init(_ planned: ConvolutionCluster, _ sizes: WinogradSizes) {
    self.planned = planned
    self.sizes = sizes
    context = planned.context
    image = context.buffer(of: planned.operands[0], .read)
    filter = context.buffer(of: planned.operands[1], .read)
    let parts = (sizes.maximumTiles + sizes.partTiles - 1) / sizes.partTiles * sizes.groups
    memory = context.scratch("transformed", sizes.element, count: sizes.memory, parts: parts, of: planned.id)
    group = sizes.groups == 1 ? .constant(0) : .remainder(.variable("part"), sizes.groups)
    first = context.loopVariable("block", Dimension(sizes.maximumTiles))
    inputNames = context.uniquePrefix("d", count: 256)
    outputNames = context.uniquePrefix("m", count: 256)
  }

  mutating func kernel() -> LoweredKernel {
    let total = Dimension(sizes.imageTiles * sizes.batch.coefficient, symbol: sizes.batch.symbol)
    var (lower, upper, parts) = (Index.constant(0), total.index, Index.constant(1))
    if sizes.maximumTiles > sizes.partTiles {
      (lower, upper, parts) = partition(total, chunk: sizes.partTiles)
      if sizes.groups > 1 { (lower, upper) = (turn(lower), turn(upper)) }
    }
    if sizes.groups > 1 { parts = parts * sizes.groups }
    let count = Index.minimum(.variable(first) + sizes.block, upper) - .variable(first)
    let body = transformInput(count) + multiply(count) + transformOutput(count)
    let blocks = Statement.loop(Loop(first, from: lower, to: upper, step: sizes.block, body))
    return context.kernel(named: planned.name, comments: planned.comments, parts: parts, body: [blocks])
  }

  /// The bounds of a part's tiles when neighbouring parts are groups of the same tiles.
  private func turn(_ bound: Index) -> Index { bound.substituting(["part": .divide(.variable("part"), sizes.groups)]) }

  // MARK: Tiles

  /// Where V[p] and M[p] begin.
  private func plane(_ p: Index) -> Index { memory.offset + p * sizes.plane }

  /// The image, the row and the column of tile `block + tile`, named once: they are quotients and remainders.
  private func locate(_ context: inout KernelContext, _ tile: String) -> (image: Index, row: Index, column: Index) {
    let number = Index.variable(first) + .variable(tile)
    func named(_ base: String, _ index: Index, _ bound: Int) -> Index {
      if bound == 1 { return .constant(0) }
      let name = context.unique(base)
      context.append(.define(name, .i32, .index(index.simplified(context.ranges), .i32)))
      return .indirect(.variable(name), bound: bound)
    }
    return (
      named("image", .divide(number, sizes.imageTiles), sizes.maximumBatch),
      named("tile_row", .remainder(.divide(number, sizes.grid[1]), sizes.grid[0]), sizes.grid[0]),
      named("tile_column", .remainder(number, sizes.grid[1]), sizes.grid[1])
    )
  }

  /// Runs `body` for vectors of channels. The last one may begin inside the one before, whose channels are then computed twice; where that
  /// must not be, or there are fewer channels than a vector has, it is a shorter one.
  private func overChannels(
    _ context: inout KernelContext, _ count: Int, mayOverlap: Bool, _ body: (inout KernelContext, Index, Int) -> [Statement]
  ) -> [Statement] {
    let whole = count / sizes.lanes * sizes.lanes
    var statements: [Statement] = []
    if whole > 0 {
      let channel = context.loopVariable("channel", Dimension(whole))
      statements.append(.loop(Loop(channel, to: .constant(whole), step: sizes.lanes, body(&context, .variable(channel), sizes.lanes))))
    }
    guard whole < count else { return statements }
    let overlaps = mayOverlap && whole > 0
    return statements + body(&context, .constant(overlaps ? count - sizes.lanes : whole), overlaps ? sizes.lanes : count - whole)
  }

  private func overLanes(_ context: inout KernelContext, _ width: Int, _ body: (inout KernelContext, Index) -> Void) -> Statement {
    let lane = context.loopVariable("lane", Dimension(width))
    return .loop(Loop(lane, to: .constant(width), kind: .lanes, context.nested { body(&$0, .variable(lane)) }))
  }

  // MARK: Input

  /// V = B^T d B for each tile: with zeros for what lies outside the image where a tile reaches over its edges.
  private mutating func transformInput(_ count: Index) -> [Statement] {
    let tile = context.loopVariable("tile", Dimension(sizes.block))
    let frame = self
    let body = context.nested { context in
      let place = frame.locate(&context, tile)
      let (row, column) = (
        place.row * Transforms.outputSide - frame.sizes.padding[0], place.column * Transforms.outputSide - frame.sizes.padding[1]
      )
      let inner = frame.innerTiles(row, column)
      let edge = inner.isAlways ? [] : context.nested { frame.edgeTile(&$0, tile, place.image, row, column) }
      guard inner.exist else { return edge.forEach { context.append($0) } }
      let whole = frame.overChannels(&context, frame.sizes.terms, mayOverlap: true) { context, channel, width in
        [
          frame.overLanes(&context, width) { context, lane in
            frame.store(&context, tile, channel + lane) { i, j in
              frame.load(place.image * frame.sizes.image[0] + row + i, column + j, channel + lane)
            }
          }
        ]
      }
      if inner.isAlways { return whole.forEach { context.append($0) } }
      context.append(.when(inner.condition, whole, otherwise: edge))
    }
    return [.comment("the input's tiles, transformed"), .loop(Loop(tile, to: count, body))]
  }

  /// Which tiles lie inside the image.
  private func innerTiles(_ row: Index, _ column: Index) -> (exist: Bool, isAlways: Bool, condition: Scalar) {
    var conditions: [Scalar] = []
    var exist = true
    for (axis, index) in [row, column].enumerated() {
      let (side, last) = (Transforms.inputSide, (sizes.grid[axis] - 1) * Transforms.outputSide - sizes.padding[axis])
      let end = sizes.image[axis] - side
      exist =
        exist
        && (0..<sizes.grid[axis]).contains { (0...max(0, end)).contains($0 * Transforms.outputSide - sizes.padding[axis]) && end >= 0 }
      if sizes.padding[axis] > 0 { conditions.append(.compare(.ge, .index(index, .i32), .integer(0, .i32))) }
      if last > end { conditions.append(.compare(.le, .index(index, .i32), .integer(end, .i32))) }
    }
    guard let condition = conditions.first else { return (exist, exist, .literal(.bool(true))) }
    return (exist, false, conditions.dropFirst().reduce(condition) { .binary(.and, $0, $1) })
  }

  private func load(_ row: Index, _ column: Index, _ channel: Index) -> Scalar {
    .load(image, (row * sizes.image[1] + column) * sizes.terms + channel)
  }

  /// A tile of which some rows or columns may lie outside: their places are moved to the edge, and what is read there counts as zero.
  private func edgeTile(_ context: inout KernelContext, _ tile: String, _ image: Index, _ row: Index, _ column: Index) {
    func places(_ axis: Int, _ start: Index, _ base: String) -> [(place: Index, isInside: Scalar?)] {
      (0..<Transforms.inputSide).map { i in
        let (size, index) = (sizes.image[axis], start + i)
        let range = index.range(context.ranges)
        var conditions: [Scalar] = []
        if range.lowerBound < 0 { conditions.append(.compare(.ge, .index(index, .i32), .integer(0, .i32))) }
        if range.upperBound >= size { conditions.append(.compare(.lt, .index(index, .i32), .integer(size, .i32))) }
        guard let condition = conditions.first else { return (index, nil) }
        let place = context.unique(base), isInside = context.unique("\(base)_is_inside")
        context.append(.define(place, .i32, .index(.maximum(.constant(0), .minimum(index, .constant(size - 1))), .i32)))
        context.append(.define(isInside, .bool, conditions.dropFirst().reduce(condition) { .binary(.and, $0, $1) }))
        return (.indirect(.variable(place), bound: size), .variable(isInside))
      }
    }
    let rows = places(0, row, "row"), columns = places(1, column, "column")
    let statements = overChannels(&context, sizes.terms, mayOverlap: true) { context, channel, width in
      [
        overLanes(&context, width) { context, lane in
          store(&context, tile, channel + lane) { i, j in
            let value = load(image * sizes.image[0] + rows[i].place, columns[j].place, channel + lane)
            let conditions = [rows[i].isInside, columns[j].isInside].compactMap { $0 }
            guard let condition = conditions.first else { return value }
            return .select(conditions.dropFirst().reduce(condition) { .binary(.and, $0, $1) }, value, .float(0, sizes.element))
          }
        }
      ]
    }
    statements.forEach { context.append($0) }
  }

  /// Transforms the 6x6 elements of one channel and stores them in the planes of V.
  private func store(_ context: inout KernelContext, _ tile: String, _ channel: Index, _ element: (Int, Int) -> Scalar) {
    var code = Transforms(sizes.element, prefix: inputNames)
    let side = 0..<Transforms.inputSide
    let d = side.map { i in side.map { j in code.named(element(i, j)) } }
    let v = code.both(d, Transforms.input)
    code.statements.forEach { context.append($0) }
    for (p, value) in v.joined().enumerated() {
      context.append(.store(memory.buffer, plane(.constant(p + 1)) + .variable(tile) * sizes.terms + channel, value))
    }
  }

  // MARK: Products

  /// M[p] = V[p] U[p]: the panel outermost, so that it is read from the first-level cache for all tiles but the first ones.
  private mutating func multiply(_ count: Index) -> [Statement] {
    let product = context.loopVariable("product", Dimension(Transforms.products))
    let panel = context.loopVariable("panel", Dimension(sizes.panels / sizes.groups))
    let tile = context.loopVariable("tile", Dimension(sizes.block))
    func tiles(_ height: Int, from lower: Index, to upper: Index) -> Statement {
      let body = registerTile(height, .variable(product), .variable(panel), .variable(tile))
      return .loop(Loop(tile, from: lower, to: upper, step: height, body))
    }
    let whole = Index.divide(count, sizes.height) * sizes.height
    var rows = [tiles(sizes.height, from: .constant(0), to: whole)]
    if sizes.batch.symbol != nil || sizes.maximumTiles % sizes.height != 0 { rows.append(tiles(1, from: whole, to: count)) }
    return [
      .comment("the products in the transformed domain"),
      .loop(
        Loop(
          product, to: .constant(Transforms.products), [.loop(Loop(panel, to: .constant(sizes.panels / sizes.groups), rows))])),
    ]
  }

  /// Sums of products of `height` tiles and a panel of columns. The first term is no addition: sums that begin with zeros are stored and
  /// loaded again by compilers before they come into registers.
  private mutating func registerTile(_ height: Int, _ product: Index, _ panel: Index, _ tile: Index) -> [Statement] {
    let (width, terms, element) = (sizes.width, sizes.terms, sizes.element)
    let lane = context.loopVariable("lane", Dimension(width)), row = context.loopVariable("r", Dimension(height))
    let term = context.loopVariable("t", Dimension(terms))
    let (l, r) = (Index.variable(lane), Index.variable(row))
    func nest(_ body: Statement) -> Statement {
      .loop(
        Loop(
          lane, to: .constant(width), kind: .lanes,
          [height == 1 ? body.substituting(indices: [row: .constant(0)]) : .loop(Loop(row, to: .constant(height), kind: .unrolled, [body]))]
        ))
    }
    let columns = (group * (sizes.panels / sizes.groups) + panel) * Transforms.products + product
    let v = plane(product + 1) + (tile + r) * terms, u = columns * (terms * width) + l
    let m = plane(product) + (tile + r) * sizes.groupColumns + panel * width + l
    let frame = self
    return context.nested { context in
      let sums = context.localArray("sum", element, count: height * width)
      let sum = Scalar.load(sums, r * width + l)
      context.append(nest(.store(sums, r * width + l, .load(frame.memory.buffer, v) * .load(frame.filter, u))))
      if terms > 1 {
        let next = Scalar.fma(.load(frame.memory.buffer, v + .variable(term)), .load(frame.filter, u + Index.variable(term) * width), sum)
        context.append(.loop(Loop(term, from: .constant(1), to: .constant(terms), [nest(.store(sums, r * width + l, next))])))
      }
      context.append(nest(.store(frame.memory.buffer, m, sum)))
    }
  }

  // MARK: Output

  /// y = A^T M A for each tile and the members over it; where a tile reaches over the result's edges, only what exists is written.
  private mutating func transformOutput(_ count: Index) -> [Statement] {
    let tile = context.loopVariable("tile", Dimension(sizes.block))
    let frame = self
    let body = context.nested { context in
      let place = frame.locate(&context, tile)
      let side = Transforms.outputSide
      let (row, column) = (place.row * side, place.column * side)
      let columns = min(frame.sizes.columns, frame.sizes.groupColumns)
      // What is added to a gradient must not be added twice.
      let mayOverlap = !frame.planned.cluster.members.contains { context.stores[$0]?.contains { $0.accumulates } ?? false }
      let ends = [row, column].enumerated().filter { frame.sizes.result[$0.offset] % side != 0 }.map {
        Scalar.compare(.le, .index($0.element, .i32), .integer(frame.sizes.result[$0.offset] - side, .i32))
      }
      let whole = frame.overChannels(&context, columns, mayOverlap: mayOverlap) { context, channel, width in
        [
          frame.overLanes(&context, width) { context, lane in
            let y = frame.outputs(&context, tile, channel + lane)
            for i in 0..<side {
              for j in 0..<side { frame.define(&context, [place.image, row + i, column + j], channel + lane, y[i][j]) }
            }
          }
        ]
      }
      guard let end = ends.first else { return whole.forEach { context.append($0) } }
      let edge = frame.overChannels(&context, columns, mayOverlap: mayOverlap) { context, channel, width in
        context.nested { frame.edgeOutputs(&$0, tile, place, channel, width) }
      }
      guard frame.sizes.result.allSatisfy({ $0 >= side }) else { return edge.forEach { context.append($0) } }
      context.append(.when(ends.dropFirst().reduce(end) { .binary(.and, $0, $1) }, whole, otherwise: edge))
    }
    return [.comment("the result's tiles"), .loop(Loop(tile, to: count, body))]
  }

  /// The 4x4 outputs of a tile at one channel.
  private func outputs(_ context: inout KernelContext, _ tile: String, _ channel: Index) -> [[Scalar]] {
    var code = Transforms(sizes.element, prefix: outputNames)
    let side = Transforms.inputSide
    let m = (0..<side).map { i in
      (0..<side).map { j in
        code.named(.load(memory.buffer, plane(.constant(side * i + j)) + .variable(tile) * sizes.groupColumns + channel))
      }
    }
    let y = code.both(m, Transforms.output)
    code.statements.forEach { context.append($0) }
    return y
  }

  private func edgeOutputs(
    _ context: inout KernelContext, _ tile: String, _ place: (image: Index, row: Index, column: Index), _ channel: Index, _ width: Int
  ) {
    let side = Transforms.outputSide
    let outputs = context.localArray("outputs", sizes.element, count: side * side * width)
    context.append(
      overLanes(&context, width) { context, lane in
        let y = self.outputs(&context, tile, channel + lane)
        for (p, value) in y.joined().enumerated() { context.append(.store(outputs, lane + p * width, value)) }
      })
    let i = context.loopVariable("i", Dimension(side)), j = context.loopVariable("j", Dimension(side))
    let (row, column) = (place.row * side, place.column * side)
    let body = overLanes(&context, width) { context, lane in
      let value = Scalar.load(outputs, Index.variable(i) * (side * width) + Index.variable(j) * width + lane)
      define(&context, [place.image, row + .variable(i), column + .variable(j)], channel + lane, value)
    }
    func end(_ start: Index, _ size: Int) -> Index { .minimum(.constant(side), start * -1 + size) }
    context.append(
      .loop(Loop(i, to: end(row, sizes.result[0]), [.loop(Loop(j, to: end(column, sizes.result[1]), [body]))])))
  }

  private func define(_ context: inout KernelContext, _ pixel: [Index], _ column: Index, _ value: Scalar) {
    let place = pixel + [group * sizes.groupColumns + column]
    let core = zip(context.graph.type(planned.id).shape, place).filter { $0.0 != 1 }.map(\.1)
    context.define(planned.cluster, at: core, as: value)
  }
}
