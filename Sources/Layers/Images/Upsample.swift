import Basics
import GraphIR
import Operators

/// How positions between others are filled.
public enum Interpolation: String, CaseIterable, Sendable { case nearest, bilinear }

extension ModelBuilder {
  /// Images of other sizes, by repeating the nearest element or by linear interpolation along each axis. With n elements made m, result i
  /// is element floor(i n / m), or lies at (i + ½) n / m - ½, or at i (n - 1) / (m - 1) with aligned corners: PyTorch's positions for
  /// sizes, and for scales whose products with the sizes are whole.
  public mutating func upsample(
    _ x: ValueID, sizes: [Int], _ interpolation: Interpolation = .nearest, alignCorners: Bool = false, name: String? = nil
  ) throws -> ValueID {
    try layer("upsample2d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: sizes.count)
      return try builder.resized(x, sizes, interpolation, alignCorners)
    }
  }

  /// The same with sizes that are the input's times a scale for each axis, rounded down.
  public mutating func upsample(
    _ x: ValueID, scales: [Double], _ interpolation: Interpolation = .nearest, alignCorners: Bool = false, name: String? = nil
  ) throws -> ValueID {
    try layer("upsample2d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: scales.count)
      return try builder.resized(x, builder.sizes(of: x, times: scales), interpolation, alignCorners)
    }
  }

  private func sizes(of x: ValueID, times scales: [Double]) throws -> [Int] {
    try zip(spatialAxes(x), scales).map { axis, scale in
      let size = Double(type(x).shape[axis].coefficient) * scale
      guard size >= 1, size <= 0x1p20 else {
        throw Diagnostic("layer '\(graph.path)': axis \(axis) of \(type(x)) times the scale \(scale) must lie in 1 ... 1048576")
      }
      return Int(size)
    }
  }

  // Swift 6.3's optimiser fails on this body inside its callers.
  @inline(never)
  private mutating func resized(
    _ x: ValueID, _ sizes: [Int], _ interpolation: Interpolation, _ alignCorners: Bool
  ) throws -> ValueID {
    guard !alignCorners || interpolation == .bilinear else {
      throw Diagnostic("layer '\(graph.path)': align_corners is for mode bilinear; nearest has no corners to align")
    }
    return try withChannelsFirst(x) { builder, x in
      switch interpolation {
      case .nearest: return try builder.graph.resizeNearest(x, sizes: sizes)
      case .bilinear: return try builder.graph.resizeLinear(x, sizes: sizes, alignCorners: alignCorners)
      }
    }
  }
}

extension LayerEntry {
  static let upsample2d = LayerEntry(
    "upsample2d", aliases: ["upsampling2d", "up_sampling2d"], "images of another size, by nearest elements or interpolation",
    [
      .input, ArgumentDescription("scale", .number, default: .number(2), "result's size for one of the input's"),
      ArgumentDescription("mode", .word(Interpolation.allCases.map(\.rawValue)), default: .word("nearest"), "how positions are filled"),
      ArgumentDescription("align_corners", .bool, default: .bool(false), "whether the corners of input and result are the same points"),
      ArgumentDescription("size", .sizes, optional: true, "height and width of the result, instead of the scale"),
    ]
  ) { builder, arguments, name in
    let x = arguments.value("x")!
    let mode = Interpolation(rawValue: arguments.word("mode")!)!
    let alignCorners = arguments.bool("align_corners")
    if let sizes = try arguments.sizes("size", axes: 2) {
      return try builder.upsample(x, sizes: sizes, mode, alignCorners: alignCorners, name: name)
    }
    let scale = arguments.number("scale")!
    return try builder.upsample(x, scales: [scale, scale], mode, alignCorners: alignCorners, name: name)
  }
}
