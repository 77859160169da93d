import Basics
import GraphIR
import LoopIR

/// Forward and input gradient of convolutions with a group for each input channel, directly: lanes over channels, the taps of a block of
/// result pixels written out.
///
///     for each block of pixels p { for each 16 channels c { for each element x of the image that the block takes, for each pixel p and tap
///     t that take it: y[p, c] += x[c] filter[t, c] } }
struct DepthwiseConvolution: ConvolutionMethod {
  let name = "depthwise"

  /// Floating point operations in a part, at least.
  private static let partOperations = 1 << 19
  private static let mostParts = 32
  /// Pixels of a block, at most.
  static let mostSums = 8

  func cost(of shape: ConvolutionShape) -> Double? {
    guard shape.direction != .filterGradient, shape.groups == shape.inputs, shape.groups > 1, shape.outputs / shape.groups <= 8,
      DepthwiseBlocks(shape, mostSums: Self.mostSums) != nil
    else { return nil }
    return shape.operations
  }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    let packed = try builder.add(PackedFilter(groups: shape.groups, isTurned: convolution.direction == .inputGradient), [operands[1]])
    return try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), [operands[0], packed])
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    let shape = planned.shape
    var context = planned.context
    guard let blocks = DepthwiseBlocks(shape, mostSums: Self.mostSums) else { fatalError("not a depthwise convolution") }
    let source = context.buffer(of: planned.operands[0], .read)
    let filter = context.buffer(of: planned.operands[1], .read)
    let units = Dimension(shape.batch.coefficient * blocks.rows.blocks, symbol: shape.batch.symbol)
    let most = context.maximum(units)
    let partCount = max(1, min(Self.mostParts, Int(shape.operations) / Self.partOperations, most))
    let chunk = (most + partCount - 1) / partCount
    let (lower, upper, parts) = most > chunk ? partition(units, chunk: chunk) : (.constant(0), units.index, .constant(1))
    let results = shape.direction == .forward ? shape.outputs : shape.inputs
    let body = blocks.overUnits(&context, from: lower, to: upper, images: shape.batch) { context, number, row, rowBlock in
      blocks.columns.forEach(&context, "column") { context, column, columnBlock in
        context.overChannels(results, shape.element) { context, channel, width in
          let lane = context.loopVariable("lane", Dimension(width))
          let inner = context.nested { context in
            self.block(
              &context, planned, blocks, (source, filter), number, (row, rowBlock), (column, columnBlock), channel + .variable(lane))
          }
          return [.loop(Loop(lane, to: .constant(width), kind: .lanes, inner))]
        }
      }
    }
    return [context.kernel(named: planned.name, comments: planned.comments, parts: parts, body: body)]
  }

  /// One channel of a block of pixels.
  private func block(
    _ context: inout KernelContext, _ planned: ConvolutionCluster, _ blocks: DepthwiseBlocks, _ buffers: (source: String, filter: String),
    _ number: Index, _ row: (AxisBlocks.BlockClass, Index), _ column: (AxisBlocks.BlockClass, Index), _ channel: Index
  ) {
    let shape = planned.shape
    let multiplier = shape.outputs / shape.groups
    let isForward = shape.direction == .forward
    let columns = column.0.meetings.count
    let sums = (0..<row.0.meetings.count * columns).map { _ in context.unique("sum") }
    var begun = Set<Int>()
    let products = blocks.products(row.0, column.0)
    // Each tap of the filter is loaded once for all pixels, each element of the image once for all taps.
    var taps: [Int: Scalar] = [:]
    for j in 0..<(isForward ? 1 : multiplier) {
      for tap in Set(products.map(\.tap)).sorted() {
        let name = context.unique("tap")
        let at = isForward ? channel + tap * shape.outputs : channel + (tap * multiplier + j) * shape.inputs
        context.append(.define(name, shape.element, .load(buffers.filter, at)))
        taps[tap * multiplier + j] = .variable(name)
      }
    }
    var last: (row: Int, column: Int)?
    var values: [Scalar] = []
    for product in products {
      if last == nil || last! != (product.row, product.column) {
        last = (product.row, product.column)
        let pixel = blocks.pixel(number, row.1, column.1, row: product.row, column: product.column)
        values = (0..<(isForward ? 1 : multiplier)).map { j in
          let name = context.unique("x")
          let at =
            isForward
            ? pixel * shape.inputs + (multiplier == 1 ? channel : .divide(channel, multiplier))
            : pixel * shape.outputs + channel * multiplier + j
          context.append(.define(name, shape.element, .load(buffers.source, at)))
          return .variable(name)
        }
      }
      for (j, value) in values.enumerated() {
        let tap = taps[product.tap * multiplier + j]!
        if begun.insert(product.sum).inserted {
          context.append(.variable(sums[product.sum], shape.element, value * tap))
        } else {
          context.append(.assign(sums[product.sum], .fma(value, tap, .variable(sums[product.sum]))))
        }
      }
    }
    for (k, sum) in sums.enumerated() {
      let value = begun.contains(k) ? Scalar.variable(sum) : .constant(0, shape.element)
      let position = blocks.position(number, row.1, column.1, columns, sum: k).map { $0.simplified(context.ranges) } + [channel]
      let core = zip(context.graph.type(planned.id).shape, position).filter { $0.0 != 1 }.map(\.1)
      context.define(planned.cluster, at: core, as: value)
    }
  }
}
