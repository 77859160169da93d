import Basics
import GraphIR
import LoopIR

/// The loops that an attention's forward and backward pass share. Queries are lanes: statistics of rows need no sums across a vector.
///
/// A block is `lanes` queries against `blockKeys` keys. Its scores stand in an array [key, query].
struct AttentionLoops {
  let shape: AttentionShape
  let op: Attention
  /// Queries of a block.
  let lanes: Int
  /// The sequence, the head of queries and that of keys and values.
  let sequence: Index
  let head: Index
  let shared: Index

  /// Keys of a block.
  static let blockKeys = 64
  /// Rows of a register tile.
  static let tileRows = 8

  var element: ElementType { shape.element }
  /// The block's first query, and its first key.
  var q0: Index { .variable("block") * lanes }
  let k0 = Index.variable("part_of_keys") * Self.blockKeys
  let lane = Index.variable("lane")

  /// Where the queries that there are end, counted from the block's first.
  var queriesLeft: Index {
    shape.queries % lanes == 0 ? .constant(lanes) : .minimum(.constant(lanes), .constant(shape.queries) - q0)
  }

  /// The query of a lane; lanes after the last query repeat it, and what they make is not kept.
  func query(_ lane: Index) -> Index {
    shape.queries % lanes == 0 ? q0 + lane : .minimum(q0 + lane, .constant(shape.queries - 1))
  }

  /// The key of a row of the block, bounded in the same way.
  private func key(_ row: Index) -> Index {
    shape.keys % Self.tileRows == 0 ? k0 + row : .minimum(k0 + row, .constant(shape.keys - 1))
  }

  func overLanes(_ body: [Statement], count: Int? = nil) -> Statement {
    .loop(Loop("lane", to: .constant(count ?? lanes), kind: .lanes, body))
  }

  /// Loops over blocks of queries, and over those of keys that they see.
  func overQueries(_ body: [Statement]) -> Statement {
    .loop(Loop("block", to: .constant((shape.queries + lanes - 1) / lanes), body))
  }

  func overKeys(_ body: [Statement]) -> Statement {
    let all = Index.constant((shape.keys + Self.blockKeys - 1) / Self.blockKeys)
    let seen = Index.divide(q0 + (lanes + op.past + Self.blockKeys - 1), Self.blockKeys)
    return .loop(Loop("part_of_keys", to: op.causal ? .minimum(all, seen) : all, body))
  }

  /// Rows of the block from the first key on, those in a last tile included that no query sees; and without them.
  private var tiles: Index {
    let end = Index.minimum(.constant((shape.keys + Self.tileRows - 1) / Self.tileRows * Self.tileRows) - k0, .constant(Self.blockKeys))
    guard op.causal else { return end }
    let seen = (lanes + op.past + Self.tileRows - 1) / Self.tileRows * Self.tileRows
    return .minimum(end, q0 - k0 + seen)
  }

  /// Rows of the block that some query sees.
  var rows: Index {
    let end = Index.minimum(.constant(shape.keys) - k0, .constant(Self.blockKeys))
    return op.causal ? .minimum(end, q0 - k0 + (lanes + op.past)) : end
  }

  func load(_ matrix: AttentionShape.Matrix, _ head: Index, _ row: Index, _ column: Index) -> Scalar {
    .load(matrix.buffer, matrix.offset(sequence, head, row, column))
  }

  /// array[column, lane] = the columns of the block's queries in `matrix`, times `factor`.
  func transposed(_ matrix: AttentionShape.Matrix, to array: String, factor: Double = 1) -> [Statement] {
    let column = Index.variable("d")
    let value = load(matrix, head, query(lane), column)
    let scaled = factor == 1 ? value : value * .float(factor, element)
    return [.loop(Loop("d", to: .constant(matrix.width), [overLanes([.store(array, column * lanes + lane, scaled)])]))]
  }

  /// array[row, lane] = finish(sum over columns of matrix[key, column] other[column, lane]), for all rows of the block in tiles.
  func products(
    _ matrix: AttentionShape.Matrix, with other: String, to array: String, finish: (_ row: Index, _ sum: Scalar) -> Scalar
  ) -> Statement {
    let (r, c, d) = (Index.variable("r"), Index.variable("c0"), Index.variable("d"))
    let slot = r * lanes + lane
    let sum = Scalar.load("acc", slot)
    let term = Scalar.fma(load(matrix, shared, key(c + r), d), .load(other, d * lanes + lane), sum)
    return .loop(
      Loop(
        "c0", to: tiles, step: Self.tileRows,
        [
          .array("acc", element, count: Self.tileRows * lanes),
          tile([.store("acc", slot, .constant(0, element))]),
          .loop(Loop("d", to: .constant(matrix.width), [tile([.store("acc", slot, term)])])),
          tile([.store(array, (c + r) * lanes + lane, finish(c + r, sum))]),
        ]))
  }

  private func tile(_ body: [Statement], count: Int? = nil) -> Statement {
    overLanes([.loop(Loop("r", to: .constant(Self.tileRows), kind: .unrolled, body))], count: count)
  }

  /// A score, or minus infinity where the query does not see the key.
  func masked(_ row: Index, _ score: Scalar) -> Scalar {
    let (key, least) = (k0 + row, Scalar.float(-.infinity, element))
    var conditions: [Scalar] = []
    if op.causal { conditions.append(.compare(.le, .index(key, .i32), .index(q0 + lane + op.past, .i32))) }
    if shape.keys % Self.tileRows != 0 { conditions.append(.compare(.lt, .index(key, .i32), .integer(shape.keys, .i32))) }
    if let mask = shape.mask { conditions.append(.load(mask, sequence * shape.keys + self.key(row))) }
    guard let first = conditions.first else { return score }
    return .select(conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }, score, least)
  }

  /// For each row of the block's tiles.
  func overRows(_ body: (Index) -> [Statement]) -> Statement {
    .loop(Loop("c", to: tiles, [overLanes(body(.variable("c")))]))
  }

  /// For rows (keys of the block, or its queries) in tiles, and columns in vectors: finish(row, column, start(row, column) + sum over t of
  /// weight(row, t) value(t, column)).
  func sums(
    rows: Index, width: Int, terms: Index, start: (Index, Index) -> Scalar, weight: (Index, Index) -> Scalar,
    value: (Index, Index) -> Scalar, finish: (Index, Index, Scalar) -> [Statement]
  ) -> Statement {
    let (r, c, t) = (Index.variable("r"), Index.variable("c0"), Index.variable("t"))
    func columns(from first: Index, _ count: Int) -> [Statement] {
      let slot = r * count + lane
      let sum = Scalar.load("acc", slot)
      return [
        .array("acc", element, count: Self.tileRows * count),
        tile([.store("acc", slot, start(c + r, first + lane))], count: count),
        .loop(Loop("t", to: terms, [tile([.store("acc", slot, .fma(weight(c + r, t), value(t, first + lane), sum))], count: count)])),
        tile(finish(c + r, first + lane, sum), count: count),
      ]
    }
    let widest = element == .f32 ? 32 : 16
    let whole = width / widest * widest
    var body: [Statement] = []
    if whole > 0 { body.append(.loop(Loop("j", to: .constant(whole), step: widest, columns(from: .variable("j"), widest)))) }
    var (first, rest) = (whole, width - whole)
    for count in [widest / 2, rest % (widest / 2)] where count > 0 && count <= rest {
      // In a loop of one round, so that the tile is an array of its own.
      body.append(.loop(Loop("j", from: .constant(first), to: .constant(first + 1), columns(from: .variable("j"), count))))
      (first, rest) = (first + count, rest - count)
    }
    return .loop(Loop("c0", to: rows, step: Self.tileRows, body))
  }

  /// The sums over the block's queries for each of its keys, added to rows of `result`.
  func addedToKeys(_ result: AttentionShape.Matrix, weights: String, _ values: AttentionShape.Matrix) -> Statement {
    sums(
      rows: tiles, width: result.width, terms: queriesLeft,
      start: { load(result, shared, key($0), $1) }, weight: { .load(weights, $0 * lanes + $1) },
      value: { load(values, head, q0 + $0, $1) },
      finish: { row, column, sum in
        let store = Statement.store(result.buffer, result.offset(sequence, shared, key(row), column), sum)
        guard shape.keys % Self.tileRows != 0 else { return [store] }
        return [.when(.compare(.lt, .index(k0 + row, .i32), .integer(shape.keys, .i32)), [store], otherwise: [])]
      })
  }

  /// The sums over the block's keys for each of its queries, added to an array [query, column], whose rows are first multiplied by
  /// `factor`.
  func addedToQueries(_ array: String, weights: String, _ values: AttentionShape.Matrix, factor: String? = nil) -> Statement {
    let width = values.width
    return sums(
      rows: .constant(lanes), width: width, terms: rows,
      start: { row, column in
        let old = Scalar.load(array, row * width + column)
        return factor.map { old * .load($0, row) } ?? old
      }, weight: { .load(weights, $1 * lanes + $0) }, value: { load(values, shared, k0 + $0, $1) },
      finish: { [.store(array, $0 * width + $1, $2)] })
  }

  func zeros(_ array: String, count: Int) -> Statement {
    .loop(Loop("e", to: .constant(count), [.store(array, .variable("e"), .constant(0, element))]))
  }
}
