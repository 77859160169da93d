import Basics

/// One matrix product as BLAS takes it: row major, C[m, n] = alpha op(A) op(B) + beta C; strides in elements.
public struct GemmCall {
  public var element: ElementType
  public var transposeA: Bool
  public var transposeB: Bool
  public var m: Int
  public var n: Int
  public var k: Int
  public var alpha: Double
  public var a: UnsafeRawPointer
  public var strideA: Int
  public var b: UnsafeRawPointer
  public var strideB: Int
  public var beta: Double
  public var c: UnsafeMutableRawPointer
  public var strideC: Int
}

/// Runs the entries of a program, statement by statement, with the exact arithmetic of the language: the oracle of the emitted C. Every
/// access is checked against its buffer, and reading memory of the arena or of a local array that was never written is an error.
public struct Interpreter {
  /// Computes a matrix product; the same BLAS that the C calls gives the same bits.
  public typealias GemmImplementation = (GemmCall) -> Void

  /// The status of an entry that found a loss or a norm that is not finite, as in C.
  public static let notFinite = 2

  public let program: Program
  /// Matrix products; nil: a plain loop over k.
  public var gemm: GemmImplementation?
  /// Whether parts run from the last to the first: the result must not depend on it.
  public var reversesParts = false
  /// Whether reading memory that was never written is an error.
  public var checksDefinedness = true
  private let kernels: [KernelCode]

  /// Prepares a program; throws where a kernel uses unknown names or types that do not fit.
  public init(_ program: Program, gemm: GemmImplementation? = nil) throws(Diagnostic) {
    self.program = program
    self.gemm = gemm
    var kernels: [KernelCode] = []
    for kernel in program.kernels {
      do { kernels.append(try KernelCompiler.compile(kernel)) } catch {
        throw Diagnostic("\(error.message), in kernel \(kernel.name)", kind: .bug)
      }
    }
    self.kernels = kernels
  }

  /// Runs an entry on copies of the blocks and puts the results back; the arena is made when it is not given. Returns 0, or `notFinite`.
  public func run(_ entry: String, memory: inout [Block: [UInt8]], symbols: [String: Int]) throws(Diagnostic) -> Int {
    var pointers: [Block: UnsafeMutableRawBufferPointer] = [:]
    defer { for pointer in pointers.values { pointer.deallocate() } }
    for (block, bytes) in memory {
      let pointer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
      pointer.copyBytes(from: bytes)
      pointers[block] = pointer
    }
    let status = try run(entry, blocks: pointers, symbols: symbols)
    for block in memory.keys { memory[block] = Array(pointers[block]!) }
    return status
  }

  /// Runs an entry in place on the caller's blocks.
  public func run(_ entry: String, blocks: [Block: UnsafeMutableRawBufferPointer], symbols: [String: Int]) throws(Diagnostic) -> Int {
    guard let entry = program.entry(entry) else { throw .bug("the program \(program.name) has no entry `\(entry)`") }
    for symbol in program.symbols {
      guard let value = symbols[symbol.name], value >= 1, value <= symbol.maximum else {
        throw Diagnostic("\(symbol.name) is \(symbols[symbol.name].map(String.init) ?? "not given"), not in 1 ... \(symbol.maximum)")
      }
    }
    var memory = InterpreterMemory(program, entry, blocks, checksDefinedness: checksDefinedness)
    defer { memory.deallocate() }
    return try run(entry.steps, &memory, symbols)
  }

  private func run(_ steps: [Step], _ memory: inout InterpreterMemory, _ symbols: [String: Int]) throws(Diagnostic) -> Int {
    for step in steps {
      switch step {
      case .loop(let counter, let body):
        var inner = symbols
        for round in 1...max(1, counter.maximum) {
          inner[counter.name] = round
          let status = try run(body, &memory, inner)
          if status != 0 { return status }
        }
      case .call(let kernel, let buffers):
        guard program.kernels.indices.contains(kernel) else { throw .bug("there is no kernel \(kernel)") }
        try call(kernel, buffers, &memory, symbols)
      case .requireFinite(let buffer):
        let array = try memory.array(buffer)
        guard array.count > 0 else { throw .bug("an empty buffer is required to be finite") }
        for position in 0..<array.count {
          let bits = array.base.bits(position, array.element)
          let value = array.element == .f32 ? Double(Arithmetic.single(bits)) : Arithmetic.double(bits)
          if !value.isFinite { return Interpreter.notFinite }
        }
      }
    }
    return 0
  }

  private func call(_ number: Int, _ buffers: [Int], _ memory: inout InterpreterMemory, _ symbols: [String: Int]) throws(Diagnostic) {
    let code = kernels[number], kernel = program.kernels[number]
    guard buffers.count == kernel.parameters.count else {
      throw .bug("kernel \(kernel.name) takes \(kernel.parameters.count) buffers, not \(buffers.count)")
    }
    var arrays: [InterpreterArray] = []
    for (buffer, parameter) in zip(buffers, kernel.parameters) {
      var array = try memory.array(buffer)
      guard array.element == parameter.element else {
        throw .bug("kernel \(kernel.name) gets \(array.element) for `\(parameter.name)` of \(parameter.element)")
      }
      array.count = min(array.count, parameter.count)
      arrays.append(array)
    }
    let locals = code.arrays[code.parameterCount...].map { InterpreterArray.local($0.element, count: $0.count) }
    defer { for local in locals { local.deallocate() } }
    let parts = try kernel.parts.value(symbols)
    for position in 0..<max(0, parts) {
      var run = KernelRun(code: code, name: kernel.name, arrays: arrays + locals, gemm: gemm)
      try run.run(symbols: symbols, part: reversesParts ? parts - 1 - position : position)
    }
  }
}

extension Index {
  /// The value for given variables; no indirect parts.
  public func value(_ variables: [String: Int]) throws(Diagnostic) -> Int {
    switch self {
    case .constant(let value): return value
    case .variable(let name):
      guard let value = variables[name] else { throw .bug("no index variable is named `\(name)`") }
      return value
    case .add(let a, let b): return try a.value(variables) + b.value(variables)
    case .multiply(let a, let factor): return try a.value(variables) * factor
    case .divide(let a, let divisor): return floorDivide(try a.value(variables), divisor)
    case .remainder(let a, let divisor): return floorRemainder(try a.value(variables), divisor)
    case .minimum(let a, let b): return min(try a.value(variables), try b.value(variables))
    case .maximum(let a, let b): return max(try a.value(variables), try b.value(variables))
    case .indirect: throw .bug("an indirect index has no value outside a kernel")
    }
  }
}
