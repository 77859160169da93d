import Basics
import GraphIR
import LoopIR

/// The filter's gradient as products of transposed patches with dy. Works for every convolution.
///
/// Where the sums of all taps are small, each part takes pixels of its own and has sums of its own, and a second kernel adds them in order;
/// where they are large, each part takes output channels of its own and all pixels.
struct PatchFilterGradient: ConvolutionMethod {
  let name = "patches_filter"

  private static let patchBytes = 1 << 17
  private static let partOperations = 1 << 21
  /// Parts with sums of their own, at most, and bytes of all those sums.
  private static let mostParts = 8
  private static let sumBytes = 1 << 23

  func cost(of shape: ConvolutionShape) -> Double? {
    guard shape.direction == .filterGradient else { return nil }
    return shape.operations * 1.2
  }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    let packed = TensorType(result.element, result.shape.dropFirst(2) + [result.shape[1], result.shape[0]])
    let planned = try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: packed), operands)
    return try builder.add(UnpackedFilter(), [planned])
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    let (shape, id) = (planned.shape, planned.id)
    let patches = Patches(shape)
    let type = planned.context.graph.type(id)
    let sumsCount = type.count.coefficient
    let total = Dimension(patches.pixels * shape.batch.coefficient, symbol: shape.batch.symbol)
    let most = planned.context.maximum(total)
    let wanted = max(1, min(Self.mostParts, Int(shape.operations) / Self.partOperations))
    let block = min(128, max(16, Self.patchBytes / (patches.width * shape.element.size) / 8 * 8))
    let accumulators = min(wanted, max(1, Self.sumBytes / (sumsCount * shape.element.size)), (most + block - 1) / block)
    if accumulators >= 4 || accumulators == wanted {
      return overPixels(planned, patches, total, block, parts: accumulators)
    }
    return overChannels(planned, patches, total, block, parts: wanted)
  }

  /// Parts of the pixels, with sums of their own.
  private func overPixels(_ planned: ConvolutionCluster, _ patches: Patches, _ total: Dimension, _ block: Int, parts partCount: Int)
    -> [LoweredKernel]
  {
    let (shape, id) = (planned.shape, planned.id)
    let type = planned.context.graph.type(id)
    let count = type.count.coefficient
    let most = planned.context.maximum(total)
    let chunk = ((most + partCount - 1) / partCount + block - 1) / block * block
    let partMost = (most + chunk - 1) / chunk
    var context = planned.context
    let pixels: (lower: Index, upper: Index, parts: Index) =
      partMost > 1 ? partition(total, chunk: chunk) : (.constant(0), total.index, .constant(1))
    let sumsType = TensorType(type.element, [Dimension(partMost * count)])
    let key = StorageKey.partial(cluster: planned.index)
    let sums = context.buffer(key, sumsType, .write, named: "sums")
    let offset = partMost == 1 ? Index.constant(0) : .variable("part") * count
    let zero = context.loopVariable("z", Dimension(count))
    var body: [Statement] = [
      .loop(Loop(zero, to: .constant(count), [.store(sums, offset + .variable(zero), .constant(0, type.element))]))
    ]
    body += accumulation(
      planned, &context, patches, total, block, pixels: (pixels.lower, pixels.upper), parts: partMost,
      columns: (.constant(0), .constant(shape.outputs / shape.groups)), sums: (sums, offset))
    let first = context.kernel(
      named: planned.name + "_parts", comments: planned.comments, parts: pixels.parts, body: body)

    context = planned.context
    let partials = context.buffer(key, sumsType, .read, named: "sums")
    let element = context.loopVariable("e", type.count)
    let part = context.loopVariable("p", Dimension(partMost))
    let last = context.nested { context in
      let sum = context.unique("sum")
      context.append(.variable(sum, type.element, .load(partials, .variable(element))))
      if partMost > 1 {
        context.append(
          .loop(
            Loop(
              part, from: .constant(1), to: pixels.parts,
              [.assign(sum, .variable(sum) + .load(partials, .variable(part) * count + .variable(element)))])))
      }
      var position: [Index] = []
      for (stride, size) in zip(type.strides, type.shape.map(\.coefficient)) {
        position.append(.remainder(.divide(.variable(element), stride), size).simplified(context.ranges))
      }
      let core = zip(type.shape, position).filter { $0.0 != 1 }.map(\.1)
      context.define(planned.cluster, at: core, as: .variable(sum))
    }
    var nest = LoopNest(variables: [(element, type.count)], body: last, work: 0)
    nest.work = estimatedWork(last, symbols: context.graph.symbols)
    let (statements, lastParts) = nest.build(symbols: context.graph.symbols)
    return [first, context.kernel(named: planned.name, comments: planned.comments, parts: lastParts, body: statements)]
  }

  /// Parts of the output channels; sums go straight to the result.
  private func overChannels(_ planned: ConvolutionCluster, _ patches: Patches, _ total: Dimension, _ block: Int, parts partCount: Int)
    -> [LoweredKernel]
  {
    let (shape, id) = (planned.shape, planned.id)
    let type = planned.context.graph.type(id)
    var context = planned.context
    let lanes = type.element == .f32 ? 32 : 16
    let columns = shape.outputs / shape.groups
    let panels = (columns + lanes - 1) / lanes
    let chunk = max(1, (panels + partCount - 1) / partCount)
    let (lower, _, parts) = partition(Dimension(panels), chunk: chunk)
    let sums = context.buffer(.partial(cluster: planned.index), type, .write, named: "sums")
    let range = (lower * lanes, Index.minimum(lower * lanes + chunk * lanes, .constant(columns)))
    let row = context.loopVariable("z", Dimension(type.count.coefficient / shape.outputs))
    let column = context.loopVariable("c", Dimension(columns))
    var body: [Statement] = []
    for group in 0..<shape.groups {
      body.append(
        .loop(
          Loop(
            row, to: .constant(type.count.coefficient / shape.outputs),
            [
              .loop(
                Loop(
                  column, from: range.0, to: range.1,
                  [.store(sums, .variable(row) * shape.outputs + group * columns + .variable(column), .constant(0, type.element))]))
            ])))
    }
    body += accumulation(
      planned, &context, patches, total, block, pixels: (.constant(0), total.index), parts: (panels + chunk - 1) / chunk, columns: range,
      sums: (sums, .constant(0)))
    let first = context.kernel(named: planned.name + "_parts", comments: planned.comments, parts: parts, body: body)

    context = planned.context
    let from = context.buffer(.partial(cluster: planned.index), type, .read, named: "sums")
    let element = context.loopVariable("e", type.count)
    let last = context.nested { context in
      let position = zip(type.strides, type.shape).map { stride, size in
        Index.remainder(.divide(.variable(element), stride), size.coefficient).simplified(context.ranges)
      }
      context.define(planned.cluster, at: zip(type.shape, position).filter { $0.0 != 1 }.map(\.1), as: .load(from, .variable(element)))
    }
    let nest = LoopNest(variables: [(element, type.count)], body: last, work: 2)
    let (statements, lastParts) = nest.build(symbols: context.graph.symbols)
    return [first, context.kernel(named: planned.name, comments: planned.comments, parts: lastParts, body: statements)]
  }

  /// sums[t, c, o] += sum over pixels of patches[pixel, t, c] dy[pixel, o], for a range of a group's output channels.
  private func accumulation(
    _ planned: ConvolutionCluster, _ context: inout KernelContext, _ patches: Patches, _ total: Dimension, _ block: Int,
    pixels: (lower: Index, upper: Index), parts: Int, columns: (lower: Index, upper: Index), sums: (buffer: String, offset: Index)
  ) -> [Statement] {
    let (shape, element) = (planned.shape, planned.shape.element)
    let source = context.buffer(of: planned.operands[0], .read)
    let dy = context.buffer(of: planned.operands[1], .read)
    let memory =
      patches.isInPlace ? nil : context.scratch("patches", element, count: block * patches.width, parts: parts, of: planned.id)
    let first = context.loopVariable("block", total)
    let count = Index.minimum(.variable(first) + block, pixels.upper) - .variable(first)
    let wide = element == .f32 ? 32 : 16
    let groupOutputs = shape.outputs / shape.groups
    let lanes = groupOutputs >= wide ? wide : groupOutputs
    let rest = groupOutputs % lanes
    let row = context.loopVariable("row", Dimension(patches.width))
    let panel = context.loopVariable("panel", Dimension(groupOutputs))
    var body: [Statement] = []
    for group in 0..<shape.groups {
      if let memory {
        body += context.nested {
          patches.gather(
            &$0, from: source, channel: .constant(group * patches.groupChannels), to: memory.buffer, at: memory.offset,
            first: .variable(first), count: count, atMost: block, images: shape.maximumBatch)
        }
      }
      let rows = memory.map { ($0.buffer, $0.offset) } ?? (source, .variable(first) * patches.width)
      func tile(_ height: Int, _ panel: Index, _ width: Int) -> [Statement] {
        let place = { (r: Index, lane: Index) in
          sums.offset + (Index.variable(row) + r) * shape.outputs + group * groupOutputs + panel + lane
        }
        return context.registerTile(
          element, height: height, width: width, terms: [("p", Dimension(block))], upper: [count],
          start: { .load(sums.buffer, place($0, $1)) },
          a: { r, p in .load(rows.0, rows.1 + p[0] * patches.width + .variable(row) + r) },
          b: { p, lane in .load(dy, (.variable(first) + p[0]) * shape.outputs + group * groupOutputs + panel + lane) },
          finish: { $0.append(.store(sums.buffer, place($1, $2), $3)) })
      }
      func overRows(_ panel: Index, _ width: Int) -> [Statement] {
        let tiled = patches.width / 8 * 8
        return (tiled > 0 ? [.loop(Loop(row, to: .constant(tiled), step: 8, tile(8, panel, width)))] : [])
          + (tiled < patches.width ? [.loop(Loop(row, from: .constant(tiled), to: .constant(patches.width), tile(1, panel, width)))] : [])
      }
      let wholeUpper = columns.lower + .divide(columns.upper - columns.lower, lanes) * lanes
      body.append(.loop(Loop(panel, from: columns.lower, to: wholeUpper, step: lanes, overRows(.variable(panel), lanes))))
      if rest > 0 {
        // The columns left over belong to the part that has the last whole panel.
        body.append(
          .loop(Loop(panel, from: wholeUpper, to: columns.upper, step: rest, overRows(.variable(panel), rest))))
      }
    }
    return [.loop(Loop(first, from: pixels.lower, to: pixels.upper, step: block, body))]
  }
}
