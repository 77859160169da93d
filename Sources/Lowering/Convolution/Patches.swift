import Basics
import GraphIR
import LoopIR

/// One spatial axis of patches: which result positions there are, and where in the image their taps lie. Position u of `count` is
/// u step + first in the result; its tap j of `taps`, tap firstTap + j tapStep of the filter, lies at u imageStep + firstOffset +
/// j offsetStep of the image.
struct PatchAxis {
  var image: Int
  var count: Int
  var step = 1
  var first = 0
  var imageStep: Int
  var taps: Int
  var firstTap = 0
  var tapStep = 1
  var firstOffset: Int
  var offsetStep: Int

  /// Where a tap of a position lies, and what must hold for it to lie inside.
  func place(_ position: Index, _ tap: Index) -> (Index, [Scalar]) {
    let place = position * imageStep + tap * offsetStep + firstOffset
    let last = (count - 1) * imageStep + (taps - 1) * offsetStep + firstOffset
    return (place, inside(place, from: 0, to: image, isLower: firstOffset < 0, isUpper: last >= image))
  }

  /// Whether there is a position all taps of which lie inside.
  var isEverInside: Bool {
    let reach = (taps - 1) * offsetStep
    return (0..<count).contains { $0 * imageStep + firstOffset >= 0 && $0 * imageStep + firstOffset + reach < image }
  }

  /// What must hold for all taps of a position to lie inside.
  func allInside(_ position: Index) -> [Scalar] {
    let place = position * imageStep + firstOffset
    let reach = (taps - 1) * offsetStep
    return inside(
      place, from: 0, to: image - reach, isLower: firstOffset < 0, isUpper: (count - 1) * imageStep + firstOffset + reach >= image)
  }

  private func inside(_ place: Index, from lower: Int, to upper: Int, isLower: Bool, isUpper: Bool) -> [Scalar] {
    let value = Scalar.index(place, .i32)
    return (isLower ? [.compare(.ge, value, .integer(lower, .i32))] : []) + (isUpper ? [.compare(.lt, value, .integer(upper, .i32))] : [])
  }
}

/// Rows of a matrix whose product with the packed filter is the convolution: the elements that one result pixel is made of, taps outermost,
/// channels side by side, zeros outside the image.
struct Patches {
  let axes: [PatchAxis]
  /// Spatial sizes of the gathered image, of the result, and of the filter.
  let image: [Int]
  let result: [Int]
  let kernel: [Int]
  /// Channels of the image in all, and in a group.
  let channels: Int
  let groupChannels: Int
  let element: ElementType

  /// Elements of a row.
  var width: Int { axes.reduce(groupChannels) { $0 * $1.taps } }
  var pixels: Int { axes.reduce(1) { $0 * $1.count } }

  /// Patches of all result pixels in few matrices. An input's gradient has one for each remainder of the result's positions by the strides:
  /// only the taps that fit are in it, so that nothing is multiplied with zeros between the elements of dy.
  static func phases(_ shape: ConvolutionShape) -> [Patches] {
    let isTransposed = shape.direction == .inputGradient
    let (image, result) = isTransposed ? (shape.result, shape.image) : (shape.image, shape.result)
    var phases: [[PatchAxis]] = [[]]
    for axis in image.indices {
      let (stride, dilation, padding, kernel) = (shape.strides[axis], shape.dilations[axis], shape.padding[axis], shape.kernel[axis])
      let variants =
        isTransposed
        ? (0..<min(stride, result[axis])).map {
          transposedAxis(
            image: image[axis], result: result[axis], kernel: kernel, stride: stride, dilation: dilation, padding: padding, first: $0)
        }
        : [
          PatchAxis(
            image: image[axis], count: result[axis], imageStep: stride, taps: kernel, firstOffset: -padding, offsetStep: dilation)
        ]
      phases = phases.flatMap { phase in variants.map { phase + [$0] } }
    }
    let channels = isTransposed ? shape.outputs : shape.inputs
    return phases.map {
      Patches(
        axes: $0, image: image, result: result, kernel: shape.kernel, channels: channels, groupChannels: channels / shape.groups,
        element: shape.element)
    }
  }

  private static func transposedAxis(image: Int, result: Int, kernel: Int, stride: Int, dilation: Int, padding: Int, first: Int)
    -> PatchAxis
  {
    let fitting = (0..<kernel).filter { (first + padding - dilation * $0) % stride == 0 }
    // The last tap first: in the image they then go upwards.
    let last = fitting.last ?? 0
    // Taps that fit are so far apart.
    let step = fitting.count > 1 ? fitting[1] - fitting[0] : stride
    return PatchAxis(
      image: image, count: (result - first + stride - 1) / stride, step: stride, first: first, imageStep: 1, taps: fitting.count,
      firstTap: last, tapStep: -step, firstOffset: fitting.isEmpty ? 0 : (first + padding - dilation * last) / stride,
      offsetStep: dilation * step / stride)
  }

  /// Whether a row is what lies at one pixel of the image anyway.
  var isInPlace: Bool {
    axes.allSatisfy { $0.taps == 1 && $0.imageStep == 1 && $0.step == 1 && $0.firstOffset == 0 && $0.image == $0.count }
      && channels == groupChannels
  }

  /// Whether the rows' taps are all of the filter's, in its order.
  var hasAllTaps: Bool { zip(axes, kernel).allSatisfy { $0.taps == $1 && $0.firstTap == 0 && ($0.tapStep == 1 || $0.taps == 1) } }

  /// The position of a pixel of these patches, numbered through images, in the result: image, then spatial axes.
  func position(of pixel: Index, images: Int, _ context: inout KernelContext) -> [Index] {
    let places = places(of: pixel).map { $0.simplified(context.ranges) }
    // Where all pixels of the result are in turn, the quotients and remainders come to the pixel itself.
    guard axes.contains(where: { $0.step > 1 }) else { return places }
    let named = named(places, images, &context)
    return [named[0]] + zip(axes, named.dropFirst()).map { $1 * $0.step + $0.first }
  }

  /// The places under names of their own, because they are quotients and remainders.
  private func named(_ places: [Index], _ images: Int, _ context: inout KernelContext) -> [Index] {
    zip(places, [images] + axes.map(\.count)).map { index, bound -> Index in
      if case .variable = index { return index }
      if case .constant = index { return index }
      let name = context.unique("at")
      context.append(.define(name, .i32, .index(index, .i32)))
      return .indirect(.variable(name), bound: bound)
    }
  }

  private func places(of pixel: Index) -> [Index] {
    var places: [Index] = []
    var below = pixels
    for (axis, size) in ([0] + axes.map(\.count)).enumerated() {
      let quotient = below == 1 ? pixel : Index.divide(pixel, below)
      places.append(axis == 0 ? quotient : .remainder(quotient, size))
      if axis < axes.count { below /= axes[axis].count }
    }
    return places
  }

  /// The loops over a row's elements and, for a position of them, the row of the packed filter, where an element of a row is in the order of
  /// the loops.
  var terms: [(name: String, size: Dimension)] {
    hasAllTaps
      ? [("t", Dimension(width))] : axes.map { ("t", Dimension($0.taps)) } + [("c", Dimension(groupChannels))]
  }

  /// The element of a row that a position of `terms` is.
  func rowElement(_ terms: [Index]) -> Index {
    hasAllTaps ? terms[0] : zip(terms, axes.map(\.taps) + [groupChannels]).reduce(Index.constant(0)) { $0 * $1.1 + $1.0 }
  }

  /// The row of the packed filter that a position of `terms` meets.
  func filterRow(_ terms: [Index]) -> Index {
    guard !hasAllTaps else { return terms[0] }
    let tap = axes.indices.reduce(Index.constant(0)) { $0 * kernel[$1] + (terms[$1] * axes[$1].tapStep + axes[$1].firstTap) }
    return tap * groupChannels + terms[axes.count]
  }

  /// Statements that write the rows of pixels first ..< first + count from `source` to `target` at `offset`, for channels from `channel` on;
  /// there are at most `images` images. `tap`: only this tap of all, for so many channels.
  func gather(
    _ context: inout KernelContext, from source: String, channel: Index, to target: String, at offset: Index, first: Index, count: Index,
    atMost: Int, images: Int, tap: (position: [Index], channels: Int)? = nil
  ) {
    guard width > 0 else { return }
    let width = tap?.channels ?? width
    let row = context.loopVariable("row", Dimension(atMost))
    let frame = self
    let body = context.nested { context in
      let places = frame.places(of: first + .variable(row)).map { $0.simplified(context.ranges) }
      let named = frame.named(places, images, &context)
      let copy = RowCopy(
        patches: frame, source: source, channel: channel, target: target, offset: offset + Index.variable(row) * width, places: named)
      let statements = tap.map { copy.one($0.position, channels: $0.channels, &context) } ?? copy.statements(&context)
      statements.forEach { context.append($0) }
    }
    context.append(.loop(Loop(row, to: count, body)))
  }
}

/// Writes one row of patches.
private struct RowCopy {
  let patches: Patches
  let source: String
  let channel: Index
  let target: String
  let offset: Index
  /// The image's number, and the position on each axis.
  let places: [Index]

  func statements(_ context: inout KernelContext) -> [Statement] { axis(0, places[0], .constant(0), &context) }

  /// One tap.
  func one(_ taps: [Index], channels: Int, _ context: inout KernelContext) -> [Statement] {
    var pixel = places[0]
    var conditions: [Scalar] = []
    for (axis, own) in patches.axes.enumerated() {
      let (place, inside) = own.place(places[axis + 1], taps[axis])
      pixel = pixel * own.image + place
      conditions += inside
    }
    return guarded(
      conditions, copy(channels, pixel, .constant(0), &context), otherwise: zeros(channels, .constant(0), &context), context.ranges)
  }

  /// Loops over the taps of an axis and those below: `pixel` and `tap` are what the axes above come to.
  private func axis(_ axis: Int, _ pixel: Index, _ tap: Index, _ context: inout KernelContext) -> [Statement] {
    guard axis < patches.axes.count else {
      return copy(patches.groupChannels, pixel, tap, &context)
    }
    let own = patches.axes[axis]
    let below = patches.axes[(axis + 1)...].reduce(patches.groupChannels) { $0 * $1.taps }
    let isRun =
      axis == patches.axes.count - 1 && own.offsetStep == 1 && own.taps > 1 && patches.groupChannels == patches.channels && own.isEverInside
    let variable = context.loopVariable("t", Dimension(own.taps))
    let (place, conditions) = own.place(places[axis + 1], .variable(variable))
    let inner = self.axis(axis + 1, pixel * own.image + place, tap * own.taps + .variable(variable), &context)
    let eachTap = Statement.loop(
      Loop(
        variable, to: .constant(own.taps),
        guarded(conditions, inner, otherwise: zeros(below, (tap * own.taps + .variable(variable)) * below, &context), context.ranges)))
    guard isRun else { return [eachTap] }
    // Neighbouring taps are neighbours in the image and in the row.
    let (start, _) = own.place(places[axis + 1], .constant(0))
    let run = copy(own.taps * below, pixel * own.image + start, tap, &context)
    return guarded(own.allInside(places[axis + 1]), run, otherwise: [eachTap], context.ranges)
  }

  private func guarded(
    _ conditions: [Scalar], _ statements: [Statement], otherwise: [Statement], _ ranges: [String: ClosedRange<Int>]
  ) -> [Statement] {
    // A tap that never meets the image leaves nothing behind that would read beside it.
    let conditions = conditions.map { $0.simplified(ranges) }
    if conditions.contains(.literal(.bool(false))) { return otherwise }
    guard let first = conditions.first else { return statements }
    return [.when(conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }, statements, otherwise: otherwise)]
  }

  /// `count` elements from a pixel of the image on, to the taps from `tap` on, which are `count` elements wide.
  private func copy(_ count: Int, _ pixel: Index, _ tap: Index, _ context: inout KernelContext) -> [Statement] {
    let lane = context.loopVariable("c", Dimension(count))
    return [
      .loop(
        Loop(
          lane, to: .constant(count), kind: .lanes,
          [.store(target, offset + tap * count + .variable(lane), .load(source, pixel * patches.channels + channel + .variable(lane)))]))
    ]
  }

  private func zeros(_ count: Int, _ start: Index, _ context: inout KernelContext) -> [Statement] {
    let lane = context.loopVariable("c", Dimension(count))
    return [
      .loop(
        Loop(lane, to: .constant(count), kind: .lanes, [.store(target, offset + start + .variable(lane), .constant(0, patches.element))]))
    ]
  }
}
