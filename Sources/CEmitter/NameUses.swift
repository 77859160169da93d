import LoopIR

/// Which names a kernel reads, so that nothing unused is declared without a word to the compiler.
struct NameUses {
  /// Defines and variables that are read.
  private(set) var values: Set<String> = []
  /// Buffers and local arrays that are read or written.
  private(set) var arrays: Set<String> = []
  /// Buffers and local arrays that are read.
  private(set) var loaded: Set<String> = []
  /// Loop variables, symbols, `part`.
  private(set) var indices: Set<String> = []

  /// Values of defines: what they read counts once they are read themselves.
  private var pending: [String: [Scalar]] = [:]

  init(_ kernel: Kernel) { visit(kernel.body) }

  private mutating func visit(_ statements: [Statement]) {
    for statement in statements { visit(statement) }
  }

  private mutating func visit(_ statement: Statement) {
    switch statement {
    case .comment, .array: break
    case .loop(let loop):
      visit(loop.lower)
      visit(loop.upper)
      visit(loop.body)
    case .when(let condition, let body, let otherwise):
      visit(condition)
      visit(body)
      visit(otherwise)
    case .define(let name, _, let value):
      if values.contains(name) { visit(value) } else { pending[name, default: []].append(value) }
    case .variable(_, _, let value), .assign(_, let value): visit(value)
    case .store(let name, let index, let value):
      arrays.insert(name)
      visit(index)
      visit(value)
    case .gemm(let gemm):
      for matrix in [gemm.a, gemm.b, gemm.c] {
        arrays.insert(matrix.buffer)
        loaded.insert(matrix.buffer)
        visit(matrix.offset)
      }
      for index in [gemm.m, gemm.n, gemm.k] { visit(index) }
      visit(gemm.beta)
    case .repeatWhile(let condition, _, let body):
      visit(condition)
      visit(body)
    }
  }

  private mutating func visit(_ scalar: Scalar) {
    switch scalar {
    case .variable(let name):
      values.insert(name)
      for value in pending.removeValue(forKey: name) ?? [] { visit(value) }
    case .load(let name, let index):
      arrays.insert(name)
      loaded.insert(name)
      visit(index)
    case .index(let index, _): visit(index)
    default: for child in scalar.children { visit(child) }
    }
  }

  private mutating func visit(_ index: Index) {
    switch index {
    case .constant: break
    case .variable(let name): indices.insert(name)
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b):
      visit(a)
      visit(b)
    case .multiply(let a, _), .divide(let a, _), .remainder(let a, _): visit(a)
    case .indirect(let scalar, _): visit(scalar)
    }
  }
}
