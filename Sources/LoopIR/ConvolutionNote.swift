/// What a kernel's comments say of the convolution that it is a part of:
///
///     method: winograd; forward, f32 [64, 64, 32, 32] by 64 filters 3x3; 4831838208 operations
public struct ConvolutionNote: Hashable, Sendable {
  /// The way in which it is computed.
  public var method: String
  /// Direction, element type and sizes: equal for convolutions between which no method makes a difference.
  public var shape: String
  /// Floating point operations by the convolution's definition, at the largest batch.
  public var operations: Double

  public init(method: String, shape: String, operations: Double) {
    self.method = method
    self.shape = shape
    self.operations = operations
  }

  /// The note among a kernel's comments.
  public init?(_ kernel: Kernel) {
    for comment in kernel.comments where comment.hasPrefix(Self.beginning) && comment.hasSuffix(Self.end) {
      let parts = comment.dropFirst(Self.beginning.count).dropLast(Self.end.count).split(separator: ";")
      guard parts.count == 3, let operations = Double(parts[2].drop { $0 == " " }) else { continue }
      self.init(method: String(parts[0]), shape: String(parts[1].drop { $0 == " " }), operations: operations)
      return
    }
    return nil
  }

  /// As a kernel's comment.
  public var comment: String { "\(Self.beginning)\(method); \(shape); \(Int(operations))\(Self.end)" }

  private static let beginning = "method: "
  private static let end = " operations"
}
