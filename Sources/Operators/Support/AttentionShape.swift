import Basics
import GraphIR
import LoopIR

/// Where an attention's operands lie: sizes, and the place of each head's rows in the buffers `x0`, `x1` … of a kernel.
struct AttentionShape {
  /// A matrix of rows [N, rows, …] in a buffer of which each head has a range of columns.
  struct Matrix {
    var buffer: String
    /// Rows of each sequence.
    var rows: Int
    /// Elements between rows.
    var stride: Int
    /// The first head's first column, and columns a head.
    var column: Int
    var width: Int

    /// The place of an element.
    func offset(_ sequence: Index, _ head: Index, _ row: Index, _ column: Index) -> Index {
      sequence * (rows * stride) + head * width + row * stride + column + self.column
    }
  }

  var element: ElementType
  var batch: Dimension
  var q: Matrix
  var k: Matrix
  var v: Matrix
  /// The padding mask, [N, keys] of bool.
  var mask: String?
  var isPacked: Bool
  var heads: Int
  var keyValueHeads: Int

  var queries: Int { q.rows }
  var keys: Int { k.rows }
  /// Heads of queries that share one of keys and values.
  var group: Int { heads / keyValueHeads }
  /// The type of the attended values, and of the logarithms of the rows' sums.
  var results: [TensorType] {
    [
      TensorType(element, [batch, Dimension(queries), Dimension(heads * v.width)]),
      TensorType(element, [batch, Dimension(heads), Dimension(queries)]),
    ]
  }

  /// The widest head: what a tile of it takes in a kernel's own memory is bounded.
  static let widestHead = 512

  /// Checks the operands [qkv], [qkv, mask], [q, k, v] or [q, k, v, mask] of an attention.
  init(_ op: Attention, _ operands: [TensorType]) throws {
    let name = Attention.name
    guard (1...4).contains(operands.count) else {
      throw TypeError("\(name) takes qkv or q, k and v, and perhaps a mask; got \(operands.count) operands")
    }
    (heads, keyValueHeads, isPacked) = (op.heads, op.keyValueHeads, operands.count < 3)
    guard heads >= 1, keyValueHeads >= 1, heads % keyValueHeads == 0 else {
      throw TypeError("\(name): \(keyValueHeads) heads of keys and values do not divide \(heads) heads of queries")
    }
    guard op.scale.isFinite, op.past >= 0 else { throw TypeError("\(name) needs a finite scale and a past of 0 or more positions") }
    let sources = isPacked ? [operands[0]] : Array(operands.prefix(3))
    element = try requireFloats(name, sources.map(\.element))
    guard sources.allSatisfy({ $0.rank == 3 && $0.shape[0] == sources[0].shape[0] }) else {
      throw TypeError(
        "\(name) needs [batch, positions, heads * width], got \(sources.map(\.description).joined(separator: ", "))")
    }
    batch = sources[0].shape[0]
    let rows = try sources.map { try requireConstant(name, axis: 1, of: $0) }
    let columns = try sources.map { try requireConstant(name, axis: 2, of: $0) }
    let (many, few) = (op.heads, op.keyValueHeads)
    if isPacked {
      let width = columns[0] / (many + 2 * few)
      guard width * (many + 2 * few) == columns[0] else {
        throw TypeError("\(name) of \(sources[0]): \(columns[0]) columns are no \(many) + \(few) + \(few) heads of one width")
      }
      func part(_ head: Int) -> Matrix {
        Matrix(buffer: "x0", rows: rows[0], stride: columns[0], column: head * width, width: width)
      }
      (q, k, v) = (part(0), part(many), part(many + few))
    } else {
      let counts = [many, few, few]
      guard zip(columns, counts).allSatisfy({ $0 % $1 == 0 }), columns[0] / many == columns[1] / few, rows[1] == rows[2] else {
        throw TypeError(
          "\(name) with \(many) heads of queries and \(few) of keys and values does not fit "
            + sources.map(\.description).joined(separator: ", "))
      }
      func part(_ k: Int) -> Matrix {
        Matrix(buffer: "x\(k)", rows: rows[k], stride: columns[k], column: 0, width: columns[k] / counts[k])
      }
      (q, k, v) = (part(0), part(1), part(2))
    }
    guard q.rows > 0, k.rows > 0, (1...Self.widestHead).contains(q.width), (1...Self.widestHead).contains(v.width) else {
      throw TypeError("\(name) needs positions, and heads of 1 to \(Self.widestHead) columns, got \(q.width) and \(v.width)")
    }
    guard operands.count % 2 == 0 else { return }
    let given = operands[operands.count - 1]
    guard given == TensorType(.bool, [batch, Dimension(k.rows)]) else {
      throw TypeError("\(name) needs a mask \(TensorType(.bool, [batch, Dimension(k.rows)])), got \(given)")
    }
    mask = "x\(operands.count - 1)"
  }
}
