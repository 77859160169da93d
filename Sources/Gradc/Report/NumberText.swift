import Glibc

/// Numbers as people read them, the same in every locale.
public enum NumberText {
  /// With a fixed number of digits after the point.
  public static func fixed(_ value: Double, _ digits: Int) -> String { format("%.\(digits)f", value) }

  /// With a number of significant digits: `0.3412`, `1.2e-07`. `nan` and `inf` in words.
  public static func significant(_ value: Double, _ digits: Int = 4) -> String {
    value.isNaN ? "not a number" : value.isInfinite ? (value < 0 ? "-infinity" : "infinity") : format("%.\(digits)g", value)
  }

  /// A share as percent: `96.5 %`.
  public static func percent(_ value: Double, _ digits: Int = 1) -> String { fixed(100 * value, digits) + " %" }

  /// With commas between groups of three digits: `183,242`.
  public static func grouped(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }

  /// A duration with a unit that suits it: `1.50 µs`, `12.3 ms`, `4.2 s`, `3 min 20 s`.
  public static func seconds(_ value: Double) -> String {
    switch value {
    case ..<1e-6: significant(value * 1e9, 3) + " ns"
    case ..<1e-3: significant(value * 1e6, 3) + " µs"
    case ..<1: significant(value * 1e3, 3) + " ms"
    case ..<100: significant(value, 3) + " s"
    default: "\(Int(value) / 60) min \(Int(value) % 60) s"
    }
  }

  /// A count with a unit that suits it: `1.99 kB`, `12.4 MB`.
  public static func bytes(_ value: Int) -> String {
    for (limit, unit) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")] where value >= limit {
      return significant(Double(value) / Double(limit), 3) + " " + unit
    }
    return "\(value) bytes"
  }

  private static func format(_ form: String, _ value: Double) -> String {
    withVaList([value]) { list in
      var buffer = [CChar](repeating: 0, count: 400)
      vsnprintf(&buffer, buffer.count, form, list)
      return String(cString: buffer)
    }
  }
}
