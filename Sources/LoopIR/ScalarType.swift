import Basics

/// The element types of the names that a scalar may read.
public struct TypeEnvironment: Sendable {
  /// Definitions, mutable variables, function parameters.
  public var variables: [String: ElementType]
  /// Buffers and local arrays.
  public var buffers: [String: ElementType]
  /// Operands of an operator, read by `Scalar.element`.
  public var operands: [ElementType]

  public init(variables: [String: ElementType] = [:], buffers: [String: ElementType] = [:], operands: [ElementType] = []) {
    self.variables = variables
    self.buffers = buffers
    self.operands = operands
  }
}

extension Scalar {
  /// The expression's element type. Throws where a name is unknown or an operation does not take operands of these types.
  public func type(in environment: TypeEnvironment) throws(Diagnostic) -> ElementType {
    switch self {
    case .literal(let literal): return try literal.checkedElement()
    case .variable(let name):
      guard let element = environment.variables[name] else { throw .bug("no scalar is named `\(name)`") }
      return element
    case .load(let buffer, let index):
      try index.checkTypes(in: environment)
      guard let element = environment.buffers[buffer] else { throw .bug("no buffer is named `\(buffer)`") }
      return element
    case .element(let operand, let indices):
      for index in indices { try index.checkTypes(in: environment) }
      guard environment.operands.indices.contains(operand) else { throw .bug("there is no operand \(operand)") }
      return environment.operands[operand]
    case .index(let index, let element):
      try index.checkTypes(in: environment)
      guard element != .bool else { throw .bug("an index is a number, not a bool") }
      return element
    case .unary(let operation, let a): return try operation.type(of: try a.type(in: environment))
    case .binary(let operation, let a, let b): return try operation.type(of: try a.type(in: environment), try b.type(in: environment))
    case .fma(let a, let b, let c):
      let element = try a.type(in: environment), second = try b.type(in: environment), third = try c.type(in: environment)
      guard element.isFloat, element == second, element == third else { throw .bug("fma of \(element), \(second) and \(third)") }
      return element
    case .compare(let comparison, let a, let b):
      let first = try a.type(in: environment), second = try b.type(in: environment)
      guard first == second else { throw .bug("\(comparison.rawValue) of \(first) and \(second)") }
      guard first != .bool || comparison == .eq || comparison == .ne else { throw .bug("bools have no order") }
      guard !first.isStoredFloat else { throw .bug("\(comparison.rawValue) of \(first), which is only stored") }
      return .bool
    case .select(let condition, let a, let b):
      let test = try condition.type(in: environment)
      let first = try a.type(in: environment), second = try b.type(in: environment)
      guard test == .bool else { throw .bug("the condition of select is \(test), not bool") }
      guard first == second else { throw .bug("select between \(first) and \(second)") }
      return first
    case .cast(let element, let a):
      _ = try a.type(in: environment)
      return element
    case .bitcast(let element, let a):
      let source = try a.type(in: environment)
      guard source.size == element.size, source != .bool, element != .bool else { throw .bug("bitcast of \(source) to \(element)") }
      return element
    case .call(let function, let arguments):
      guard arguments.count == function.arity else {
        throw .bug("\(function.rawValue) takes \(function.arity) arguments, not \(arguments.count)")
      }
      var elements: [ElementType] = []
      for argument in arguments { elements.append(try argument.type(in: environment)) }
      let fits = function == .randomBits ? elements[0] == .u64 : elements[0].isFloat
      guard fits, elements.allSatisfy({ $0 == elements[0] }) else {
        throw .bug("\(function.rawValue) of \(elements.map(\.rawValue).joined(separator: " and "))")
      }
      return elements[0]
    }
  }
}

extension Index {
  /// Throws unless every indirect scalar inside is an integer.
  public func checkTypes(in environment: TypeEnvironment) throws(Diagnostic) {
    switch self {
    case .constant, .variable: return
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b):
      try a.checkTypes(in: environment)
      try b.checkTypes(in: environment)
    case .multiply(let a, _): try a.checkTypes(in: environment)
    case .divide(let a, let divisor), .remainder(let a, let divisor):
      guard divisor > 0 else { throw .bug("division of an index by \(divisor)") }
      try a.checkTypes(in: environment)
    case .indirect(let scalar, let bound):
      let element = try scalar.type(in: environment)
      guard element.isInteger else { throw .bug("an indirect index is \(element), not an integer") }
      guard bound > 0 else { throw .bug("an indirect index with bound \(bound)") }
    }
  }
}

extension Literal {
  fileprivate func checkedElement() throws(Diagnostic) -> ElementType {
    switch self {
    case .float(let bits, let element):
      guard element.isReal else { throw .bug("a float literal of type \(element)") }
      let value = Double(bitPattern: bits)
      if !value.isNaN, element.rounded(value) != value { throw .bug("\(value) is not of type \(element)") }
    case .integer(let value, let element):
      guard element.isInteger, Literal(bits: UInt64(bitPattern: Int64(value)), element) == self else {
        throw .bug("\(value) is not a literal of type \(element)")
      }
    case .bool: break
    }
    return element
  }
}

extension UnaryOperation {
  fileprivate func type(of a: ElementType) throws(Diagnostic) -> ElementType {
    let fits =
      switch self {
      case .neg, .abs: a.isFloat || a.isInteger && !a.isUnsigned
      case .sqrt, .floor, .ceil, .trunc, .rint, .isNaN: a.isFloat
      case .not: a.isInteger || a == .bool
      }
    guard fits else { throw .bug("\(rawValue) of \(a)") }
    return self == .isNaN ? .bool : a
  }
}

extension BinaryOperation {
  fileprivate func type(of a: ElementType, _ b: ElementType) throws(Diagnostic) -> ElementType {
    let fits =
      switch self {
      case .add, .sub, .mul, .div, .min, .max: a.isFloat || a.isInteger
      case .rem: a.isInteger
      case .and, .or, .xor: a.isInteger || a == .bool
      case .shl, .shr: a.isUnsigned
      }
    guard a == b, fits else { throw .bug("\(rawValue) of \(a) and \(b)") }
    return a
  }
}
