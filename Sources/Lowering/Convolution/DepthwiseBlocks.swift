import Basics
import GraphIR
import LoopIR

/// A depthwise convolution over one or two spatial axes as rows and columns of blocks. One axis is a single row.
struct DepthwiseBlocks {
  let rows: AxisBlocks
  let columns: AxisBlocks
  /// Rows and columns of the image whose elements are multiplied, and of the result.
  let image: (rows: Int, columns: Int)
  let result: (rows: Int, columns: Int)
  /// Columns of the filter.
  let kernelColumns: Int
  /// Whether there are rows in the values' shapes.
  let hasRows: Bool

  /// Statements in the code of all classes, at most.
  private static let mostStatements = 3000

  /// Nil where the code would be too long, or there are other numbers of axes. The blocks are of the result's positions, or of dy's in the
  /// gradient of the filter. `mostSums`: positions of a block, at most.
  init?(_ shape: ConvolutionShape, mostSums: Int) {
    let rank = shape.image.count
    guard rank == 1 || rank == 2, shape.taps <= 64 else { return nil }
    let isTransposed = shape.direction == .inputGradient
    hasRows = rank == 2
    func axis(_ position: Int, most: Int) -> AxisBlocks {
      let (from, to) = isTransposed ? (shape.result, shape.image) : (shape.image, shape.result)
      let stride = shape.strides[position]
      return AxisBlocks(
        image: from[position], result: to[position], kernel: shape.kernel[position], stride: stride, dilation: shape.dilations[position],
        padding: shape.padding[position], isTransposed: isTransposed,
        size: AxisBlocks.size(result: to[position], most: most, step: isTransposed ? stride : 1))
    }
    func sizes(_ all: [Int]) -> (Int, Int) { (rank == 2 ? all[0] : 1, all[rank - 1]) }
    image = isTransposed ? sizes(shape.result) : sizes(shape.image)
    result = isTransposed ? sizes(shape.image) : sizes(shape.result)
    kernelColumns = shape.kernel[rank - 1]
    rows =
      rank == 2
      ? axis(0, most: 1)
      : AxisBlocks(image: 1, result: 1, kernel: 1, stride: 1, dilation: 1, padding: 0, isTransposed: false, size: 1)
    columns = axis(rank - 1, most: max(1, min(mostSums, 80 / shape.taps)))
    guard rows.size * columns.size <= 16 else { return nil }
    let statements = rows.classes.reduce(0) { sum, row in
      sum
        + columns.classes.reduce(0) { sum, column in
          sum + row.meetings.reduce(0) { $0 + $1.count + 1 } * column.meetings.reduce(0) { $0 + $1.count + 1 }
        }
    }
    if statements > Self.mostStatements { return nil }
  }

  /// A product of a block: the image's element at `row`, `column` from the block's origin, with the filter's tap, for position `sum`.
  struct Product {
    var row: Int
    var column: Int
    var tap: Int
    var sum: Int
  }

  /// All products of a block in the order in which they are added: by the image's rows, then columns.
  func products(_ row: AxisBlocks.BlockClass, _ column: AxisBlocks.BlockClass) -> [Product] {
    var products: [Product] = []
    for (i, rowMeetings) in row.meetings.enumerated() {
      for (j, columnMeetings) in column.meetings.enumerated() {
        for a in rowMeetings {
          for b in columnMeetings {
            products.append(
              Product(row: a.place, column: b.place, tap: a.tap * kernelColumns + b.tap, sum: i * column.meetings.count + j))
          }
        }
      }
    }
    return products.sorted { ($0.row, $0.column, $0.sum, $0.tap) < ($1.row, $1.column, $1.sum, $1.tap) }
  }

  /// Elements of the image before that at a place of a block, in pixels.
  func pixel(_ number: Index, _ rowBlock: Index, _ columnBlock: Index, row: Int, column: Int) -> Index {
    (number * image.rows + rowBlock * rows.advance + row) * image.columns + columnBlock * columns.advance + column
  }

  /// Where position `sum` of a block of the result lies: image, row, column.
  func position(_ number: Index, _ rowBlock: Index, _ columnBlock: Index, _ columnsInBlock: Int, sum: Int) -> [Index] {
    let row = rowBlock * rows.size + sum / columnsInBlock
    let column = columnBlock * columns.size + sum % columnsInBlock
    return hasRows ? [number, row, column] : [number, column]
  }

  /// Statements over units, each a row of blocks of an image, from `lower` to `upper`: `body` gets the image's number, the rows' class and
  /// block.
  func overUnits(
    _ context: inout KernelContext, from lower: Index, to upper: Index, images: Dimension,
    _ body: (inout KernelContext, Index, AxisBlocks.BlockClass, Index) -> [Statement]
  ) -> [Statement] {
    let unit = context.loopVariable("unit", Dimension(images.coefficient * rows.blocks, symbol: images.symbol))
    let most = context.maximum(images)
    let inner = context.nested { context in
      var number = Index.constant(0)
      var block = Index.variable(unit)
      if most > 1, rows.blocks > 1 {
        number = Self.named(.divide(.variable(unit), rows.blocks), "image", bound: most, &context)
        block = Self.named(.remainder(.variable(unit), rows.blocks), "at", bound: rows.blocks, &context)
      } else if rows.blocks == 1 {
        number = .variable(unit)
        block = .constant(0)
      }
      var frame = context
      let statements = rows.choose(block) { body(&frame, number, $0, $1) }
      context = frame
      statements.forEach { context.append($0) }
    }
    return [.loop(Loop(unit, from: lower, to: upper, inner))]
  }

  private static func named(_ index: Index, _ base: String, bound: Int, _ context: inout KernelContext) -> Index {
    let name = context.unique(base)
    context.append(.define(name, .i32, .index(index, .i32)))
    return .indirect(.variable(name), bound: bound)
  }
}

extension KernelContext {
  /// Statements that run `body` for `count` neighbouring channels, in blocks as wide as a vector of 64 bytes, and what is left.
  mutating func overChannels(
    _ count: Int, _ element: ElementType, vectors: Int = 1, _ body: (inout KernelContext, Index, _ width: Int) -> [Statement]
  ) -> [Statement] {
    let lanes = vectors * 64 / element.size
    let whole = count / lanes * lanes
    let first = loopVariable("channel", Dimension(max(1, whole)))
    var statements: [Statement] = []
    if whole > 0 {
      let inner = body(&self, .variable(first), lanes)
      statements.append(.loop(Loop(first, to: .constant(whole), step: lanes, inner)))
    }
    var rest = whole
    var width = lanes / 2
    while rest < count {
      // A power of two, so that what is left is vectors too.
      if width >= 4, count - rest >= width {
        statements += body(&self, .constant(rest), width)
        rest += width
      } else if width >= 4 {
        width /= 2
      } else {
        statements += body(&self, .constant(rest), count - rest)
        rest = count
      }
    }
    return statements
  }
}
