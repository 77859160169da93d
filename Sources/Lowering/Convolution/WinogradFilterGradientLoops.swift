import Basics
import GraphIR
import LoopIR

/// The kernels of Winograd's filter gradient.
///
///     for each block of input channels {
///       for each block of tiles of the part {
///         V[xi, c, k] = B^T d B;  Y[xi, o, k] = A dy A^T
///         for xi { for output panels { for 8 input channels { register tile: dU[xi, c, o] += sum over k of V[xi, c, k] Y[xi, o, k] } } }
///       }
///       dw = G^T dU G
///     }
struct WinogradFilterLoops {
  private let planned: ConvolutionCluster
  private let blocks: WinogradFilterBlocks
  private var context: KernelContext
  private let total: Dimension
  private var shape: ConvolutionShape { planned.shape }
  private var element: ElementType { planned.shape.element }

  init(_ planned: ConvolutionCluster, _ blocks: WinogradFilterBlocks) {
    self.planned = planned
    self.blocks = blocks
    context = planned.context
    let batch = planned.shape.batch
    total = Dimension(blocks.tilesDown * blocks.tilesAcross * batch.coefficient, symbol: batch.symbol)
  }

  /// One kernel, or one that leaves sums for each range of tiles and one that adds them up.
  mutating func kernels() -> [LoweredKernel] {
    let accumulates = blocks.ranges > 1
    let sums = sumsBuffer(.write)
    let body = accumulation(sums) { loops, inputs, outputs, offset in
      loops.finish(inputs: inputs, outputs: outputs, rows: nil, sums: (sums, offset))
    }
    let first = context.kernel(
      named: planned.name + (accumulates ? "_sums" : ""), comments: planned.comments, parts: rangeCount * blocks.outputBlocks, body: body)
    guard accumulates else { return [first] }
    context = planned.context
    let vectors = blocks.inputBlock / blocks.vector
    let parts = blocks.outputBlocks * blocks.inputBlocks * vectors
    let part = parts == 1 ? Index.constant(0) : .variable("part")
    let outputs = quotient(part, blocks.inputBlocks * vectors)
    let inputs = remainder(quotient(part, vectors), blocks.inputBlocks)
    let offset = (outputs * blocks.inputBlocks + inputs) * blocks.sumCount
    let last = finish(inputs: inputs, outputs: outputs, rows: remainder(part, vectors), sums: (sumsBuffer(.read), offset))
    return [first, context.kernel(named: planned.name, comments: planned.comments, parts: .constant(parts), body: last)]
  }

  /// Ranges of tiles in this call.
  private var rangeCount: Index {
    guard blocks.ranges > 1 else { return .constant(1) }
    return total.constant.map { .constant(ceiling($0, blocks.rangeTiles)) }
      ?? .divide(total.index + (blocks.rangeTiles - 1), blocks.rangeTiles)
  }

  /// dU[xi, panel, c, lane] for each part, and each block of input channels where they stay.
  private mutating func sumsBuffer(_ access: Access) -> String {
    let type = TensorType(element, [Dimension(blocks.mostParts * blocks.sumBlocks * blocks.sumCount)])
    return context.buffer(.partial(cluster: planned.index), type, access, named: "sums")
  }

  // MARK: Loops

  /// A loop from 0, or the body alone where there is one iteration.
  private mutating func loop(
    _ name: String, _ most: Int, to upper: Index? = nil, kind: Loop.Kind = .serial,
    _ body: (inout WinogradFilterLoops, Index) -> [Statement]
  ) -> [Statement] {
    if most == 1, upper == nil { return body(&self, .constant(0)) }
    let variable = context.loopVariable(name, Dimension(most))
    let statements = body(&self, .variable(variable))
    return [.loop(Loop(variable, to: upper ?? .constant(most), kind: kind, statements))]
  }

  /// Units (vectors or panels) in a block of them, the last block having what is left.
  private func units(of block: Index, _ blockUnits: Int, blocks count: Int, total: Int) -> Index? {
    blockUnits * count == total ? nil : .minimum(.constant(blockUnits), .constant(total) - block * blockUnits)
  }

  private func quotient(_ index: Index, _ divisor: Int) -> Index {
    divisor == 1 ? index : .divide(index, divisor).simplified(context.ranges)
  }

  private func remainder(_ index: Index, _ divisor: Int) -> Index {
    divisor == 1 ? .constant(0) : .remainder(index, divisor).simplified(context.ranges)
  }

  private mutating func accumulation(
    _ sums: String, finish: (inout WinogradFilterLoops, Index, Index, Index) -> [Statement]
  ) -> [Statement] {
    let hasParts = blocks.mostParts > 1
    let part = hasParts ? Index.variable("part") : .constant(0)
    let range = blocks.ranges > 1 ? quotient(part, blocks.outputBlocks) : .constant(0)
    let outputs = blocks.ranges > 1 ? remainder(part, blocks.outputBlocks) : part
    let lower = range * blocks.rangeTiles
    let upper = blocks.ranges > 1 ? Index.minimum(lower + blocks.rangeTiles, total.index) : total.index
    var images = TileTransform.image(planned, blocks, &context)
    var cotangents = TileTransform.cotangent(planned, blocks, &context)
    return loop("block", blocks.inputBlocks) { loops, inputs in
      let first = loops.context.loopVariable("tile", loops.total)
      let tile = Index.variable(first)
      let count = Index.minimum(tile + loops.blocks.blockTiles, upper) - tile
      let offset = (part * loops.blocks.sumBlocks + (loops.blocks.sumBlocks > 1 ? inputs : .constant(0))) * loops.blocks.sumCount
      var body = images.statements(&loops.context, block: inputs, first: tile, count: count)
      body += cotangents.statements(&loops.context, block: outputs, first: tile, count: count)
      func product(adds: Bool) -> [Statement] {
        loops.product(
          images, cotangents, inputs: inputs, outputs: outputs, count: count, sums: (sums, offset), adds: adds)
      }
      if loops.blocks.rangeTiles > loops.blocks.blockTiles {
        let isFirst = Scalar.compare(.eq, .index(tile, .i32), .index(lower, .i32))
        body.append(.when(isFirst, product(adds: false), otherwise: product(adds: true)))
      } else {
        body += product(adds: false)
      }
      let statements: [Statement] = [.loop(Loop(first, from: lower, to: upper, step: loops.blocks.blockTiles, body))]
      return statements + (loops.blocks.ranges == 1 ? finish(&loops, inputs, outputs, offset) : [])
    }
  }

  // MARK: Products

  /// dU[xi] = or += V[xi]^T Y[xi] over `count` tiles.
  private mutating func product(
    _ images: TileTransform, _ cotangents: TileTransform, inputs: Index, outputs: Index, count: Index,
    sums: (buffer: String, offset: Index), adds: Bool
  ) -> [Statement] {
    let (b, rows) = (blocks, WinogradFilterBlocks.rows)
    let vectors = ceiling(shape.inputs, b.vector), panels = ceiling(shape.outputs, b.lanes)
    let (inputUnits, outputUnits) = (b.inputBlock / b.vector, b.outputBlock / b.lanes)
    let vectorLimit = units(of: inputs, inputUnits, blocks: b.inputBlocks, total: vectors)
    let panelLimit = units(of: outputs, outputUnits, blocks: b.outputBlocks, total: panels)
    return loop("xi", WinogradTransforms.products) { loops, xi in
      loops.loop("panel", outputUnits, to: panelLimit) { loops, panel in
        loops.loop("channels", inputUnits, to: vectorLimit) { loops, vector in
          loops.loop("half", loops.shape.inputs <= rows ? 1 : b.vector / rows) { loops, half in
            let sum = sums.offset + xi * b.sumStride + (panel * b.inputBlock + vector * b.vector + half * rows) * b.lanes
            let place = { (r: Index, lane: Index) in sum + r * b.lanes + lane }
            return loops.context.registerTile(
              loops.element, height: rows, width: b.lanes, terms: [("k", Dimension(b.blockTiles))], upper: [count],
              start: adds ? { .load(sums.buffer, place($0, $1)) } : nil,
              a: { r, k in .load(images.target.buffer, images.place(xi, vector, k[0], half * rows + r)) },
              b: { k, lane in .load(cotangents.target.buffer, cotangents.place(xi, panel, k[0], lane)) },
              finish: { $0.append(.store(sums.buffer, place($1, $2), $3)) })
          }
        }
      }
    }
  }

  // MARK: The end

  /// dw[o, c] = G^T dU[c, o] G for a block of channels, or for one vector of its input channels: over neighbouring output channels in a local
  /// array, and from there to the result, in which the taps lie side by side.
  private mutating func finish(inputs: Index, outputs: Index, rows: Index?, sums: (buffer: String, offset: Index)) -> [Statement] {
    let b = blocks
    let outputUnits = b.outputBlock / b.lanes
    let panelLimit = units(of: outputs, outputUnits, blocks: b.outputBlocks, total: ceiling(shape.outputs, b.lanes))
    let first = rows.map { $0 * b.vector } ?? .constant(0)
    let most = rows == nil ? b.inputBlock : b.vector
    let left = Index.constant(shape.inputs) - inputs * b.inputBlock - first
    let isWhole = shape.inputs % b.inputBlock == 0
    return loop("panel", outputUnits, to: panelLimit) { loops, panel in
      loops.loop("c", most, to: isWhole ? nil : .minimum(.constant(most), left)) { loops, row in
        let channel = first + row
        let place = { (xi: Index, lane: Index) in
          sums.offset + xi * b.sumStride + (panel * b.inputBlock + channel) * b.lanes + lane
        }
        let read = loops.summed(sums.buffer, place)
        return loops.taps(
          read, input: inputs * b.inputBlock + channel, output: outputs * b.outputBlock + panel * b.lanes)
      }
    }
  }

  /// The 36 sums of neighbouring output channels: where they lie, or added up over the ranges in a local array.
  private mutating func summed(_ buffer: String, _ place: @escaping (Index, Index) -> Index) -> (
    before: [Statement], load: (Int, Index) -> Scalar
  ) {
    guard blocks.ranges > 1 else { return ([], { .load(buffer, place(.constant($0), $1)) }) }
    let lanes = blocks.lanes
    let array = context.unique("total")
    let stride = blocks.outputBlocks * blocks.inputBlocks * blocks.sumCount
    func over(_ loops: inout WinogradFilterLoops, _ value: (Index, Index) -> Scalar) -> [Statement] {
      loops.loop("xi", WinogradTransforms.products) { loops, xi in
        loops.loop("lane", lanes) { _, lane in [.store(array, xi * lanes + lane, value(xi, lane))] }
      }
    }
    let range = context.loopVariable("range", Dimension(blocks.ranges))
    let start = over(&self) { .load(buffer, place($0, $1)) }
    let rest = over(&self) { .load(array, $0 * lanes + $1) + .load(buffer, place($0, $1) + .variable(range) * stride) }
    let statements: [Statement] =
      [.array(array, element, count: WinogradTransforms.products * lanes)] + start
      + [.loop(Loop(range, from: .constant(1), to: rangeCount, rest))]
    return (statements, { .load(array, .constant($0 * lanes) + $1) })
  }

  /// Nine taps for each of neighbouring output channels, and the members over them.
  private mutating func taps(_ sums: (before: [Statement], load: (Int, Index) -> Scalar), input: Index, output: Index) -> [Statement] {
    let (lanes, element, side) = (blocks.lanes, element, WinogradTransforms.filterSide)
    let array = context.unique("taps")
    var statements = sums.before + [.array(array, element, count: side * side * lanes)]
    statements += loop("lane", lanes) { loops, lane in
      var code = WinogradTransforms(element, prefix: "sum_")
      let matrix = squareMatrix(WinogradTransforms.inputSide) { code.named(sums.load($0 * WinogradTransforms.inputSide + $1, lane)) }
      let result = code.both(matrix, WinogradTransforms.filterTransposed)
      let stores = result.enumerated().flatMap { row, values in
        values.enumerated().map { Statement.store(array, .constant((row * side + $0.offset) * lanes) + lane, $0.element) }
      }
      return code.statements + stores
    }
    let (planned, shape) = (planned, shape)
    let isWhole = shape.outputs % lanes == 0
    statements += loop("o", lanes, to: isWhole ? nil : .minimum(.constant(lanes), .constant(shape.outputs) - output)) { loops, lane in
      loops.loop("p", side) { loops, p in
        loops.loop("q", side) { loops, q in
          loops.context.nested { context in
            let position = [output + lane, input, p, q]
            let sizes = [shape.outputs, shape.inputs, side, side]
            context.define(
              planned.cluster, at: zip(sizes, position).filter { $0.0 != 1 }.map(\.1), as: .load(array, (p * side + q) * lanes + lane))
          }
        }
      }
    }
    return statements
  }
}

/// A square matrix of values.
func squareMatrix(_ side: Int, _ value: (Int, Int) -> Scalar) -> [[Scalar]] { (0..<side).map { r in (0..<side).map { value(r, $0) } } }
