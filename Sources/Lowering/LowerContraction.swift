import Basics
import GraphIR
import LoopIR

/// Emits matrix products with the pointwise members over their results: register tiles, or a gemm call where the product is large.
///
///     for each panel of 32 columns { for each 8 rows {
///       acc[8 x 32] = 0
///       for k { for lanes l { for unrolled r { acc[r, l] = fma(a[row + r, k], b[k, panel + l], acc[r, l]) } } }
///       for lanes l { for unrolled r { c[row + r, panel + l] = relu(acc[r, l] + bias[panel + l]) } } } }
struct ContractionLowering {
  let cluster: Cluster
  var context: KernelContext
  /// Whether CBLAS may be called.
  let usesBLAS: Bool

  private let id: ValueID
  private let contraction: Contraction
  private let m: Dimension
  private let n: Int
  private let k: Dimension
  private let element: ElementType
  private var graph: Graph { context.graph }

  /// Row-major matrices this large in all three sizes are left to the BLAS library, which blocks for the caches. Estimated, not measured.
  private static let gemmSize = 384
  /// What of the second-level cache an operand may take and still be there for the next rows.
  private static let cachedBytes = 1 << 18
  /// Floating point operations in a part, at least.
  private static let partOperations = 1 << 20

  init(_ cluster: Cluster, context: KernelContext, usesBLAS: Bool) {
    self.cluster = cluster
    self.context = context
    self.usesBLAS = usesBLAS
    id = cluster.members[0]
    guard case .contraction(let contraction) = context.fused.lowerings[id]! else { fatalError("not a contraction") }
    self.contraction = contraction
    let (a, c) = (context.graph.type(context.graph[id].operands[0]), context.graph.type(id))
    m = c.shape[c.rank - 2]
    n = c.shape[c.rank - 1].coefficient
    k = a.shape[a.rank - (contraction.transposeA ? 2 : 1)]
    element = c.element
  }

  /// The addresses of the operands' elements for given batch, row, column and term.
  private struct Operands {
    var a: String
    var b: String
    var aStrides: (batch: Int, row: Int, term: Int)
    var bStrides: (batch: Int, term: Int)
  }

  mutating func kernel(named name: String, comments: [String]) -> LoweredKernel {
    let operands = bindOperands()
    let shape = graph.type(id).shape
    let batch = shape.dropLast(2).map { (name: context.loopVariable("b", $0), size: $0) }
    let rows = context.loopVariable("i", m)
    // Batch axes that A's rows simply continue are rows.
    let merged = contraction.batchedB || contraction.transposeA ? nil : mergedRows(batch, rows)
    let rowCount = merged ?? m
    let loops = merged == nil ? batch : []
    context.setRange(rows, rowCount)
    let large = [rowCount, Dimension(n), k].allSatisfy { context.maximum($0) >= Self.gemmSize }
    let (body, parts) =
      contraction.transposeB || (usesBLAS && large && element.isFloat && batch.isEmpty)
      ? gemm(operands, rowCount) : tiles(operands, rowCount, batch: batch.map(\.name), mergesBatch: merged != nil, rows: rows)
    var statements = body
    for loop in loops.reversed() { statements = [.loop(Loop(loop.name, to: loop.size.index, statements))] }
    return context.kernel(named: name, comments: comments, parts: loops.isEmpty ? parts : .constant(1), body: statements)
  }

  private mutating func bindOperands() -> Operands {
    let (x, y) = (graph[id].operands[0], graph[id].operands[1])
    let (a, b) = (graph.type(x), graph.type(y))
    let (aRows, bRows) = (a.strides[a.rank - 2], b.strides[b.rank - 2])
    let batchA = a.shape[a.rank - 2].coefficient * a.shape[a.rank - 1].coefficient
    return Operands(
      a: context.buffer(of: x, .read), b: context.buffer(of: y, .read),
      aStrides: contraction.transposeA ? (batchA, 1, aRows) : (batchA, aRows, 1),
      bStrides: (contraction.batchedB ? b.shape[b.rank - 2].coefficient * b.shape[b.rank - 1].coefficient : 0, bRows))
  }

  /// All rows as one axis, when the epilogue's accesses go through batch and rows as through one.
  private mutating func mergedRows(_ batch: [(name: String, size: Dimension)], _ rows: String) -> Dimension? {
    guard !batch.isEmpty else { return m }
    guard let total = Dimension.product(batch.map(\.size) + [m]) else { return nil }
    var probe = self
    let column = probe.context.loopVariable("probe", Dimension(n))
    let frame = self
    let statements = probe.context.nested {
      frame.epilogue(&$0, batch.map { .variable($0.name) }, .variable(rows), .variable(column), value: .constant(0, frame.element))
    }
    var nest = LoopNest(variables: batch + [(rows, m)], body: statements, work: 0)
    nest.collapse(&probe.context.ranges, symbols: graph.symbols)
    return nest.variables.count == 1 ? total : nil
  }

  // MARK: Epilogue

  /// The product's element and the members over it, at one position.
  private func epilogue(_ context: inout KernelContext, _ batch: [Index], _ row: Index, _ column: Index, value: Scalar) {
    context.define(cluster, at: zip(graph.type(id).shape, batch + [row, column]).filter { $0.0 != 1 }.map(\.1), as: value)
  }

  // MARK: Register tiles

  private mutating func tiles(_ operands: Operands, _ rowCount: Dimension, batch: [String], mergesBatch: Bool, rows: String) -> (
    [Statement], Index
  ) {
    let wide = element == .f32 ? 32 : 16
    let lanes = n >= wide ? wide : n >= wide / 2 ? wide / 2 : n
    let height = min(8, context.maximum(rowCount))
    let whole = n / lanes * lanes
    let rowsMaximum = context.maximum(rowCount)
    let partCount = max(1, 2 * rowsMaximum * n * context.maximum(k) / Self.partOperations)
    // A small B stays in the cache while C is written row by row; a large one is read once, panel by panel.
    let rowsOutside = context.maximum(k) * n * element.size <= Self.cachedBytes
    var parts = Index.constant(1)
    var panelRange = (lower: Index.constant(0), upper: Index.constant(whole))
    var rowRange = (lower: Index.constant(0), upper: rowCount.index)
    if partCount > 1, !rowsOutside, whole == n, n / lanes >= 2, n >= rowsMaximum / 2 {
      let chunk = max(1, (n / lanes + partCount - 1) / partCount)
      let (lower, _, count) = partition(Dimension(n / lanes), chunk: chunk)
      parts = count
      panelRange = (lower * lanes, .minimum(lower * lanes + chunk * lanes, .constant(whole)))
    } else if partCount > 1 {
      let chunk = max(height, (rowsMaximum / partCount + height - 1) / height * height)
      let (lower, upper, count) = partition(rowCount, chunk: chunk)
      parts = count
      rowRange = (lower, upper)
    }
    let row = context.unique("row")
    context.setRange(row, rowCount)
    let panel = context.unique("panel")
    context.setRange(panel, Dimension(n))
    let position = batch.map { Index.variable($0) }
    func overRows(_ body: (Int) -> [Statement]) -> [Statement] {
      let wholeRows = rowRange.lower + .divide(rowRange.upper - rowRange.lower, height) * height
      let hasRest = rowCount.constant.map { $0 % height != 0 } ?? (height > 1)
      return [.loop(Loop(row, from: rowRange.lower, to: wholeRows, step: height, body(height)))]
        + (hasRest ? [.loop(Loop(row, from: wholeRows, to: rowRange.upper, body(1)))] : [])
    }
    func overPanels(_ body: (Index, Int) -> [Statement]) -> [Statement] {
      let isOne = panelRange.lower == .constant(0) && panelRange.upper == .constant(lanes)
      let panels =
        isOne
        ? body(.constant(0), lanes)
        : [.loop(Loop(panel, from: panelRange.lower, to: panelRange.upper, step: lanes, body(.variable(panel), lanes)))]
      return panels + (whole < n ? body(.constant(whole), n - whole) : [])
    }
    func tiles(_ height: Int, _ panel: Index, _ width: Int) -> [Statement] {
      tile(operands, .variable(row), height, panel, width, position, mergesBatch)
    }
    let statements =
      rowsOutside
      ? overRows { height in overPanels { tiles(height, $0, $1) } } : overPanels { panel, width in overRows { tiles($0, panel, width) } }
    return (statements, parts)
  }

  private mutating func tile(
    _ operands: Operands, _ row: Index, _ height: Int, _ panel: Index, _ width: Int, _ batch: [Index], _ mergesBatch: Bool
  ) -> [Statement] {
    let flatBatch = mergesBatch ? Index.constant(0) : flattened(batch)
    let (frame, k) = (self, k)
    let epilogueBatch = mergesBatch ? batch.map { _ in Index.constant(0) } : batch
    return context.registerTile(
      element, height: height, width: width, terms: [("t", k)],
      a: { r, terms in
        .load(
          operands.a,
          flatBatch * operands.aStrides.batch + (row + r) * operands.aStrides.row + terms[0] * operands.aStrides.term)
      },
      b: { terms, lane in
        .load(operands.b, flatBatch * operands.bStrides.batch + terms[0] * operands.bStrides.term + panel + lane)
      },
      finish: { frame.epilogue(&$0, epilogueBatch, row + $1, panel + $2, value: $3) })
  }

  /// The row-major number of a batch position.
  private func flattened(_ batch: [Index]) -> Index {
    zip(batch, graph.type(id).shape).reduce(Index.constant(0)) { $0 * $1.1.coefficient + $1.0 }
  }

  // MARK: Gemm calls

  /// Blocks of rows: a gemm call, then the epilogue over the block while it is in the cache.
  private mutating func gemm(_ operands: Operands, _ rowCount: Dimension) -> ([Statement], Index) {
    let c = context.buffer(.value(id), graph.type(id), .write, named: context.valueName(id))
    let operations = 2 * context.maximum(rowCount) * n * context.maximum(k)
    let partCount = min(16, max(1, operations / (Self.partOperations * 4)))
    var rows = (lower: Index.constant(0), upper: rowCount.index)
    var columns = rows
    columns.upper = .constant(n)
    var parts = Index.constant(1)
    func chunk(_ size: Int) -> Int { max(32, (size / partCount + 15) / 16 * 16) }
    if context.maximum(rowCount) >= n {
      (rows.lower, rows.upper, parts) = partition(rowCount, chunk: chunk(context.maximum(rowCount)))
    } else {
      (columns.lower, columns.upper, parts) = partition(Dimension(n), chunk: chunk(n))
    }
    let call = Gemm(
      element: element, transposeA: contraction.transposeA, transposeB: contraction.transposeB, m: rows.upper - rows.lower,
      n: columns.upper - columns.lower, k: k.index,
      a: Gemm.Matrix(operands.a, rows.lower * operands.aStrides.row, stride: max(operands.aStrides.row, operands.aStrides.term)),
      b: Gemm.Matrix(operands.b, columns.lower * (contraction.transposeB ? operands.bStrides.term : 1), stride: operands.bStrides.term),
      beta: .constant(0, element), c: Gemm.Matrix(c, rows.lower * n + columns.lower, stride: n))
    let row = context.loopVariable("row", rowCount)
    let column = context.loopVariable("column", Dimension(n))
    context.keep(id, in: c, isLocal: false, prefixCount: 0)
    let at = [Index.variable(row), .variable(column)]
    let (cluster, id) = (cluster, id)
    let shape = graph.type(id).shape
    let body = context.nested { context in
      let product = context.value(id, at: at)
      for store in context.stores[id] ?? [] { context.storeOnly(id, at: at, product, store) }
      for member in cluster.members.dropFirst() {
        var rest = zip(shape, at).filter { $0.0 != 1 }.map(\.1)[...]
        let position = context.graph.type(member).shape.map { $0 == 1 ? Index.constant(0) : rest.removeFirst() }
        if case .map(let body) = context.fused.lowerings[member]! {
          context.define(
            member, at: position, as: context.substitute(body, context.graph[member].operands, position: position, reduced: [:]))
        }
      }
    }
    let epilogue: [Statement] =
      body.contains { if case .store = $0 { true } else { false } }
      ? [.loop(Loop(row, from: rows.lower, to: rows.upper, [.loop(Loop(column, from: columns.lower, to: columns.upper, body))]))] : []
    return ([.gemm(call)] + epilogue, parts)
  }
}
