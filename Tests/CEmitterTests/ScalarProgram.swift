import Basics
import LoopIR

extension Sample {
  /// Every scalar operation, conversion and math function, each as an output of its own over one row of hard values.
  static let hardValues: [Double] = [
    0, -0.0, 1, -1, 0.5, 1.5, 2.5, -2.5, 3.75, 1e-45, -1e-40, 1.1754944e-38, 3.4028235e38, -3.4028235e38, .infinity, -.infinity, .nan, 88.5,
    -88.5,
    104, 1e10, 2147483647, 2147483648, -2147483648, -2147483904, 4294967295, 4294967296, 9.2233715e18, 9.223372e18, 1.8446743e19,
    1.8446744e19, 255,
    256, 0.1, 0.3, 12.7, 1e-8, 16777217, 0.99999994, 1.0000001, -0.99999994, 1e-3, 37, -37, 5.9604645e-8, 6.25, 1.5707964, 3.1415927,
  ]

  static func scalars(element: ElementType) -> Program {
    let count = hardValues.count
    let cases = scalarCases(element)
    var buffers = [Buffer(name: "x", element: element, count: count, block: .input(0), offset: 0)]
    var kernels: [Kernel] = []
    var steps: [Step] = []
    for (number, item) in cases.enumerated() {
      let type = item.element
      buffers.append(Buffer(name: item.name, element: type, count: count, block: .output(number), offset: 0))
      kernels.append(
        Kernel(
          name: item.name,
          parameters: [
            BufferParameter(name: "x", element: element, count: count, access: .read),
            BufferParameter(name: "y", element: type, count: count, access: .write),
          ], symbols: [],
          body: [
            .loop(
              Loop(
                "i", to: .constant(count),
                [
                  .define("a", element, .load("x", .variable("i"))),
                  .define("b", element, .load("x", .remainder(.variable("i") * 7 + 3, count))),
                  .define("i32", .i32, .cast(.i32, .variable("a"))),
                  .define("j32", .i32, .cast(.i32, .variable("b"))),
                  .define("i64", .i64, .cast(.i64, .variable("a"))),
                  .define("j64", .i64, .cast(.i64, .variable("b"))),
                  .define("u32", .u32, .cast(.u32, .variable("a"))),
                  .define("u64", .u64, .cast(.u64, .variable("a"))),
                  .define("u8", .u8, .cast(.u8, .variable("a"))),
                  .define("w8", .u8, .cast(.u8, .variable("b"))),
                  .define("i8", .i8, .cast(.i8, .variable("a"))),
                  .define("j8", .i8, .cast(.i8, .variable("b"))),
                  .define("i16", .i16, .cast(.i16, .variable("a"))),
                  .define("j16", .i16, .cast(.i16, .variable("b"))),
                  .define("u16", .u16, .cast(.u16, .variable("a"))),
                  .define("f16", .f16, .cast(.f16, .variable("a"))),
                  .define("bf16", .bf16, .cast(.bf16, .variable("a"))),
                  .define("less", .bool, .compare(.lt, .variable("a"), .variable("b"))),
                  .define("none", .bool, .unary(.isNaN, .variable("a"))),
                  .store("y", .variable("i"), item.value),
                ]))
          ]))
      steps.append(.call(kernel: number, buffers: [0, number + 1]))
    }
    return Program(
      name: "scalars_\(element.rawValue)", element: element, symbols: [Symbol(name: "n", maximum: 1)],
      inputs: [Port(name: "x", element: element, dims: [count])],
      outputs: cases.map { Port(name: $0.name, element: $0.element, dims: [count]) }, buffers: buffers, kernels: kernels,
      entries: [Entry(name: "run", steps: steps, arenaBytes: 0)])
  }

  struct ScalarCase {
    var name: String
    var element: ElementType
    var value: Scalar
  }

  private static func scalarCases(_ element: ElementType) -> [ScalarCase] {
    let (a, b) = (Scalar.variable("a"), Scalar.variable("b"))
    var cases: [ScalarCase] = []
    func add(_ name: String, _ type: ElementType, _ value: Scalar) {
      cases.append(ScalarCase(name: name, element: type, value: value))
    }
    for operation in [BinaryOperation.add, .sub, .mul, .div, .min, .max] {
      add("float_\(operation.rawValue)", element, .binary(operation, a, b))
    }
    add("float_nested", element, a - (b - a) * (a + b) / (a * b) - -(-a))
    for operation in UnaryOperation.allCases where operation != .not && operation != .isNaN {
      add("float_\(operation.rawValue)", element, .unary(operation, a))
    }
    add("float_fma", element, .fma(a, b, .float(0.1, element)))
    add("literal_infinity", element, .binary(.min, a, .float(.infinity, element)))
    add("literal_small", element, .float(element == .f32 ? 1e-45 : Double.leastNonzeroMagnitude, element) + a)
    for comparison in Comparison.allCases { add("compare_\(comparison.rawValue)", .bool, .compare(comparison, a, b)) }
    add(
      "logic", .bool,
      .binary(.xor, .binary(.and, .variable("less"), .unary(.not, .variable("none"))), .binary(.or, .variable("none"), .variable("less"))))
    add("choice", element, .select(.variable("less"), a, .select(.variable("none"), .float(-2, element), b)))
    for type in [ElementType.i8, .i16, .i32, .i64] {
      let (i, j) = (Scalar.variable(type.rawValue), Scalar.variable("j" + type.rawValue.dropFirst()))
      let divisor = Scalar.select(.compare(.eq, j, .integer(0, type)), .integer(-1, type), j)
      for operation in [BinaryOperation.add, .sub, .mul, .min, .max, .and, .or, .xor] {
        add("\(type.rawValue)_\(operation.rawValue)", type, .binary(operation, i, j))
      }
      for operation in [BinaryOperation.div, .rem] { add("\(type.rawValue)_\(operation.rawValue)", type, .binary(operation, i, divisor)) }
      for operation in [UnaryOperation.neg, .abs, .not] { add("\(type.rawValue)_\(operation.rawValue)", type, .unary(operation, i)) }
      add("\(type.rawValue)_float", element, .cast(element, i))
      add("\(type.rawValue)_least", type, i - .integer(-1 << (8 * type.size - 1), type))
      add("\(type.rawValue)_choice", type, .binary(.max, .select(.variable("less"), i, j), j))
    }
    for type in [ElementType.u8, .u16, .u32, .u64] {
      let i = Scalar.variable(type.rawValue)
      for operation in [BinaryOperation.add, .sub, .mul] {
        add("\(type.rawValue)_\(operation.rawValue)", type, .binary(operation, i, .integer(200, type)))
      }
      add("\(type.rawValue)_div", type, i / .integer(7, type))
      add("\(type.rawValue)_rem", type, .binary(.rem, i, .integer(7, type)))
      add("\(type.rawValue)_bits", type, .unary(.not, .binary(.shr, .binary(.shl, i, .integer(3, type)), .integer(1, type))))
      add("\(type.rawValue)_float", element, .cast(element, i))
      add("\(type.rawValue)_bool", .bool, .cast(.bool, i))
    }
    add("u16_square", .u16, .variable("u16") * .variable("u16"))
    for type in [ElementType.f16, .bf16] {
      let x = Scalar.variable(type.rawValue)
      add("\(type.rawValue)", type, x)
      add("\(type.rawValue)_float", element, .cast(element, x))
      add("\(type.rawValue)_integer", .i16, .cast(.i16, x))
      add("\(type.rawValue)_bool", .bool, .cast(.bool, x))
      add("\(type.rawValue)_whole", type, .cast(type, .variable("i64")))
      add("\(type.rawValue)_position", type, .index(.variable("i") * 1001 - 7, type))
      add("\(type.rawValue)_choice", type, .select(.variable("less"), x, .select(.variable("none"), .float(.nan, type), .float(0.1, type))))
      add("\(type.rawValue)_bits", type, .bitcast(type, .variable("u16")))
      add("\(type.rawValue)_bits_float", element, .cast(element, .bitcast(type, .variable("u16"))))
    }
    add("f16_bf16", .bf16, .cast(.bf16, .variable("f16")))
    add("u8_choice", .u8, .select(.variable("less"), .variable("u8"), .variable("w8")))
    add("narrow", .u8, .cast(.u8, .variable("i64")))
    add("widen", .u64, .cast(.u64, .variable("i32")))
    add("position", .i64, .index(.variable("i") * 3 + 1, .i64))
    add("bits", element == .f32 ? .u32 : .u64, .bitcast(element == .f32 ? .u32 : .u64, .binary(.max, a, .float(0, element))))
    for function in MathFunction.allCases where function != .randomBits {
      add("math_\(function.rawValue)", element, .call(function, function.arity == 2 ? [.unary(.abs, a), b] : [a]))
    }
    add("random_bits", .u64, .call(.randomBits, [.variable("u64"), .integer(42, .u64), .index(.variable("i"), .u64)]))
    return cases
  }
}
