import Basics

/// Layers by path or by the beginning of it: `encoder` is the layer of that name with all that is in it, `block*` every path that begins
/// with `block`.
public struct LayerPatterns: Hashable, Sendable {
  public var patterns: [String]

  public init(_ patterns: [String]) { self.patterns = patterns }

  /// Whether the path of a layer, or a tensor's name, is meant.
  public func contains(_ path: String) -> Bool { patterns.contains { Self.matches($0, path) } }

  private static func matches(_ pattern: String, _ path: String) -> Bool {
    if pattern.hasSuffix("*") { return path.hasPrefix(pattern.dropLast()) }
    return path == pattern || path.hasPrefix(pattern + ".")
  }

  /// Throws when a pattern means none of the tensors of these names.
  public func requireMatches(among tensors: [String]) throws {
    for pattern in patterns where !tensors.contains(where: { Self.matches(pattern, $0) }) {
      var layers: [String] = []
      for tensor in tensors {
        // A layer in a layer may be meant, or the one around it.
        var path = tensor[...]
        while let dot = path.lastIndex(of: ".") {
          path = path[..<dot]
          if !layers.contains(String(path)) { layers.append(String(path)) }
        }
      }
      let nearest = nearestName(to: pattern, among: layers)
      let names = layers.count > 12 ? layers.prefix(12).joined(separator: ", ") + " …" : layers.joined(separator: ", ")
      throw Diagnostic(
        "no layer '\(pattern)' with parameters to freeze" + (nearest.map { "; did you mean '\($0)'?" } ?? "; there are \(names)"),
        fixIt: nearest)
    }
  }
}

/// A layer with weights whose number of outputs is its own choice: `dense` by its units, convolutions by their channels.
public struct Head: Hashable, Sendable {
  /// The layer's path.
  public var path: String
  /// Features or channels of its result.
  public var outputs: Int
  /// Its tensors by name; nil: those below its path.
  public var tensors: [String]?

  public init(path: String, outputs: Int, tensors: [String]? = nil) {
    self.path = path
    self.outputs = outputs
    self.tensors = tensors
  }

  /// The longest path above all its tensors; that of the only one is its name.
  public var commonPath: String {
    guard let tensors, var words = tensors.first?.split(separator: ".") else { return path }
    for tensor in tensors.dropFirst() {
      words = zip(words, tensor.split(separator: ".")).prefix { $0 == $1 }.map(\.0)
    }
    return words.isEmpty ? tensors[0] : words.joined(separator: ".")
  }

  /// Whether a tensor belongs to the layer.
  public func owns(_ tensor: String) -> Bool { tensors?.contains(tensor) ?? tensor.hasPrefix(path + ".") }
}
