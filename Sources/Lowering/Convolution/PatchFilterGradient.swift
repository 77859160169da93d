import Basics
import GraphIR
import LoopIR

/// The filter's gradient as products of transposed patches with dy. Works for every convolution.
///
/// Where the sums of all taps are small, each part takes pixels of its own and has sums of its own, which are added in order when the result
/// is brought into the user's order; where they are large, each part takes some channels of a tap and all pixels.
struct PatchFilterGradient: ConvolutionMethod {
  let name = "patches_filter"

  func cost(of shape: ConvolutionShape) -> Double? {
    guard shape.direction == .filterGradient else { return nil }
    return shape.operations * 1.2
  }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), operands)
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    let products = FilterProducts(planned)
    let first = products.kernel(named: planned.name + "_parts")
    let sums = FilterSums(planned: planned, parts: products.partials, count: products.partialCount)
    return [first, sums.kernel(named: planned.name)]
  }
}

/// The first kernel: sums[part, t, c, o] of products of patches and dy.
private struct FilterProducts {
  let planned: ConvolutionCluster
  let patches: Patches
  let shape: ConvolutionShape
  let columns: ColumnPanels
  let total: Dimension
  /// Pixels that are worked on together.
  let block: Int
  /// Whether each part takes channels of one tap, and how many.
  let isCutByTaps: Bool
  let sliceChannels: Int
  /// Pixels in a part, otherwise.
  let chunk: Int
  let most: Int

  /// Bytes of gathered rows, about.
  private static let patchBytes = 1 << 18
  private static let (leastPixels, mostPixels) = (32, 256)
  private static let partOperations = 1 << 21
  /// Parts with sums of their own, at most, and bytes of all those sums.
  private static let mostParts = 8
  private static let sumBytes = 1 << 23
  private static let productSumBytes = 1 << 19
  /// Channels of a tap in a part, at most.
  private static let mostChannels = 256

  init(_ planned: ConvolutionCluster) {
    self.planned = planned
    shape = planned.shape
    patches = Patches.phases(shape)[0]
    columns = ColumnPanels(columns: shape.outputs / shape.groups, element: shape.element)
    total = Dimension(patches.pixels * shape.batch.coefficient, symbol: shape.batch.symbol)
    most = planned.context.maximum(total)
    let size = shape.element.size
    let sums = patches.width * shape.outputs
    let wanted = max(1, min(Self.mostParts, Int(shape.operations) / Self.partOperations))
    let accumulators = min(wanted, max(1, Self.sumBytes / (sums * size)))
    sliceChannels = Self.sliceChannels(patches.groupChannels)
    // Sums of a product of matrices beyond the second-level cache's share: slices of them, each with all rows, move fewer bytes.
    let isLargeProduct = shape.imagePixels == 1 && sums * size > Self.productSumBytes && patches.groupChannels / sliceChannels >= 4
    isCutByTaps = shape.groups == 1 && (accumulators < min(4, wanted) || isLargeProduct)
    let width = isCutByTaps ? sliceChannels : patches.width
    let pixels = max(Self.leastPixels, min(Self.mostPixels, Self.patchBytes / (width * size)))
    block = max(1, min(pixels, most))
    chunk = ((most + accumulators - 1) / accumulators + block - 1) / block * block
  }

  /// Equal slices of the channels, as large as may be.
  private static func sliceChannels(_ channels: Int) -> Int {
    (1...64).first { channels % $0 == 0 && channels / $0 <= mostChannels }.map { channels / $0 } ?? channels
  }

  /// Sets of sums, and at most.
  var partials: Index {
    guard !isCutByTaps, most > chunk else { return .constant(1) }
    return partition(total, chunk: chunk).parts
  }
  var partialCount: Int { isCutByTaps ? 1 : max(1, (most + chunk - 1) / chunk) }

  /// Slices of the rows of patches, where parts are cut by them.
  private var slices: Int { isCutByTaps ? shape.taps * (patches.groupChannels / sliceChannels) : 1 }
  private var width: Int { isCutByTaps ? sliceChannels : patches.width }

  func kernel(named name: String) -> LoweredKernel {
    var context = planned.context
    let element = shape.element
    let count = patches.width * shape.outputs
    let sums = context.buffer(
      .partial(cluster: planned.index), TensorType(element, [Dimension(partialCount * count)]), .write, named: "sums")
    let own: Index =
      isCutByTaps ? .variable("part") * (width * shape.outputs) : partialCount == 1 ? .constant(0) : .variable("part") * count
    let zero = context.loopVariable("z", Dimension(width * shape.outputs))
    let (lower, upper, parts): (Index, Index, Index) =
      isCutByTaps
      ? (.constant(0), total.index, .constant(slices))
      : partialCount > 1 ? partition(total, chunk: chunk) : (.constant(0), total.index, .constant(1))
    let first = context.loopVariable("block", total)
    let group = context.loopVariable("group", Dimension(shape.groups))
    let number: Index = shape.groups == 1 ? .constant(0) : .variable(group)
    let pixels = Index.minimum(.variable(first) + block, upper) - .variable(first)
    let memoryParts = isCutByTaps ? slices : partialCount
    let rows = gathered(&context, .variable(first), pixels, group: number, parts: memoryParts)
    let dy = panels(&context, .variable(first), pixels, group: number, parts: memoryParts)
    var body =
      rows.statements + dy.statements + tiles(&context, pixels, rows: rows, dy: (dy.buffer, dy.offset), sums: (sums, own), group: number)
    if shape.groups > 1 { body = [.loop(Loop(group, to: .constant(shape.groups), body))] }
    return context.kernel(
      named: name, comments: planned.comments, parts: parts,
      body: [
        .loop(
          Loop(zero, to: .constant(width * shape.outputs), [.store(sums, own + .variable(zero), .constant(0, element))])),
        .loop(Loop(first, from: lower, to: upper, step: block, body)),
      ])
  }

  /// The rows of patches of a block: where they are, and the elements between rows.
  private func gathered(_ context: inout KernelContext, _ first: Index, _ count: Index, group: Index, parts: Int) -> (
    statements: [Statement], buffer: String, offset: Index, stride: Int
  ) {
    let source = context.buffer(of: planned.operands[0], .read)
    let slicesOfTap = patches.groupChannels / sliceChannels
    let slice: Index = slices == 1 ? .constant(0) : .variable("part")
    let channel = isCutByTaps && slicesOfTap > 1 ? .remainder(slice, slicesOfTap) * sliceChannels : group * patches.groupChannels
    if patches.isInPlace { return ([], source, first * patches.channels + channel, patches.channels) }
    let memory = context.scratch("patches", shape.element, count: block * width, parts: parts, of: planned.id)
    var tap: (position: [Index], channels: Int)?
    if isCutByTaps {
      var rest = slicesOfTap == 1 ? slice : .divide(slice, slicesOfTap)
      var position: [Index] = []
      for size in shape.kernel.reversed() {
        position.insert(size == 1 ? .constant(0) : .remainder(rest, size), at: 0)
        if size > 1 { rest = .divide(rest, size) }
      }
      tap = (position, sliceChannels)
    }
    let statements = context.nested {
      if let tap {
        for axis in tap.position.indices where shape.kernel[axis] > 1 { $0.ranges["part"] = 0...slices - 1 }
      }
      patches.gather(
        &$0, from: source, channel: channel, to: memory.buffer, at: memory.offset, first: first, count: count, atMost: block,
        images: shape.maximumBatch, tap: tap)
    }
    return (statements, memory.buffer, memory.offset, width)
  }

  /// dy's rows of a block in panels of columns: each is then one stream.
  private func panels(_ context: inout KernelContext, _ first: Index, _ count: Index, group: Index, parts: Int) -> (
    statements: [Statement], buffer: String, offset: Index
  ) {
    let dy = context.buffer(of: planned.operands[1], .read)
    let memory = context.scratch("panels", shape.element, count: block * columns.padded, parts: parts, of: planned.id)
    let pixel = context.loopVariable("pixel", Dimension(block))
    let panel = context.loopVariable("panel", Dimension(max(1, columns.whole)))
    func copy(_ start: Index, _ width: Int, kept: Int) -> [Statement] {
      let lane = context.loopVariable("lane", Dimension(width))
      let to = memory.offset + columns.offset(rows: block, row: .variable(pixel), first: start, width: width, lane: .variable(lane))
      let from = (first + .variable(pixel)) * shape.outputs + group * columns.columns + start + .variable(lane)
      let zeros = Statement.loop(Loop(lane, to: .constant(width), kind: .lanes, [.store(memory.buffer, to, .constant(0, shape.element))]))
      return (kept < width ? [zeros] : [])
        + [.loop(Loop(lane, to: .constant(kept), kind: .lanes, [.store(memory.buffer, to, .load(dy, from))]))]
    }
    var body: [Statement] = []
    if columns.whole > 0 {
      body.append(
        .loop(Loop(panel, to: .constant(columns.whole), step: columns.wide, copy(.variable(panel), columns.wide, kept: columns.wide))))
    }
    for rest in columns.rest { body += copy(.constant(rest.first), rest.width, kept: rest.kept) }
    return ([.loop(Loop(pixel, to: count, body))], memory.buffer, memory.offset)
  }

  private static let crowdedBytes = 512

  /// sums[row, o] += sum over the block's pixels of rows[pixel, row] dy[pixel, o].
  private func tiles(
    _ context: inout KernelContext, _ count: Index, rows: (statements: [Statement], buffer: String, offset: Index, stride: Int),
    dy: (buffer: String, offset: Index), sums: (buffer: String, offset: Index), group: Index
  ) -> [Statement] {
    let height = registerTileHeight(rows: width)
    let row = context.loopVariable("row", Dimension(width))
    let panel = context.loopVariable("panel", Dimension(max(1, columns.whole)))
    // Rows whose elements lie apart by a multiple of so many bytes share few sets of the first-level cache: a tile's are copied beside each
    // other first.
    let isCopied = rows.stride * shape.element.size % Self.crowdedBytes == 0
    let pixel = context.loopVariable("pixel", Dimension(block))
    let copied = context.unique("piece")
    func copy(_ height: Int) -> [Statement] {
      let lane = context.loopVariable("lane", Dimension(height))
      let from = rows.offset + Index.variable(pixel) * rows.stride + .variable(row) + .variable(lane)
      return [
        .array(copied, shape.element, count: block * height),
        .loop(
          Loop(
            pixel, to: count,
            [
              .loop(
                Loop(
                  lane, to: .constant(height), kind: .lanes,
                  [.store(copied, .variable(pixel) * height + .variable(lane), .load(rows.buffer, from))]))
            ])),
      ]
    }
    func tile(_ height: Int, _ start: Index, _ columnCount: Int, kept: Int) -> [Statement] {
      let place = { (r: Index, lane: Index) in
        sums.offset + (Index.variable(row) + r) * shape.outputs + group * columns.columns + start + lane
      }
      return context.registerTile(
        shape.element, height: height, width: columnCount, kept: kept, terms: [("p", Dimension(block))], upper: [count],
        start: { .load(sums.buffer, place($0, $1)) },
        a: { r, p in
          isCopied && height > 1
            ? .load(copied, p[0] * height + r) : .load(rows.buffer, rows.offset + p[0] * rows.stride + .variable(row) + r)
        },
        b: { p, lane in
          .load(dy.buffer, dy.offset + columns.offset(rows: block, row: p[0], first: start, width: columnCount, lane: lane))
        },
        finish: { $0.append(.store(sums.buffer, place($1, $2), $3)) })
    }
    func overPanels(_ height: Int) -> [Statement] {
      (isCopied && height > 1 ? copy(height) : [])
        + (columns.whole > 0
          ? [
            .loop(
              Loop(
                panel, to: .constant(columns.whole), step: columns.wide, tile(height, .variable(panel), columns.wide, kept: columns.wide)))
          ] : [])
        + columns.rest.flatMap { tile(height, .constant($0.first), $0.width, kept: $0.kept) }
    }
    let tiled = width / height * height
    return [.loop(Loop(row, to: .constant(tiled), step: height, overPanels(height)))]
      + (tiled < width ? [.loop(Loop(row, from: .constant(tiled), to: .constant(width), overPanels(1)))] : [])
  }
}

/// The last kernel of a filter's gradient: sums[part, t, c, o] of all parts in turn, in the user's order [o, c, t].
struct FilterSums {
  let planned: ConvolutionCluster
  /// Sets of sums, and at most.
  let parts: Index
  let count: Int

  /// Elements in a part, at least.
  private static let partElements = 1 << 16

  func kernel(named name: String) -> LoweredKernel {
    let shape = planned.shape
    var context = planned.context
    let element = shape.element
    let channels = shape.inputs / shape.groups
    let size = shape.taps * channels * shape.outputs
    let sums = context.buffer(.partial(cluster: planned.index), TensorType(element, [Dimension(count * size)]), .read, named: "sums")
    let columns = ColumnPanels(columns: shape.outputs, element: element)
    func panel(_ first: Index, _ width: Int) -> [Statement] {
      let together = max(1, min(channels, Self.pieceBytes / (width * shape.taps * element.size)))
      let whole = channels / together * together
      let start = context.loopVariable("first", Dimension(channels))
      let pieces = [(0, whole, together), (whole, channels, channels - whole)].filter { $0.0 < $0.1 }
      return pieces.map { lower, upper, step in
        .loop(
          Loop(
            start, from: .constant(lower), to: .constant(upper), step: step,
            piece(&context, sums, size, column: first, width, channel: .variable(start), step)))
      }
    }
    let variable = context.loopVariable("panel", Dimension(max(1, columns.whole / columns.wide)))
    let isCut = columns.rest.isEmpty && size > Self.partElements && columns.whole > columns.wide
    var body: [Statement] = []
    var cut = (lower: Index.constant(0), upper: Index.constant(columns.whole / columns.wide), parts: Index.constant(1))
    if isCut {
      cut = partition(
        Dimension(columns.whole / columns.wide), chunk: max(1, Self.partElements / (size / columns.columns * columns.wide)))
    }
    if columns.whole > 0 {
      body.append(.loop(Loop(variable, from: cut.lower, to: cut.upper, panel(.variable(variable) * columns.wide, columns.wide))))
    }
    for rest in columns.rest { body += panel(.constant(rest.first), rest.kept) }
    return context.kernel(named: name, comments: planned.comments, parts: cut.parts, body: body)
  }

  private static let pieceBytes = 1 << 13

  /// The sums of some channels and `width` columns, brought beside each other in a piece that the first-level cache holds, then column by
  /// column to the result: columns of it are apart by much, often by a power of two.
  private func piece(
    _ context: inout KernelContext, _ sums: String, _ size: Int, column: Index, _ width: Int, channel first: Index, _ count: Int
  ) -> [Statement] {
    let shape = planned.shape
    let (element, channels) = (shape.element, shape.inputs / shape.groups)
    let (tap, channel) = (context.loopVariable("t", Dimension(shape.taps)), context.loopVariable("c", Dimension(count)))
    let (part, lane) = (context.loopVariable("p", Dimension(self.count)), context.loopVariable("lane", Dimension(width)))
    let (row, run) = (context.loopVariable("column", Dimension(width)), context.loopVariable("e", Dimension(count * shape.taps)))
    return context.nested { context in
      let piece = context.localArray("piece", element, count: count * shape.taps * width)
      let at = (Index.variable(channel) * shape.taps + .variable(tap)) * width + .variable(lane)
      let from = (Index.variable(tap) * channels + first + .variable(channel)) * shape.outputs + column + .variable(lane)
      func lanes(_ value: Scalar) -> Statement {
        .loop(Loop(lane, to: .constant(width), kind: .lanes, [.store(piece, at, value)]))
      }
      var added = [lanes(.load(sums, from))]
      if self.count > 1 {
        let next = lanes(.load(piece, at) + .load(sums, .variable(part) * size + from))
        added.append(.loop(Loop(part, from: .constant(1), to: parts, [next])))
      }
      context.append(
        .loop(Loop(tap, to: .constant(shape.taps), [.loop(Loop(channel, to: .constant(count), added))])))
      let results = context.nested { context in
        var position = [column + .variable(row), first + .divide(.variable(run), shape.taps)]
        var below = shape.taps
        for kernel in shape.kernel {
          below /= kernel
          position.append(.remainder(.divide(.variable(run), below), kernel))
        }
        let core = zip(context.graph.type(planned.id).shape, position).filter { $0.0 != 1 }.map { $0.1.simplified(context.ranges) }
        context.define(planned.cluster, at: core, as: .load(piece, .variable(run) * width + .variable(row)))
      }
      context.append(.loop(Loop(row, to: .constant(width), [.loop(Loop(run, to: .constant(count * shape.taps), results))])))
    }
  }
}
