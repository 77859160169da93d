import Basics

/// The parts that `NAME.c` is put together from.
struct SourceParts: Sendable {
  /// What stands before the kernels: types, helpers, constants.
  var beginning = ""
  /// The function of each kernel, and what it is run through where it has parts.
  var kernels: [(function: String, part: String)] = []
  /// What stands behind them: entries, tables, descriptor.
  var end = ""
}

extension EmittedProject {
  /// `translationUnit` as so many texts that compilers can work on side by side, each with a share of the kernels; their objects linked
  /// together are what one compiler makes of the whole. Kernels are hidden functions there, not static ones; nothing else differs.
  public func units(_ count: Int) -> [String] {
    guard count > 1, parts.kernels.count > 1 else { return [translationUnit] }
    let declarations = parts.kernels.map { declaration($0.function) }
    guard !declarations.contains(nil) else { return [translationUnit] }
    var sizes = [parts.end.utf8.count / 2] + Array(repeating: 0, count: count - 1)
    var unit = Array(repeating: 0, count: parts.kernels.count)
    // The largest first, each to the unit that has least.
    for (number, kernel) in parts.kernels.enumerated().sorted(by: {
      ($1.element.function.utf8.count, $0.offset) < ($0.element.function.utf8.count, $1.offset)
    }) {
      unit[number] = sizes.indices.min { (sizes[$0], $0) < (sizes[$1], $1) }!
      sizes[unit[number]] += kernel.function.utf8.count
    }
    return (0..<count).map { own in
      var text = parts.beginning
      for (number, kernel) in parts.kernels.enumerated() {
        if unit[number] == own {
          text += hidden(kernel.function)
        } else if own == 0 {
          text += declarations[number]! + ";\n"
        }
        if own == 0 { text += kernel.part }
      }
      return withHeaders(own == 0 ? text + parts.end : text)
    }
  }

  /// The function up to its body.
  private func declaration(_ function: String) -> String? {
    function.utf8Offset(of: " {\n").map { hidden(String(decoding: function.utf8.prefix($0), as: UTF8.self)) }
  }

  private func hidden(_ function: String) -> String {
    let word = "static void "
    guard let place = function.utf8Offset(of: word) else { return function }
    let (begin, end) = (function.utf8.prefix(place), function.utf8.dropFirst(place + word.utf8.count))
    return String(decoding: begin, as: UTF8.self) + "__attribute__((visibility(\"hidden\"))) void " + String(decoding: end, as: UTF8.self)
  }
}

extension String {
  /// How many bytes stand before the first occurrence of a text.
  fileprivate func utf8Offset(of text: String) -> Int? {
    var rest = utf8[...]
    var offset = 0
    while !rest.isEmpty {
      if rest.starts(with: text.utf8) { return offset }
      rest.removeFirst()
      offset += 1
    }
    return nil
  }
}
