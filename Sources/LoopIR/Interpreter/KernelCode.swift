import Basics

/// One instruction of the interpreter: registers are numbered words; `target` is written.
struct Instruction {
  enum Operation: UInt8 {
    case move, addIndex, divideIndex, remainderIndex, minimumIndex, maximumIndex, checkBound, toIndex
    case addF32, subF32, mulF32, divF32, fmaF32, addF64, subF64, mulF64, divF64, fmaF64
    case unary, binary, fma, compare, select, cast, indexToScalar
    case load, store, beginArray, gemm
    case jump, jumpIfFalse, jumpIfNotLess, stop
  }

  var operation: Operation
  var element: ElementType = .i64
  var other: ElementType = .i64
  var unary: UnaryOperation = .neg
  var binary: BinaryOperation = .add
  var comparison: Comparison = .lt
  var target: Int32 = 0
  var a: Int32 = 0
  var b: Int32 = 0
  var c: Int32 = 0
  /// A factor, divisor, bound, array number or jump destination.
  var immediate: Int = 0
}

/// A gemm with its operands in registers; arrays by number.
struct GemmCode {
  var statement: Gemm
  var m: Int32
  var n: Int32
  var k: Int32
  var beta: Int32
  var arrays: (a: Int, b: Int, c: Int)
  var offsets: (a: Int32, b: Int32, c: Int32)
}

/// A kernel as instructions.
struct KernelCode {
  var instructions: [Instruction] = []
  /// First values of all registers: constants, zero elsewhere.
  var registers: [UInt64] = []
  var symbols: [(name: String, register: Int32)] = []
  var part: Int32 = 0
  /// Elements of every array: the parameters' first, then the local ones (with a count).
  var arrays: [(name: String, element: ElementType, count: Int)] = []
  var parameterCount = 0
  var gemms: [GemmCode] = []
  /// The statement that each stretch of instructions comes from, by its first instruction.
  var origins: [(start: Int, statement: Statement)] = []

  /// The statement that instruction `position` belongs to.
  func statement(at position: Int) -> Statement? { origins.last { $0.start <= position }?.statement }
}
