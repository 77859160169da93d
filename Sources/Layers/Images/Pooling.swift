import Basics
import GraphIR
import Operators

/// What a pooling layer takes of each window.
public enum Pooling: String, Sendable {
  case max, min
  /// The mean.
  case average = "avg"
}

extension ModelBuilder {
  /// The largest, smallest or mean element of each window over the spatial axes. Padding never wins a maximum or minimum; means count it
  /// only with `includePadding`. `ceil` lets a last window stand that does not fit whole.
  public mutating func pool(
    _ kind: Pooling, _ x: ValueID, _ window: SlidingWindow, ceil: Bool = false, includePadding: Bool = false, name: String? = nil
  ) throws -> ValueID {
    try layer("\(kind.rawValue)_pool\(window.kernel.count)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: window.kernel.count)
      try window.check(builder.graph.path)
      return try builder.withChannelsFirst(x) { builder, x in
        let sizes = builder.type(x).shape.dropFirst(2).map(\.coefficient)
        let paddings = try window.paddings(sizes, builder.graph.path)
        let window = Window(
          kernel: window.kernel, strides: window.stride, dilations: window.dilation, before: paddings.map(\.before),
          after: paddings.map(\.after), ceil: ceil)
        switch kind {
        case .max: return try builder.graph.maxPool(x, window)
        case .min: return try builder.graph.minPool(x, window)
        case .average: return try builder.graph.averagePool(x, window, includePadding: includePadding)
        }
      }
    }
  }

  /// The mean or largest element of each channel, [N, C]; with `keepDims` the spatial axes stay with size 1.
  public mutating func globalPool(_ kind: Pooling, _ x: ValueID, axes: Int = 2, keepDims: Bool = false, name: String? = nil) throws
    -> ValueID
  {
    try layer("global_\(kind.rawValue)_pool\(axes)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: axes)
      let spatial = builder.spatialAxes(x)
      switch kind {
      case .max: return try builder.graph.max(x, axes: spatial, keepDims: keepDims)
      case .min: return try builder.graph.min(x, axes: spatial, keepDims: keepDims)
      case .average: return try builder.graph.mean(x, axes: spatial, keepDims: keepDims)
      }
    }
  }

  /// Means in as many windows along each spatial axis as `sizes` says; window i of m over n elements is floor(i n / m) ..<
  /// ceil((i + 1) n / m), as in PyTorch.
  public mutating func adaptiveAveragePool(_ x: ValueID, sizes: [Int], name: String? = nil) throws -> ValueID {
    try layer("adaptive_avg_pool\(sizes.count)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: sizes.count)
      return try builder.withChannelsFirst(x) { builder, x in try builder.graph.adaptiveAveragePool(x, sizes: sizes) }
    }
  }
}

extension LayerEntry {
  static let pooling = [1, 2].flatMap { axes in
    [
      pool(.max, axes, "largest", aliases: ["max_pooling\(axes)d"]), pool(.min, axes, "smallest", aliases: ["min_pooling\(axes)d"]),
      pool(.average, axes, "mean", aliases: ["average_pooling\(axes)d", "average_pool\(axes)d"]),
      globalPool(.average, axes, "mean", aliases: ["global_average_pooling\(axes)d"]),
      globalPool(.max, axes, "largest", aliases: ["global_max_pooling\(axes)d"]), adaptivePool(axes),
    ]
  }

  private static func pool(_ kind: Pooling, _ axes: Int, _ what: String, aliases: [String]) -> LayerEntry {
    var parameters: [ArgumentDescription] = [
      .input, ArgumentDescription("kernel", .sizes, default: .integer(2), "size of the window"),
      ArgumentDescription("stride", .sizes, optional: true, "positions from one window to the next; the kernel where it is not given"),
      .padding, .dilation,
      ArgumentDescription("ceil", .bool, default: .bool(false), "whether a last window counts that does not fit whole"),
    ]
    if kind == .average {
      parameters.append(
        ArgumentDescription("include_padding", .bool, default: .bool(false), "whether means count the zeros of the padding"))
    }
    return LayerEntry("\(kind.rawValue)_pool\(axes)d", aliases: aliases, "the \(what) element of each window", parameters) {
      builder, arguments, name in
      try builder.pool(
        kind, arguments.value("x")!, arguments.window(axes: axes), ceil: arguments.bool("ceil"),
        includePadding: arguments.bool("include_padding"), name: name)
    }
  }

  private static func globalPool(_ kind: Pooling, _ axes: Int, _ what: String, aliases: [String]) -> LayerEntry {
    LayerEntry(
      "global_\(kind.rawValue)_pool\(axes)d", aliases: aliases, "the \(what) element of each channel",
      [.input, ArgumentDescription("keep_dims", .bool, default: .bool(false), "whether the spatial axes stay, with size 1")]
    ) { builder, arguments, name in
      try builder.globalPool(kind, arguments.value("x")!, axes: axes, keepDims: arguments.bool("keep_dims"), name: name)
    }
  }

  private static func adaptivePool(_ axes: Int) -> LayerEntry {
    LayerEntry(
      "adaptive_avg_pool\(axes)d", aliases: ["adaptive_average_pooling\(axes)d"], "means in a given number of windows",
      [.input, ArgumentDescription("size", .sizes, "windows along each axis")]
    ) { builder, arguments, name in
      try builder.adaptiveAveragePool(arguments.value("x")!, sizes: arguments.sizes("size", axes: axes)!, name: name)
    }
  }
}
