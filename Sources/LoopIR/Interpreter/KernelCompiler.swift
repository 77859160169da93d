import Basics

/// Turns a kernel's tree into instructions. Every expression gets a register of its own; constants are registers filled before the start.
struct KernelCompiler {
  private var code = KernelCode()
  private var constants: [UInt64: Int32] = [:]
  /// Names in scope; `define`s of an inner block are dropped at its end.
  private var scalars: [String: (register: Int32, element: ElementType)] = [:]
  private var indices: [String: Int32] = [:]
  private var arrays: [String: Int] = [:]
  private let kernel: Kernel

  private init(_ kernel: Kernel) { self.kernel = kernel }

  /// The instructions of a kernel; throws where it uses a name that is not there or types that do not fit.
  static func compile(_ kernel: Kernel) throws(Diagnostic) -> KernelCode {
    var compiler = KernelCompiler(kernel)
    for parameter in kernel.parameters {
      compiler.arrays[parameter.name] = compiler.code.arrays.count
      compiler.code.arrays.append((parameter.name, parameter.element, parameter.count))
    }
    compiler.code.parameterCount = kernel.parameters.count
    for symbol in kernel.symbols {
      let register = compiler.register()
      compiler.indices[symbol] = register
      compiler.code.symbols.append((symbol, register))
    }
    compiler.code.part = compiler.register()
    compiler.indices["part"] = compiler.code.part
    try compiler.block(kernel.body)
    compiler.emit(Instruction(operation: .stop))
    return compiler.code
  }

  private mutating func register() -> Int32 {
    code.registers.append(0)
    return Int32(code.registers.count - 1)
  }

  private mutating func constant(_ bits: UInt64) -> Int32 {
    if let known = constants[bits] { return known }
    let register = register()
    code.registers[Int(register)] = bits
    constants[bits] = register
    return register
  }

  private mutating func constant(_ value: Int) -> Int32 { constant(UInt64(bitPattern: Int64(value))) }

  @discardableResult
  private mutating func emit(_ instruction: Instruction) -> Int {
    code.instructions.append(instruction)
    return code.instructions.count - 1
  }

  /// Appends an instruction that writes a new register.
  private mutating func value(_ instruction: Instruction) -> Int32 {
    var instruction = instruction
    instruction.target = register()
    emit(instruction)
    return instruction.target
  }

  private mutating func patch(_ position: Int) { code.instructions[position].immediate = code.instructions.count }
}

// Statements.
extension KernelCompiler {
  private mutating func block(_ statements: [Statement]) throws(Diagnostic) {
    let outerScalars = scalars, outerArrays = arrays
    for statement in statements { try compile(statement) }
    scalars = outerScalars
    arrays = outerArrays
  }

  private mutating func compile(_ statement: Statement) throws(Diagnostic) {
    code.origins.append((code.instructions.count, statement))
    switch statement {
    case .comment: break
    case .loop(let loop): try compile(loop, statement)
    case .when(let condition, let then, let otherwise): try when(condition, then, otherwise)
    case .define(let name, let element, let value), .variable(let name, let element, let value):
      let (source, type) = try scalar(value)
      guard type == element else { throw .bug("`\(name)` is \(element), its value \(type)") }
      let target = register()
      emit(Instruction(operation: .move, target: target, a: source))
      scalars[name] = (target, element)
    case .assign(let name, let value):
      let (source, type) = try scalar(value)
      guard let (target, element) = scalars[name] else { throw .bug("no variable is named `\(name)`") }
      guard type == element else { throw .bug("`\(name)` is \(element), the value assigned \(type)") }
      emit(Instruction(operation: .move, target: target, a: source))
    case .array(let name, let element, let count):
      arrays[name] = code.arrays.count
      code.arrays.append((name, element, count))
      emit(Instruction(operation: .beginArray, immediate: code.arrays.count - 1))
    case .store(let name, let position, let value):
      let (source, type) = try scalar(value)
      let array = try array(name)
      guard code.arrays[array].element == type else {
        throw .bug("`\(name)` holds \(code.arrays[array].element), the value stored is \(type)")
      }
      emit(Instruction(operation: .store, element: type, a: try index(position), b: source, immediate: array))
    case .gemm(let gemm): try compile(gemm)
    case .repeatWhile(let condition, let limit, let body): try repeatWhile(condition, limit, body)
    }
  }

  private mutating func compile(_ loop: Loop, _ statement: Statement) throws(Diagnostic) {
    guard loop.step > 0 else { throw .bug("loop `\(loop.variable)` has step \(loop.step)") }
    let lower = try index(loop.lower), upper = try index(loop.upper)
    let counter = register()
    let outer = indices[loop.variable]
    indices[loop.variable] = counter
    emit(Instruction(operation: .move, target: counter, a: lower))
    let test = emit(Instruction(operation: .jumpIfNotLess, a: counter, b: upper))
    try block(loop.body)
    code.origins.append((code.instructions.count, statement))
    emit(Instruction(operation: .addIndex, target: counter, a: counter, b: constant(loop.step), immediate: 1))
    emit(Instruction(operation: .jump, immediate: test))
    patch(test)
    indices[loop.variable] = outer
  }

  private mutating func when(_ condition: Scalar, _ then: [Statement], _ otherwise: [Statement]) throws(Diagnostic) {
    let test = emit(Instruction(operation: .jumpIfFalse, a: try boolean(condition)))
    try block(then)
    guard !otherwise.isEmpty else { return patch(test) }
    let end = emit(Instruction(operation: .jump))
    patch(test)
    try block(otherwise)
    patch(end)
  }

  private mutating func repeatWhile(_ condition: Scalar, _ limit: Int, _ body: [Statement]) throws(Diagnostic) {
    let counter = register()
    emit(Instruction(operation: .move, target: counter, a: constant(0)))
    let start = emit(Instruction(operation: .jumpIfNotLess, a: counter, b: constant(limit)))
    let test = emit(Instruction(operation: .jumpIfFalse, a: try boolean(condition)))
    try block(body)
    emit(Instruction(operation: .addIndex, target: counter, a: counter, b: constant(1), immediate: 1))
    emit(Instruction(operation: .jump, immediate: start))
    patch(start)
    patch(test)
  }

  private mutating func compile(_ gemm: Gemm) throws(Diagnostic) {
    let (beta, type) = try scalar(gemm.beta)
    guard type == gemm.element, type.isFloat else { throw .bug("gemm of \(gemm.element) with beta of \(type)") }
    let numbers = (try array(gemm.a.buffer), try array(gemm.b.buffer), try array(gemm.c.buffer))
    for number in [numbers.0, numbers.1, numbers.2] where code.arrays[number].element != gemm.element {
      throw .bug("gemm of \(gemm.element) on `\(code.arrays[number].name)`, which holds \(code.arrays[number].element)")
    }
    code.gemms.append(
      GemmCode(
        statement: gemm, m: try index(gemm.m), n: try index(gemm.n), k: try index(gemm.k), beta: beta, arrays: numbers,
        offsets: (try index(gemm.a.offset), try index(gemm.b.offset), try index(gemm.c.offset))))
    emit(Instruction(operation: .gemm, immediate: code.gemms.count - 1))
  }

  private func array(_ name: String) throws(Diagnostic) -> Int {
    guard let number = arrays[name] else { throw .bug("no buffer or array is named `\(name)`") }
    return number
  }
}

// Expressions.
extension KernelCompiler {
  private mutating func index(_ index: Index) throws(Diagnostic) -> Int32 {
    let linear = Linear(index)
    var sum: Int32?
    for term in linear.terms {
      let atom = try atom(term.atom)
      if sum == nil, term.factor == 1, linear.constant == 0 {
        sum = atom
      } else {
        sum = value(Instruction(operation: .addIndex, a: sum ?? constant(linear.constant), b: atom, immediate: term.factor))
      }
    }
    return sum ?? constant(linear.constant)
  }

  private mutating func atom(_ index: Index) throws(Diagnostic) -> Int32 {
    switch index {
    case .variable(let name):
      guard let register = indices[name] else { throw .bug("no index variable is named `\(name)`") }
      return register
    case .divide(let a, let divisor):
      guard divisor > 0 else { throw .bug("an index is divided by \(divisor)") }
      return value(Instruction(operation: .divideIndex, a: try self.index(a), immediate: divisor))
    case .remainder(let a, let divisor):
      guard divisor > 0 else { throw .bug("an index is divided by \(divisor)") }
      return value(Instruction(operation: .remainderIndex, a: try self.index(a), immediate: divisor))
    case .minimum(let a, let b): return value(Instruction(operation: .minimumIndex, a: try self.index(a), b: try self.index(b)))
    case .maximum(let a, let b): return value(Instruction(operation: .maximumIndex, a: try self.index(a), b: try self.index(b)))
    case .indirect(let inner, let bound):
      let (source, element) = try scalar(inner)
      guard element.isInteger else { throw .bug("an indirect index is \(element), not an integer") }
      let whole = value(Instruction(operation: .toIndex, element: element, a: source))
      emit(Instruction(operation: .checkBound, a: whole, immediate: bound))
      return whole
    case .constant, .add, .multiply: return try self.index(index)
    }
  }

  private mutating func boolean(_ condition: Scalar) throws(Diagnostic) -> Int32 {
    let (register, element) = try scalar(condition)
    guard element == .bool else { throw .bug("a condition is \(element), not bool") }
    return register
  }

  private typealias Typed = (register: Int32, element: ElementType)

  private mutating func scalar(_ scalar: Scalar) throws(Diagnostic) -> Typed {
    switch scalar {
    case .literal(let literal): return (constant(literal.bits), literal.element)
    case .variable(let name):
      guard let known = scalars[name] else { throw .bug("no scalar is named `\(name)`") }
      return known
    case .load(let name, let position):
      let number = try array(name), element = code.arrays[number].element
      return (value(Instruction(operation: .load, element: element, a: try index(position), immediate: number)), element)
    case .element: throw .bug("an operand's element is left in a kernel")
    case .index(let inner, let element):
      let whole = try index(inner)
      return element.size == 8 && element.isInteger
        ? (whole, element) : (value(Instruction(operation: .indexToScalar, element: element, a: whole)), element)
    case .unary(let operation, let a):
      let (x, element) = try self.scalar(a)
      let result = value(Instruction(operation: .unary, element: element, unary: operation, a: x))
      return (result, try type(of: .unary(operation, .variable("a")), ["a": element]))
    case .binary(let operation, let a, let b): return try binary(operation, try self.scalar(a), try self.scalar(b))
    case .fma(let a, let b, let c):
      let x = try self.scalar(a), y = try self.scalar(b), z = try self.scalar(c)
      let variables = ["a": x.element, "b": y.element, "c": z.element]
      let element = try type(of: .fma(.variable("a"), .variable("b"), .variable("c")), variables)
      let operation: Instruction.Operation = element == .f32 ? .fmaF32 : .fmaF64
      return (value(Instruction(operation: operation, a: x.register, b: y.register, c: z.register)), element)
    case .compare(let comparison, let a, let b):
      let x = try self.scalar(a), y = try self.scalar(b)
      _ = try type(of: .compare(comparison, .variable("a"), .variable("b")), ["a": x.element, "b": y.element])
      let instruction = Instruction(operation: .compare, element: x.element, comparison: comparison, a: x.register, b: y.register)
      return (value(instruction), .bool)
    case .select(let condition, let a, let b): return try select(condition, a, b)
    case .cast(let element, let a):
      let x = try self.scalar(a)
      return (value(Instruction(operation: .cast, element: x.element, other: element, a: x.register)), element)
    case .bitcast(let element, let a):
      let x = try self.scalar(a)
      return (x.register, try type(of: .bitcast(element, .variable("a")), ["a": x.element]))
    case .call(let function, let arguments): return try call(function, arguments)
    }
  }

  private func type(of scalar: Scalar, _ variables: [String: ElementType]) throws(Diagnostic) -> ElementType {
    try scalar.type(in: TypeEnvironment(variables: variables))
  }

  private mutating func binary(_ operation: BinaryOperation, _ x: Typed, _ y: Typed) throws(Diagnostic) -> Typed {
    let element = try type(of: .binary(operation, .variable("a"), .variable("b")), ["a": x.element, "b": y.element])
    let fast: Instruction.Operation? =
      switch (element, operation) {
      case (.f32, .add): .addF32
      case (.f32, .sub): .subF32
      case (.f32, .mul): .mulF32
      case (.f32, .div): .divF32
      case (.f64, .add): .addF64
      case (.f64, .sub): .subF64
      case (.f64, .mul): .mulF64
      case (.f64, .div): .divF64
      default: nil
      }
    return (
      value(Instruction(operation: fast ?? .binary, element: element, binary: operation, a: x.register, b: y.register)), element
    )
  }

  /// Only the chosen side is evaluated; sides without memory access or division are evaluated both.
  private mutating func select(_ condition: Scalar, _ a: Scalar, _ b: Scalar) throws(Diagnostic) -> Typed {
    let test = try boolean(condition)
    if a.isLeaf, b.isLeaf {
      let x = try scalar(a), y = try scalar(b)
      guard x.element == y.element else { throw .bug("select between \(x.element) and \(y.element)") }
      return (value(Instruction(operation: .select, a: test, b: x.register, c: y.register)), x.element)
    }
    let target = register()
    let branch = emit(Instruction(operation: .jumpIfFalse, a: test))
    let x = try scalar(a)
    emit(Instruction(operation: .move, target: target, a: x.register))
    let end = emit(Instruction(operation: .jump))
    patch(branch)
    let y = try scalar(b)
    guard x.element == y.element else { throw .bug("select between \(x.element) and \(y.element)") }
    emit(Instruction(operation: .move, target: target, a: y.register))
    patch(end)
    return (target, x.element)
  }

  /// The function's definition, inline, with the arguments as its parameters.
  private mutating func call(_ function: MathFunction, _ arguments: [Scalar]) throws(Diagnostic) -> Typed {
    var values: [Typed] = []
    for argument in arguments { values.append(try scalar(argument)) }
    let names = arguments.indices.map { "a\($0)" }
    let environment = Dictionary(uniqueKeysWithValues: zip(names, values.map(\.element)))
    let element = try type(of: .call(function, names.map { .variable($0) }), environment)
    let definition = function.definition(for: element)
    let outer = scalars
    scalars = [:]
    for (name, value) in zip(definition.parameters, values) { scalars[name] = value }
    for step in definition.definitions { scalars[step.name] = try scalar(step.value) }
    let result = try scalar(definition.result)
    scalars = outer
    return result
  }
}

extension Scalar {
  /// A literal or a variable: nothing to evaluate.
  fileprivate var isLeaf: Bool {
    switch self {
    case .literal, .variable: true
    default: false
    }
  }
}
