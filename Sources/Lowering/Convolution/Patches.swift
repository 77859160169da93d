import Basics
import GraphIR
import LoopIR

/// Rows of a matrix whose product with the packed filter is the convolution: the elements that one result pixel is made of, taps outermost,
/// channels side by side, zeros outside the image.
struct Patches {
  /// Spatial sizes of the gathered image and of the result.
  let image: [Int]
  let result: [Int]
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  let padding: [Int]
  /// Whether the image is a gradient dy gathered for dx: result pixel s takes dy at (s + padding - dilation t) / stride where that is whole.
  let isTransposed: Bool
  /// Channels of the image in all, and in a group.
  let channels: Int
  let groupChannels: Int
  let element: ElementType

  init(_ shape: ConvolutionShape) {
    isTransposed = shape.direction == .inputGradient
    image = isTransposed ? shape.result : shape.image
    result = isTransposed ? shape.image : shape.result
    kernel = shape.kernel
    strides = shape.strides
    dilations = shape.dilations
    padding = shape.padding
    channels = isTransposed ? shape.outputs : shape.inputs
    groupChannels = channels / shape.groups
    element = shape.element
  }

  /// Elements of a row.
  var width: Int { kernel.reduce(1, *) * groupChannels }
  var pixels: Int { result.reduce(1, *) }

  /// Whether a row is what lies at one pixel of the image anyway.
  var isInPlace: Bool {
    kernel.allSatisfy { $0 == 1 } && strides.allSatisfy { $0 == 1 } && padding.allSatisfy { $0 == 0 } && image == result
      && channels == groupChannels
  }

  /// The position of a result pixel, numbered through images: image, then spatial axes.
  func position(of pixel: Index) -> [Index] {
    var position: [Index] = []
    var below = pixels
    for (axis, size) in ([0] + result).enumerated() {
      let quotient = below == 1 ? pixel : Index.divide(pixel, below)
      position.append(axis == 0 ? quotient : .remainder(quotient, size))
      if axis < result.count { below /= result[axis] }
    }
    return position
  }

  /// Statements that write the rows of pixels first ..< first + count from `source` to `target` at `offset`, for channels from `channel` on;
  /// there are at most `images` images.
  func gather(
    _ context: inout KernelContext, from source: String, channel: Index, to target: String, at offset: Index, first: Index, count: Index,
    atMost: Int, images: Int
  ) {
    let row = context.loopVariable("row", Dimension(atMost))
    let (rank, frame) = (kernel.count, self)
    let taps = kernel.map { context.loopVariable("t", Dimension($0)) }
    let body = context.nested { context in
      let position = frame.position(of: first + .variable(row)).map { $0.simplified(context.ranges) }
      // Named once, because they are quotients and remainders.
      let named = zip(position, [images] + frame.result).map { index, bound -> Index in
        if case .variable = index { return index }
        if case .constant = index { return index }
        let name = context.unique("at")
        context.append(.define(name, .i32, .index(index, .i32)))
        return .indirect(.variable(name), bound: bound)
      }
      var pixel = named[0]
      var conditions: [Scalar] = []
      for axis in 0..<rank {
        let (place, isInside) = frame.place(axis, named[axis + 1], .variable(taps[axis]))
        pixel = pixel * frame.image[axis] + place
        conditions += isInside
      }
      let lane = context.loopVariable("c", Dimension(frame.groupChannels))
      let tap = zip(taps, frame.kernel).reduce(Index.constant(0)) { $0 * $1.1 + .variable($1.0) }
      let to = offset + Index.variable(row) * frame.width + tap * frame.groupChannels + .variable(lane)
      func channels(_ value: Scalar) -> [Statement] {
        [.loop(Loop(lane, to: .constant(frame.groupChannels), [.store(target, to, value)]))]
      }
      let copy = channels(.load(source, pixel * frame.channels + channel + .variable(lane)))
      var inner = copy
      if let first = conditions.first {
        let isInside = conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
        inner = [.when(isInside, copy, otherwise: channels(.constant(0, frame.element)))]
      }
      for (tap, size) in zip(taps, frame.kernel).reversed() { inner = [.loop(Loop(tap, to: .constant(size), inner))] }
      inner.forEach { context.append($0) }
    }
    context.append(.loop(Loop(row, to: count, body)))
  }

  /// Where along a spatial axis of the image a tap of a result pixel lies, and what must hold for it to lie inside.
  private func place(_ axis: Int, _ pixel: Index, _ tap: Index) -> (Index, [Scalar]) {
    func integer(_ index: Index) -> Scalar { .index(index, .i32) }
    let size = Scalar.integer(image[axis], .i32)
    guard isTransposed else {
      let place = pixel * strides[axis] + tap * dilations[axis] - padding[axis]
      let last = (result[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] - padding[axis]
      return (
        place,
        (padding[axis] > 0 ? [.compare(.ge, integer(place), .integer(0, .i32))] : [])
          + (last >= image[axis] ? [.compare(.lt, integer(place), size)] : [])
      )
    }
    let reach = (kernel[axis] - 1) * dilations[axis] - padding[axis]
    // So many strides further no dividend is negative.
    let shift = max(0, (reach + strides[axis] - 1) / strides[axis])
    let distance = pixel - tap * dilations[axis] + (padding[axis] + shift * strides[axis])
    let place = (strides[axis] == 1 ? distance : .divide(distance, strides[axis])) - shift
    let isWhole: [Scalar] =
      strides[axis] == 1 ? [] : [.compare(.eq, integer(.remainder(distance, strides[axis])), .integer(0, .i32))]
    return (
      place,
      isWhole + (reach > 0 ? [.compare(.ge, integer(place), .integer(0, .i32))] : [])
        + [.compare(.lt, integer(place), size)]
    )
  }
}
