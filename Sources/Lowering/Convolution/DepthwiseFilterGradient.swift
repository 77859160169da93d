import Basics
import GraphIR
import LoopIR

/// The filter's gradient of convolutions with a group for each input channel, directly: lanes over channels, the sums of all taps beside
/// each other, the pixels of a block of dy written out. Each part takes rows of its own and has sums of its own, which are added in order
/// when the result is brought into the user's order.
///
///     for each row of dy { for each 16 channels o { for each block of pixels p { for each element x of the image that the block takes, for
///     each pixel p and tap t that take it: sums[t, o] += x[o] dy[p, o] } } }
struct DepthwiseFilterGradient: ConvolutionMethod {
  let name = "depthwise_filter"

  /// Floating point operations in a part, at least.
  private static let partOperations = 1 << 20
  /// Parts with sums of their own, at most.
  private static let mostParts = 8

  func cost(of shape: ConvolutionShape) -> Double? {
    guard shape.direction == .filterGradient, shape.groups == shape.inputs, shape.groups > 1, shape.outputs / shape.groups <= 8,
      DepthwiseBlocks(shape, mostSums: DepthwiseConvolution.mostSums) != nil
    else { return nil }
    return shape.operations
  }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), operands)
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    let shape = planned.shape
    var context = planned.context
    guard let blocks = DepthwiseBlocks(shape, mostSums: DepthwiseConvolution.mostSums) else { fatalError("not a depthwise convolution") }
    let buffers = (x: context.buffer(of: planned.operands[0], .read), dy: context.buffer(of: planned.operands[1], .read))
    let units = Dimension(shape.batch.coefficient * blocks.rows.blocks, symbol: shape.batch.symbol)
    let most = context.maximum(units)
    let wanted = max(1, min(Self.mostParts, Int(shape.operations) / Self.partOperations, most))
    let chunk = (most + wanted - 1) / wanted
    let partMost = (most + chunk - 1) / chunk
    let (lower, upper, parts) = partMost > 1 ? partition(units, chunk: chunk) : (.constant(0), units.index, .constant(1))
    let count = shape.taps * shape.outputs
    let sums = context.buffer(
      .partial(cluster: planned.index), TensorType(shape.element, [Dimension(partMost * count)]), .write, named: "sums")
    let own: Index = partMost == 1 ? .constant(0) : .variable("part") * count
    let zero = context.loopVariable("z", Dimension(count))
    let body = blocks.overUnits(&context, from: lower, to: upper, images: shape.batch) { context, number, row, rowBlock in
      context.overChannels(shape.outputs, shape.element) { context, channel, width in
        self.row(&context, shape, blocks, buffers, (sums, own), number, (row, rowBlock), channel, width)
      }
    }
    let first = context.kernel(
      named: planned.name + "_parts", comments: planned.comments, parts: parts,
      body: [.loop(Loop(zero, to: .constant(count), [.store(sums, own + .variable(zero), .constant(0, shape.element))]))] + body)
    return [first, FilterSums(planned: planned, parts: parts, count: partMost).kernel(named: planned.name)]
  }

  /// `width` channels of a row of dy: their sums are kept beside each other while its blocks are gone through.
  private func row(
    _ context: inout KernelContext, _ shape: ConvolutionShape, _ blocks: DepthwiseBlocks, _ buffers: (x: String, dy: String),
    _ sums: (buffer: String, offset: Index), _ number: Index, _ row: (AxisBlocks.BlockClass, Index), _ channel: Index, _ width: Int
  ) -> [Statement] {
    let lane = context.loopVariable("lane", Dimension(width))
    func lanes(_ body: [Statement]) -> Statement { .loop(Loop(lane, to: .constant(width), kind: .lanes, body)) }
    // Taps that no pixel of the row takes keep their sums.
    let taps = Set(blocks.columns.classes.flatMap { blocks.products(row.0, $0).map(\.tap) }).sorted()
    return context.nested { context in
      let total = context.localArray("total", shape.element, count: shape.taps * width)
      func slot(_ tap: Int) -> Index { .constant(tap * width) + .variable(lane) }
      func place(_ tap: Int) -> Index { sums.offset + channel + tap * shape.outputs + .variable(lane) }
      context.append(lanes(taps.map { .store(total, slot($0), .load(sums.buffer, place($0))) }))
      let inner = blocks.columns.forEach(&context, "column") { context, column, columnBlock in
        [
          lanes(
            context.nested { context in
              self.block(
                &context, shape, blocks, buffers, number, row, (column, columnBlock), channel + .variable(lane), { (total, slot($0)) })
            })
        ]
      }
      inner.forEach { context.append($0) }
      context.append(lanes(taps.map { .store(sums.buffer, place($0), .load(total, slot($0))) }))
    }
  }

  /// One channel of a block of pixels.
  private func block(
    _ context: inout KernelContext, _ shape: ConvolutionShape, _ blocks: DepthwiseBlocks, _ buffers: (x: String, dy: String),
    _ number: Index,
    _ row: (AxisBlocks.BlockClass, Index), _ column: (AxisBlocks.BlockClass, Index), _ channel: Index, _ slot: (Int) -> (String, Index)
  ) {
    let multiplier = shape.outputs / shape.groups
    let products = blocks.products(row.0, column.0)
    func named(_ base: String, _ value: Scalar) -> Scalar {
      let name = context.unique(base)
      context.append(.define(name, shape.element, value))
      return .variable(name)
    }
    let dy = (0..<column.0.meetings.count).map { sum in
      let position = blocks.position(number, row.1, column.1, column.0.meetings.count, sum: sum)
      let pixel = zip(position, blocks.hasRows ? [1, blocks.result.rows, blocks.result.columns] : [1, blocks.result.columns])
        .reduce(Index.constant(0)) { $0 * $1.1 + $1.0 }
      return named("dy", .load(buffers.dy, pixel * shape.outputs + channel))
    }
    var totals: [Int: String] = [:]
    for tap in Set(products.map(\.tap)).sorted() {
      let name = context.unique("sum")
      let (buffer, index) = slot(tap)
      context.append(.variable(name, shape.element, .load(buffer, index)))
      totals[tap] = name
    }
    var last: (row: Int, column: Int)?
    var x = Scalar.constant(0, shape.element)
    for product in products {
      if last == nil || last! != (product.row, product.column) {
        last = (product.row, product.column)
        let pixel = blocks.pixel(number, row.1, column.1, row: product.row, column: product.column)
        x = named("x", .load(buffers.x, pixel * shape.inputs + (multiplier == 1 ? channel : .divide(channel, multiplier))))
      }
      let total = totals[product.tap]!
      context.append(.assign(total, .fma(x, dy[product.sum], .variable(total))))
    }
    for (tap, name) in totals.sorted(by: { $0.key < $1.key }) {
      let (buffer, index) = slot(tap)
      context.append(.store(buffer, index, .variable(name)))
    }
  }
}
