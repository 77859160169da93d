import Basics
import LoopIR

extension Graph: CustomStringConvertible {
  /// The graph as `GraphParser` reads it, one node a line:
  ///
  ///     graph run {
  ///       symbol n <= 32
  ///       %0 = input 0 "features" : f32[N, 29]
  ///       %1 = parameter "dense1.weight" : f32[29, 16] in "dense1"
  ///       %2 = matmul(%0, %1) : f32[N, 16] in "dense1"
  ///       output "scores" = %2
  ///     }
  public var description: String {
    var lines = ["graph \(wordOrString(name)) {"]
    lines += symbols.map { "  \($0.isCounter ? "counter" : "symbol") \($0.name) <= \($0.maximum)" }
    lines += ids.map { "  " + line($0) }
    lines += outputs.map { "  output \($0.name.quotedForLexer) = \($0.value)" }
    lines += updates.map { "  update \($0.leaf) <- \($0.value)\($0.mode == .assign ? "" : " \($0.mode.rawValue)")" }
    lines += requirements.map { "  require finite \($0)" }
    return lines.joined(separator: "\n") + "\n}\n"
  }

  /// One node as text: `%2 = matmul(%0, %1) : f32[N, 16] in "dense1" backward`.
  public func line(_ id: ValueID) -> String {
    let node = self[id]
    let value: String
    switch node.kind {
    case .leaf(let leaf): value = leaf.description
    case .apply(let op, let operands): value = op.text(operands)
    }
    let types = node.types.count == 1 ? "\(node.types[0])" : "(\(node.types.map(\.description).joined(separator: ", ")))"
    return "\(id) = \(value) : \(types)" + (node.path.isEmpty ? "" : " in \(node.path.quotedForLexer)")
      + (node.isBackward ? " backward" : "")
  }
}

extension Operator {
  /// `matmul(%3, %4, transpose_b: true)`.
  public func text(_ operands: [ValueID]) -> String {
    // Only an operator without a text form throws, and the tests print every one.
    let attributes = ((try? attributes()) ?? []).filter { $0.value != .bool(false) }
    let arguments = operands.map(\.description) + attributes.map { "\($0.name): \($0.value)" }
    return "\(Self.name)(\(arguments.joined(separator: ", ")))"
  }
}

extension Leaf: CustomStringConvertible {
  /// `parameter "dense1.weight"`, `input 0 "features"`, `segment gradients 64 "decayed"`.
  public var description: String {
    let role =
      switch role {
      case .input(let index): "input \(index)"
      case .target(let index): "target \(index)"
      case .weights: "weights"
      case .parameter: "parameter"
      case .state: "state"
      case .gradient: "gradient"
      case .prepared: "prepared"
      case .memory: "memory"
      case .table(let tensor): "table \(tensor.text.quotedForLexer)"
      case .segment(let segment, let offset): "segment \(segment.rawValue) \(offset)"
      case .control(let offset): "control \(offset)"
      case .captured(let number): "captured \(number)"
      case .carried(let number): "carried \(number)"
      case .stacked(let number): "stacked \(number)"
      }
    return "\(role) \(name.quotedForLexer)"
  }
}

/// A name as it is when it is one for the lexer, else in quotes.
private func wordOrString(_ name: String) -> String {
  let isWord =
    name.first.map { $0.isASCII && ($0.isLetter || $0 == "_") } == true
    && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
  return isWord ? name : name.quotedForLexer
}
