import Basics
import LoopIR

/// A read-only table as C: a short one as a list, a long one as a string literal, which compilers read forty times faster.
func constantText(_ table: ConstantTable, named name: String) -> String {
  let count = table.bytes.count / table.element.size
  let type = table.element.cMemoryType
  let values = count <= 64 ? listedValues(table) : nil
  if let values { return "static const \(type) \(name)[\(max(count, 1))] = {\(values.isEmpty ? "0" : values)};\n" }
  var literals: [String] = []
  for start in stride(from: 0, to: table.bytes.count, by: 48) {
    literals.append("  " + stringLiteral(table.bytes[start..<min(start + 48, table.bytes.count)]))
  }
  return """
    /* \(count) values, little-endian. */
    static const union { char bytes[\(table.bytes.count + 1)]; \(type) values[\(count)]; } \(name)_table = {
    \(literals.joined(separator: "\n"))
    };

    """
}

/// How code speaks of the table.
func constantReference(_ table: ConstantTable, named name: String) -> String {
  table.bytes.count / table.element.size <= 64 && listedValues(table) != nil ? name : "\(name)_table.values"
}

/// The elements, separated by commas; null where one is not finite, which only bits can say in a constant expression.
private func listedValues(_ table: ConstantTable) -> String? {
  let size = table.element.size
  var texts: [String] = []
  for start in stride(from: 0, to: table.bytes.count - size + 1, by: size) {
    let bits = (0..<size).reduce(UInt64(0)) { $0 | UInt64(table.bytes[start + $1]) << UInt64(8 * $1) }
    switch table.element {
    case .f32, .f64:
      let value = table.element == .f32 ? Double(Float(bitPattern: UInt32(bits))) : Double(bitPattern: bits)
      if !value.isFinite { return nil }
      texts.append(floatText(value, table.element))
    case .i32: texts.append(integerText(Int(Int32(bitPattern: UInt32(bits))), .i32).text)
    case .i8: texts.append("\(Int8(truncatingIfNeeded: bits))")
    case .i16: texts.append("\(Int16(truncatingIfNeeded: bits))")
    case .i64: texts.append(integerText(Int(Int64(bitPattern: bits)), .i64).text)
    case .u8, .bool, .u16: texts.append("\(bits)")
    case .f16, .bf16: texts.append("0x\(String(bits, radix: 16))")
    case .u32: texts.append("\(bits)u")
    case .u64: texts.append("\(bits)ULL")
    }
  }
  return texts.joined(separator: ", ")
}
