import Basics
import Foundation
import GraphIR
import LoopIR

/// Evaluates the scalars and statements of a lowering directly on tensors. Functions of floats are the C library's, so that gradc's own
/// are not their own judge; the random bits and the normal quantile are by definition.
struct ScalarEvaluator {
  var operands: [Tensor] = []
  /// Loop variables and symbols.
  var indices: [String: Int] = [:]
  var variables: [String: Literal] = [:]
  /// The flat buffers and local arrays of a loop nest.
  var buffers: [String: Tensor] = [:]

  func value(_ index: Index) throws -> Int {
    switch index {
    case .constant(let value): return value
    case .variable(let name):
      guard let value = indices[name] else { throw EvaluationError("no index variable \(name)") }
      return value
    case .add(let a, let b): return try value(a) + value(b)
    case .multiply(let a, let factor): return try value(a) * factor
    case .divide(let a, let divisor): return try nonnegative(a) / divisor
    case .remainder(let a, let divisor): return try nonnegative(a) % divisor
    case .minimum(let a, let b): return try min(value(a), value(b))
    case .maximum(let a, let b): return try max(value(a), value(b))
    case .indirect(let scalar, let bound):
      guard case .integer(let value, _) = try value(scalar), (0..<bound).contains(value) else {
        throw EvaluationError("an indirect index is outside 0 ..< \(bound)")
      }
      return value
    }
  }

  private func nonnegative(_ index: Index) throws -> Int {
    let value = try value(index)
    guard value >= 0 else { throw EvaluationError("the dividend of an index is \(value)") }
    return value
  }

  func value(_ scalar: Scalar) throws -> Literal {
    switch scalar {
    case .literal(let literal): return literal
    case .variable(let name):
      guard let value = variables[name] else { throw EvaluationError("no variable \(name)") }
      return value
    case .load(let name, let index):
      guard let buffer = buffers[name] else { throw EvaluationError("no buffer \(name)") }
      return Literal(bits: buffer.values[try buffer.offset([value(index)])], buffer.element)
    case .element(let k, let position):
      return Literal(bits: operands[k].values[try operands[k].offset(position.map { try value($0) })], operands[k].element)
    case .index(let index, let element): return Literal(bits: Arithmetic.index(try value(index), as: element), element)
    case .unary(let operation, let a):
      let a = try value(a)
      return Literal(bits: Arithmetic.unary(operation, a.element, a.bits), operation == .isNaN ? .bool : a.element)
    case .binary(let operation, let a, let b): return try binary(operation, value(a), value(b))
    case .fma(let a, let b, let c):
      let (a, b, c) = (try value(a), try value(b), try value(c))
      return Literal(bits: Arithmetic.fma(a.element, a.bits, b.bits, c.bits), a.element)
    case .compare(let comparison, let a, let b):
      let (a, b) = (try value(a), try value(b))
      guard a.element == b.element else { throw EvaluationError("comparison of \(a.element) and \(b.element)") }
      return .bool(Arithmetic.compare(comparison, a.element, a.bits, b.bits))
    case .select(let condition, let a, let b): return try value(value(condition) == .bool(true) ? a : b)
    case .cast(let element, let a):
      let a = try value(a)
      return Literal(bits: Arithmetic.cast(a.bits, from: a.element, to: element), element)
    case .bitcast(let element, let a): return Literal(bits: try value(a).bits, element)
    case .call(let function, let arguments): return try call(function, arguments.map { try value($0) })
    }
  }

  func binary(_ operation: BinaryOperation, _ a: Literal, _ b: Literal) throws -> Literal {
    guard a.element == b.element else { throw EvaluationError("\(operation.rawValue) of \(a.element) and \(b.element)") }
    guard let bits = Arithmetic.binary(operation, a.element, a.bits, b.bits) else {
      throw EvaluationError("\(operation.rawValue) is not defined here")
    }
    return Literal(bits: bits, a.element)
  }

  private func call(_ function: MathFunction, _ arguments: [Literal]) throws -> Literal {
    let element = arguments[0].element
    let x = number(arguments[0])
    let result: Double
    switch function {
    case .exp: result = exp(x)
    case .expm1: result = expm1(x)
    case .log: result = log(x)
    case .log1p: result = log1p(x)
    case .tanh: result = tanh(x)
    case .sigmoid: result = 1 / (1 + exp(-x))
    case .softplus: result = max(x, 0) + log1p(exp(-abs(x)))
    case .erf: result = erf(x)
    case .pow: result = pow(x, number(arguments[1]))
    case .sin: result = sin(x)
    case .cos: result = cos(x)
    case .tan: result = tan(x)
    case .asin: result = asin(x)
    case .acos: result = acos(x)
    case .atan: result = atan(x)
    case .sinh: result = sinh(x)
    case .cosh: result = cosh(x)
    case .asinh: result = asinh(x)
    case .acosh: result = acosh(x)
    case .atanh: result = atanh(x)
    case .normalQuantile, .randomBits: return try definition(function, element, arguments)
    }
    guard case .literal(let literal) = Scalar.float(result, element) else { throw EvaluationError("no literal") }
    return literal
  }

  private func definition(_ function: MathFunction, _ element: ElementType, _ arguments: [Literal]) throws -> Literal {
    let definition = function.definition(for: element)
    var inner = ScalarEvaluator()
    inner.variables = Dictionary(uniqueKeysWithValues: zip(definition.parameters, arguments))
    for step in definition.definitions { inner.variables[step.name] = try inner.value(step.value) }
    return try inner.value(definition.result)
  }

  mutating func run(_ statements: [Statement]) throws {
    for statement in statements { try run(statement) }
  }

  private mutating func run(_ statement: Statement) throws {
    switch statement {
    case .comment: break
    case .loop(let loop):
      for value in stride(from: try value(loop.lower), to: try value(loop.upper), by: loop.step) {
        indices[loop.variable] = value
        try run(loop.body)
      }
    case .when(let condition, let then, let otherwise): try run(value(condition) == .bool(true) ? then : otherwise)
    case .define(let name, let element, let scalar), .variable(let name, let element, let scalar):
      let value = try value(scalar)
      guard value.element == element else { throw EvaluationError("\(name) is \(value.element), not \(element)") }
      variables[name] = value
    case .assign(let name, let scalar): variables[name] = try value(scalar)
    case .array(let name, let element, let count): buffers[name] = Tensor(element, [count], Array(repeating: 0, count: count))
    case .store(let name, let index, let scalar):
      let value = try value(scalar)
      guard let buffer = buffers[name], buffer.element == value.element else { throw EvaluationError("no store to \(name)") }
      buffers[name]!.values[try buffer.offset([self.value(index)])] = value.bits
    case .repeatWhile(let condition, let limit, let body):
      for _ in 0..<limit {
        guard try value(condition) == .bool(true) else { break }
        try run(body)
      }
    case .gemm: throw EvaluationError("gemm stands in no operator's lowering")
    }
  }
}
