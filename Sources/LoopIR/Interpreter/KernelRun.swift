import Basics

/// One run of a kernel's instructions.
struct KernelRun {
  private let code: KernelCode
  private let name: String
  private let arrays: [InterpreterArray]
  private let gemm: Interpreter.GemmImplementation?
  private var registers: UnsafeMutablePointer<UInt64>

  init(code: KernelCode, name: String, arrays: [InterpreterArray], gemm: Interpreter.GemmImplementation?) {
    self.code = code
    self.name = name
    self.arrays = arrays
    self.gemm = gemm
    registers = .allocate(capacity: max(1, code.registers.count))
  }

  /// Runs the kernel's body once, for one part. To be called once.
  mutating func run(symbols: [String: Int], part: Int) throws(Diagnostic) {
    defer { registers.deallocate() }
    code.registers.withUnsafeBufferPointer { first in
      if let base = first.baseAddress { registers.initialize(from: base, count: first.count) }
    }
    for symbol in code.symbols {
      guard let value = symbols[symbol.name] else { throw .bug("no value is given for symbol `\(symbol.name)`") }
      setIndex(symbol.register, value)
    }
    setIndex(code.part, part)
    // Typed errors do not pass through the closures that give the pointers, so they are carried out by hand.
    let failure: Diagnostic? = code.instructions.withUnsafeBufferPointer { instructions in
      arrays.withUnsafeBufferPointer { buffer in
        // A kernel without arrays touches none, so that any pointer will do.
        let arrays = buffer.baseAddress ?? UnsafePointer(bitPattern: MemoryLayout<InterpreterArray>.alignment)!
        do throws(Diagnostic) { try execute(instructions.baseAddress!, arrays) } catch { return error }
        return nil
      }
    }
    if let failure { throw failure }
  }

  private func index(_ register: Int32) -> Int { Int(truncatingIfNeeded: registers[Int(register)]) }
  private func setIndex(_ register: Int32, _ value: Int) { registers[Int(register)] = UInt64(bitPattern: Int64(value)) }
  private func word(_ register: Int32) -> UInt64 { registers[Int(register)] }
  private func single(_ register: Int32) -> Float { Float(bitPattern: UInt32(truncatingIfNeeded: registers[Int(register)])) }
  private func double(_ register: Int32) -> Double { Double(bitPattern: registers[Int(register)]) }
  private func set(_ register: Int32, _ value: UInt64) { registers[Int(register)] = value }
  private func set(_ register: Int32, _ value: Float) { registers[Int(register)] = UInt64(value.bitPattern) }
  private func set(_ register: Int32, _ value: Double) { registers[Int(register)] = value.bitPattern }

  private func execute(
    _ instructions: UnsafePointer<Instruction>, _ arrays: UnsafePointer<InterpreterArray>
  ) throws(Diagnostic) {
    var position = 0
    while true {
      let i = instructions[position]
      switch i.operation {
      case .stop: return
      case .jump:
        position = i.immediate
        continue
      case .jumpIfFalse:
        if word(i.a) == 0 {
          position = i.immediate
          continue
        }
      case .jumpIfNotLess:
        if index(i.a) >= index(i.b) {
          position = i.immediate
          continue
        }
      case .load: try load(i, arrays[i.immediate], position)
      case .store: try store(i, arrays[i.immediate], position)
      case .beginArray: arrays[i.immediate].forget()
      case .gemm: try run(code.gemms[i.immediate], arrays, position)
      case .checkBound:
        guard index(i.a) >= 0, index(i.a) < i.immediate else {
          throw failure("an indirect index is \(index(i.a)), not in 0 ..< \(i.immediate)", position)
        }
      case .binary:
        guard let result = Arithmetic.binary(i.binary, i.element, word(i.a), word(i.b)) else {
          throw failure("\(i.binary.rawValue) of \(i.element) with \(Arithmetic.integer(word(i.b), i.element)) is not defined", position)
        }
        set(i.target, result)
      default: compute(i)
      }
      position += 1
    }
  }

  /// The instructions that cannot fail.
  private func compute(_ i: Instruction) {
    switch i.operation {
    case .move: set(i.target, word(i.a))
    case .addIndex: setIndex(i.target, index(i.a) &+ index(i.b) &* i.immediate)
    case .addF32: set(i.target, single(i.a) + single(i.b))
    case .subF32: set(i.target, single(i.a) - single(i.b))
    case .mulF32: set(i.target, single(i.a) * single(i.b))
    case .divF32: set(i.target, single(i.a) / single(i.b))
    case .fmaF32: set(i.target, single(i.c).addingProduct(single(i.a), single(i.b)))
    case .addF64: set(i.target, double(i.a) + double(i.b))
    case .subF64: set(i.target, double(i.a) - double(i.b))
    case .mulF64: set(i.target, double(i.a) * double(i.b))
    case .divF64: set(i.target, double(i.a) / double(i.b))
    case .fmaF64: set(i.target, double(i.c).addingProduct(double(i.a), double(i.b)))
    case .divideIndex: setIndex(i.target, floorDivide(index(i.a), i.immediate))
    case .remainderIndex: setIndex(i.target, floorRemainder(index(i.a), i.immediate))
    case .minimumIndex: setIndex(i.target, min(index(i.a), index(i.b)))
    case .maximumIndex: setIndex(i.target, max(index(i.a), index(i.b)))
    case .toIndex: setIndex(i.target, Arithmetic.integer(word(i.a), i.element))
    case .indexToScalar: set(i.target, Arithmetic.index(index(i.a), as: i.element))
    case .unary: set(i.target, Arithmetic.unary(i.unary, i.element, word(i.a)))
    case .compare: set(i.target, Arithmetic.compare(i.comparison, i.element, word(i.a), word(i.b)) ? 1 as UInt64 : 0)
    case .select: set(i.target, word(i.a) != 0 ? word(i.b) : word(i.c))
    case .cast: set(i.target, Arithmetic.cast(word(i.a), from: i.element, to: i.other))
    default: preconditionFailure("an instruction that can fail")
    }
  }

  private func load(_ i: Instruction, _ array: InterpreterArray, _ position: Int) throws(Diagnostic) {
    let at = index(i.a)
    guard at >= 0, at < array.count else { throw outside(at, i.immediate, "reads", array.count, position) }
    guard array.isDefined(at) else { throw failure("reads `\(code.arrays[i.immediate].name)`[\(at)] before it is written", position) }
    set(i.target, array.base.bits(at, array.element))
  }

  private func store(_ i: Instruction, _ array: InterpreterArray, _ position: Int) throws(Diagnostic) {
    let at = index(i.a)
    guard at >= 0, at < array.count else { throw outside(at, i.immediate, "writes", array.count, position) }
    array.define(at)
    let value = word(i.b)
    switch array.element.size {
    case 1: array.base.assumingMemoryBound(to: UInt8.self)[at] = UInt8(truncatingIfNeeded: value)
    case 2: array.base.assumingMemoryBound(to: UInt16.self)[at] = UInt16(truncatingIfNeeded: value)
    case 4: array.base.assumingMemoryBound(to: UInt32.self)[at] = UInt32(truncatingIfNeeded: value)
    default: array.base.assumingMemoryBound(to: UInt64.self)[at] = value
    }
  }

  private func outside(_ at: Int, _ array: Int, _ verb: String, _ count: Int, _ position: Int) -> Diagnostic {
    failure("\(verb) `\(code.arrays[array].name)`[\(at)], which has \(count) elements", position)
  }

  private func failure(_ message: String, _ position: Int) -> Diagnostic {
    let origin = code.statement(at: position).map { "\n  \(Listing.firstLine(of: $0))" } ?? ""
    return .bug("kernel \(name) \(message)\(origin)")
  }
}

// Matrix products.
extension KernelRun {
  private func run(_ code: GemmCode, _ arrays: UnsafePointer<InterpreterArray>, _ position: Int) throws(Diagnostic) {
    let gemm = code.statement
    let m = index(code.m), n = index(code.n), k = index(code.k)
    guard m >= 0, n >= 0, k >= 0 else { throw failure("gemm with m = \(m), n = \(n), k = \(k)", position) }
    if m == 0 || n == 0 { return }
    let beta = gemm.element == .f32 ? Double(single(code.beta)) : double(code.beta)
    let a = arrays[code.arrays.a], b = arrays[code.arrays.b], c = arrays[code.arrays.c]
    let offsets = (index(code.offsets.a), index(code.offsets.b), index(code.offsets.c))
    let (rowsA, columnsA) = gemm.transposeA ? (k, m) : (m, k), (rowsB, columnsB) = gemm.transposeB ? (n, k) : (k, n)
    try check(a, gemm.a, offsets.0, rowsA, columnsA, reads: true, position)
    try check(b, gemm.b, offsets.1, rowsB, columnsB, reads: true, position)
    try check(c, gemm.c, offsets.2, m, n, reads: beta != 0, position)
    let size = gemm.element.size
    let call = GemmCall(
      element: gemm.element, transposeA: gemm.transposeA, transposeB: gemm.transposeB, m: m, n: n, k: k, alpha: gemm.alpha,
      a: UnsafeRawPointer(a.base + offsets.0 * size), strideA: gemm.a.stride, b: UnsafeRawPointer(b.base + offsets.1 * size),
      strideB: gemm.b.stride, beta: beta, c: c.base + offsets.2 * size, strideC: gemm.c.stride)
    if let implementation = self.gemm { implementation(call) } else { call.runPlainly() }
    for row in 0..<m { for column in 0..<n { c.define(offsets.2 + row * gemm.c.stride + column) } }
  }

  private func check(
    _ array: InterpreterArray, _ matrix: Gemm.Matrix, _ offset: Int, _ rows: Int, _ columns: Int, reads: Bool, _ position: Int
  ) throws(Diagnostic) {
    if rows == 0 || columns == 0 { return }
    guard matrix.stride >= columns, offset >= 0, offset + (rows - 1) * matrix.stride + columns <= array.count else {
      throw failure(
        "gemm takes \(rows)x\(columns) from `\(matrix.buffer)`[\(offset)] with stride \(matrix.stride), which has \(array.count) elements",
        position)
    }
    guard reads, array.defined != nil else { return }
    for row in 0..<rows {
      for column in 0..<columns where !array.isDefined(offset + row * matrix.stride + column) {
        throw failure("reads `\(matrix.buffer)`[\(offset + row * matrix.stride + column)] before it is written", position)
      }
    }
  }
}

extension GemmCall {
  /// The product by three loops, sums over k in order, one rounding a term: as the product that is emitted for programs without BLAS.
  func runPlainly() {
    for row in 0..<m {
      for column in 0..<n {
        if element == .f32 {
          let target = c.assumingMemoryBound(to: Float.self) + row * strideC + column
          let x = a.assumingMemoryBound(to: Float.self), y = b.assumingMemoryBound(to: Float.self)
          var sum: Float = 0
          for i in 0..<k {
            sum.addProduct(
              x[transposeA ? i * strideA + row : row * strideA + i], y[transposeB ? column * strideB + i : i * strideB + column])
          }
          target.pointee = beta == 0 ? Float(alpha) * sum : Float(alpha) * sum + Float(beta) * target.pointee
        } else {
          let target = c.assumingMemoryBound(to: Double.self) + row * strideC + column
          let x = a.assumingMemoryBound(to: Double.self), y = b.assumingMemoryBound(to: Double.self)
          var sum = 0.0
          for i in 0..<k {
            sum.addProduct(
              x[transposeA ? i * strideA + row : row * strideA + i], y[transposeB ? column * strideB + i : i * strideB + column])
          }
          target.pointee = beta == 0 ? alpha * sum : alpha * sum + beta * target.pointee
        }
      }
    }
  }
}
