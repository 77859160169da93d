import Basics
import GraphIR
import Operators

/// What is added around an image before a window slides over it.
public enum Padding: Hashable, Sendable {
  /// Nothing.
  case valid
  /// As much as makes ceil(size / stride) windows, as in TensorFlow: half before and half after, an odd one after.
  case same
  /// The same before and after each axis, or one number for each side: top, bottom, left, right.
  case explicit([Int])
}

/// A window that slides over spatial axes, as layers are told it: one number an axis.
public struct SlidingWindow: Hashable, Sendable {
  public var kernel: [Int]
  public var stride: [Int]
  public var padding: Padding
  public var dilation: [Int]

  /// Stride and dilation are 1 unless given.
  public init(kernel: [Int], stride: [Int]? = nil, padding: Padding = .valid, dilation: [Int]? = nil) {
    self.kernel = kernel
    self.stride = stride ?? Array(repeating: 1, count: kernel.count)
    self.padding = padding
    self.dilation = dilation ?? Array(repeating: 1, count: kernel.count)
  }

  /// The same numbers for `axes` axes.
  public init(_ kernel: Int, stride: Int = 1, padding: Padding = .valid, dilation: Int = 1, axes: Int = 2) {
    func all(_ value: Int) -> [Int] { Array(repeating: value, count: axes) }
    self.init(kernel: all(kernel), stride: all(stride), padding: padding, dilation: all(dilation))
  }

  private static let largestNumber = 1 << 20

  /// Throws unless there is one sensible number of each kind an axis.
  func check(_ path: String) throws {
    for (name, values) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
      guard values.count == kernel.count, !values.isEmpty, values.allSatisfy({ (1...Self.largestNumber).contains($0) }) else {
        throw Diagnostic("layer '\(path)': \(name) takes numbers from 1 to \(Self.largestNumber), one for each axis, got \(values)")
      }
    }
  }

  /// Positions from the first tap to the last along an axis.
  func span(_ axis: Int) -> Int { (kernel[axis] - 1) * dilation[axis] + 1 }

  /// Before and after each axis of these sizes.
  func paddings(_ sizes: [Int], _ path: String) throws -> [(before: Int, after: Int)] {
    switch padding {
    case .valid: return sizes.map { _ in (0, 0) }
    case .same:
      return sizes.indices.map { axis in
        let windows = (sizes[axis] + stride[axis] - 1) / stride[axis]
        let total = max(0, (windows - 1) * stride[axis] + span(axis) - sizes[axis])
        return (total / 2, total - total / 2)
      }
    case .explicit(let sides):
      let pairs = try Self.sides(sides, axes: sizes.count, path)
      guard pairs.allSatisfy({ (0...Self.largestNumber).contains($0.before) && (0...Self.largestNumber).contains($0.after) }) else {
        throw Diagnostic("layer '\(path)': padding takes numbers from 0 to \(Self.largestNumber), got \(sides)")
      }
      return pairs
    }
  }

  /// One number for all sides, one for each axis, or one for each side, as pairs.
  static func sides(_ sides: [Int], axes: Int, _ path: String) throws -> [(before: Int, after: Int)] {
    switch sides.count {
    case 1: return Array(repeating: (sides[0], sides[0]), count: axes)
    case axes: return sides.map { ($0, $0) }
    case 2 * axes: return (0..<axes).map { (sides[2 * $0], sides[2 * $0 + 1]) }
    default:
      throw Diagnostic(
        "layer '\(path)': padding takes one number for all sides, \(axes) for the axes or \(2 * axes) for the sides"
          + "\(axes == 2 ? " (top, bottom, left, right)" : ""), got \(sides.count)")
    }
  }
}

extension Arguments {
  /// One number for each of `axes` axes, from one for all or a list.
  func sizes(_ name: String, axes: Int) throws -> [Int]? {
    if let size = integer(name) { return Array(repeating: size, count: axes) }
    guard let sizes = integers(name) else { return nil }
    guard sizes.count == axes else {
      throw Diagnostic("'\(name)' takes one number\(axes == 1 ? "" : " for all axes or a list of \(axes)"), got \(sizes)")
    }
    return sizes
  }

  /// The padding passed.
  func padding(_ name: String) -> Padding {
    if let word = word(name) { return word == "same" ? .same : .valid }
    return .explicit(integer(name).map { [$0] } ?? integers(name) ?? [0])
  }

  /// The window passed; the stride is the kernel where none is given and none is the default.
  func window(axes: Int) throws -> SlidingWindow {
    let kernel = try sizes("kernel", axes: axes)!
    return SlidingWindow(
      kernel: kernel, stride: try sizes("stride", axes: axes) ?? kernel, padding: padding("padding"),
      dilation: try sizes("dilation", axes: axes))
  }
}
