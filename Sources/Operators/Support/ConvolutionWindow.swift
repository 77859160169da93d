import Basics
import GraphIR
import LoopIR

/// How a filter moves over the spatial axes: the attributes that convolution and its gradients share. One number a spatial axis.
public struct ConvolutionWindow: Hashable, Codable, Sendable {
  public var strides: [Int]
  public var dilations: [Int]
  /// Zeros before the first and after the last element of each axis; negative where elements are left out.
  public var paddingBefore: [Int]
  public var paddingAfter: [Int]
  public var groups: Int

  public init(strides: [Int], dilations: [Int], paddingBefore: [Int], paddingAfter: [Int], groups: Int = 1) {
    self.strides = strides
    self.dilations = dilations
    self.paddingBefore = paddingBefore
    self.paddingAfter = paddingAfter
    self.groups = groups
  }

  /// The same padding on both sides of every axis, one stride and dilation for all.
  public init(rank: Int, stride: Int = 1, dilation: Int = 1, padding: Int = 0, groups: Int = 1) {
    func all(_ value: Int) -> [Int] { Array(repeating: value, count: rank) }
    self.init(strides: all(stride), dilations: all(dilation), paddingBefore: all(padding), paddingAfter: all(padding), groups: groups)
  }

  /// The loops' view of one direction.
  func convolution(_ direction: Convolution.Direction) -> Convolution {
    Convolution(direction, groups: groups, strides: strides, dilations: dilations, padding: paddingBefore)
  }

  /// y's spatial sizes for those of x and the filter: floor((size + padding - dilation·(kernel - 1) - 1) / stride) + 1.
  func outputSizes(_ name: String, _ sizes: [Int], _ kernel: [Int]) throws -> [Int] {
    try sizes.indices.map { axis in
      let reach = dilations[axis] * (kernel[axis] - 1) + 1
      let room = sizes[axis] + paddingBefore[axis] + paddingAfter[axis]
      guard room >= reach else {
        throw TypeError(
          "\(name): a kernel of \(kernel[axis])\(dilations[axis] > 1 ? " with dilation \(dilations[axis])" : "") spans \(reach) elements, but"
            + " spatial axis \(axis) has \(sizes[axis])\(room == sizes[axis] ? "" : ", \(room) with its padding"); use a smaller kernel or more padding"
        )
      }
      return (room - reach) / strides[axis] + 1
    }
  }

  /// Throws unless every attribute has one sensible number a spatial axis.
  func check(_ name: String, rank: Int) throws {
    for (label, values, least) in [
      ("stride", strides, 1), ("dilation", dilations, 1), ("padding", paddingBefore, Int.min), ("padding", paddingAfter, Int.min),
    ] {
      guard values.count == rank else {
        throw TypeError("\(name) over \(rank) spatial axes needs \(rank) numbers for \(label), got \(values.count)")
      }
      if let bad = values.first(where: { $0 < least || abs($0) > 1 << 20 }) {
        throw TypeError("\(name): \(label) must be at least 1, got \(bad)")
      }
    }
    guard groups >= 1 else { throw TypeError("\(name): groups must be at least 1, got \(groups)") }
  }

  /// The channels of x for a filter [O, C/groups, K…], and O, checked against the groups.
  func channels(_ name: String, filter: TensorType) throws -> (x: Int, y: Int) {
    let (o, c) = (filter.shape[0].coefficient, filter.shape[1].coefficient)
    guard !filter.isEmpty else { throw TypeError("\(name): filters \(filter) have no elements") }
    guard groups >= 1, o % groups == 0 else { throw TypeError("\(name): \(o) output channels cannot be cut into \(groups) groups") }
    return (c * groups, o)
  }
}

/// The sizes of the axes after batch and channels, and the checks that an image or sequence and a filter have in common.
func spatialSizes(_ name: String, _ type: TensorType, _ what: String) throws -> [Int] {
  guard type.rank >= 3 else {
    throw TypeError("\(name) needs \(what) of three axes or more (batch, channels and space), got \(type)")
  }
  return try (2..<type.rank).map { try requireConstant(name, axis: $0, of: type) }
}

/// The filter's spatial sizes; all of its axes must be known.
func filterSizes(_ name: String, _ filter: TensorType, rank: Int) throws -> [Int] {
  guard filter.rank == rank + 2, filter.count.symbol == nil else {
    throw TypeError(
      "\(name) over \(rank) spatial axes needs a filter [outputs, inputs / groups, sizes…] of \(rank + 2) axes, got \(filter)")
  }
  return filter.shape.dropFirst(2).map(\.coefficient)
}
