import Basics
import GraphIR
import Operators

/// `Resize` and its predecessor `Upsample`: along one axis after the other, by tables of positions and weights where no operator of ours
/// computes the same positions.
let resizeRules = [
  ONNXRule("Upsample") { node in
    guard let scales = try node.floats("scales") else { throw Diagnostic("attribute 'scales' is missing") }
    return [try Resizing(node, upsample: scales).result()]
  },
  ONNXRule("Upsample", since: 9) { node in [try Resizing(node, upsample: node.constant(1).doubles).result()] },
  ONNXRule("Resize") { node in [try Resizing(node, upsample: node.constant(1).doubles).result()] },
  ONNXRule("Resize", since: 11) { node in [try Resizing(node).result()] },
]

private struct Resizing {
  let node: ONNXNode
  let x: ValueID
  let type: TensorType
  var rule: InterpolationRule
  /// Whether it is of the versions up to 10, whose nearest element of a result that shrinks is the next one; of one that grows the last.
  var isEarly = false
  /// What stands for results outside of what is cropped.
  var outsideValue = 0.0
  /// For each axis that changes: the size of the result, the scale, and what is cropped, in shares of the axis.
  var axes: [(axis: Int, size: Int, scale: Double, start: Double, end: Double)] = []

  /// As `Resize` was until version 10 and `Upsample`: sizes are multiples, and result i lies at i / scale.
  init(_ node: ONNXNode, upsample scales: [Double]) throws {
    self.node = node
    x = try node.value(0)
    type = node.type(x)
    guard scales.count == type.rank else { throw Diagnostic("\(type) needs \(type.rank) scales, got \(scales.count)") }
    let mode = try node.string("mode", "nearest")
    rule = InterpolationRule(
      mode: mode == "nearest" ? .nearest : .linear, coordinates: .asymmetric, rounding: .floor, cubicCoefficient: 0, excludesOutside: false,
      antialias: false)
    guard ["nearest", "linear", "bilinear"].contains(mode) else { throw node.unsupported("mode '\(mode)' is not supported") }
    isEarly = true
    try setAxes(Array(0..<type.rank), scales: scales, sizes: nil, region: nil)
  }

  init(_ node: ONNXNode) throws {
    self.node = node
    x = try node.value(0)
    type = node.type(x)
    func word<Value: RawRepresentable<String>>(_ name: String, _ missing: String) throws -> Value {
      let word = try node.string(name, missing)
      guard let value = Value(rawValue: word) else { throw node.unsupported("\(name) '\(word)' is not supported") }
      return value
    }
    rule = InterpolationRule(
      mode: try word("mode", "nearest"), coordinates: try word("coordinate_transformation_mode", "half_pixel"),
      rounding: try word("nearest_mode", "round_prefer_floor"), cubicCoefficient: try node.float("cubic_coeff_a", -0.75),
      excludesOutside: try node.int("exclude_outside", 0) != 0, antialias: try node.int("antialias", 0) != 0)
    outsideValue = try node.float("extrapolation_value", 0)
    let rank = type.rank
    let all = try node.ints("axes").map { try $0.map { try node.axis($0, rank: rank) } } ?? Array(0..<rank)
    let region = rule.coordinates == .cropAndResize ? try node.constant(1).doubles : nil
    let isScaled = try node.has(2) && node.type(2).count != 0
    try setAxes(
      all, scales: isScaled ? node.constant(2).doubles : nil, sizes: isScaled ? nil : node.dimensions(3), region: region)
  }

  private mutating func setAxes(_ all: [Int], scales: [Double]?, sizes: [Dimension]?, region: [Double]?) throws {
    guard [scales?.count, sizes?.count].compactMap({ $0 }).allSatisfy({ $0 == all.count }),
      region.map({ $0.count == 2 * all.count }) ?? true
    else { throw Diagnostic("scales, sizes and roi must fit the \(all.count) axes that are resized") }
    let policy = try node.string("keep_aspect_ratio_policy", "stretch")
    guard ["stretch", "not_larger", "not_smaller"].contains(policy) else {
      throw node.unsupported("keep_aspect_ratio_policy '\(policy)' is not supported")
    }
    var common: Double?
    if let sizes, policy != "stretch" {
      let ratios = try all.indices.map { Double(try constant(sizes[$0])) / Double(try constant(type.shape[all[$0]])) }
      common = policy == "not_larger" ? ratios.min() : ratios.max()
    }
    for (k, axis) in all.enumerated() {
      let (start, end) = region.map { ($0[k], $0[all.count + k]) } ?? (0, 1)
      let isWhole = start == 0 && end == 1
      if isWhole, common == nil, let sizes, sizes[k] == type.shape[axis] { continue }
      if isWhole, let scales, scales[k] == 1 { continue }
      let size = try constant(type.shape[axis])
      let scale = try common ?? scales?[k] ?? Double(constant(sizes![k])) / Double(size)
      guard scale.isFinite, scale > 0, scale * Double(size) < 0x1p20 else {
        throw Diagnostic("axis \(axis) of \(type) cannot be scaled by \(scale)")
      }
      let result = try common.map { Int($0 * Double(size) + 0.5) } ?? sizes.map { try constant($0[k]) } ?? Int(scale * Double(size))
      guard result >= 1 else { throw Diagnostic("axis \(axis) of \(type) would have no elements") }
      axes.append((axis, result, scale, start, end))
    }
  }

  private func constant(_ dimension: Dimension) throws -> Int {
    guard let size = dimension.constant else {
      throw node.unsupported("an axis of \(type) whose size is known only when the model runs cannot be resized")
    }
    return size
  }

  func result() throws -> ValueID {
    let element = type.element
    // Numbers between whole numbers need floats; copies of them do not, but bool has no product.
    let working: ElementType = element == .bool ? .u8 : !element.isFloat && rule.mode != .nearest ? .f32 : element
    var y = try node.graph.cast(x, to: working)
    if let copied = try repeated(y) { return try node.graph.cast(copied, to: element) }
    for axis in axes { y = try linear(y, axis) ?? tabled(y, axis) }
    return try node.graph.cast(y, to: element)
  }

  private func table(_ axis: (axis: Int, size: Int, scale: Double, start: Double, end: Double)) -> InterpolationTable {
    var rule = rule
    if isEarly, axis.scale < 1 { rule.rounding = .ceil }
    return InterpolationTable(
      size: type.shape[axis.axis].coefficient, results: axis.size, scale: axis.scale, start: axis.start, end: axis.end, rule)
  }

  /// All axes at once where elements are copied as `resize_nearest` does.
  private func repeated(_ y: ValueID) throws -> ValueID? {
    guard rule.mode == .nearest, let first = axes.map(\.axis).min() else { return axes.isEmpty ? y : nil }
    var sizes = type.shape[first...].map(\.coefficient)
    for axis in axes {
      guard table(axis).repeats(size: sizes[axis.axis - first]) else { return nil }
      sizes[axis.axis - first] = axis.size
    }
    return try node.graph.resizeNearest(y, sizes: sizes)
  }

  /// One axis where elements are mixed as `resize_linear` does.
  private func linear(_ y: ValueID, _ axis: (axis: Int, size: Int, scale: Double, start: Double, end: Double)) throws -> ValueID? {
    let isExact = axis.scale * Double(type.shape[axis.axis].coefficient) == Double(axis.size)
    guard rule.mode == .linear, !rule.antialias, !rule.excludesOutside, isExact else { return nil }
    switch rule.coordinates {
    case .alignCorners: return try node.add(ResizeLinear(axis: axis.axis, size: axis.size, alignCorners: true), y)
    case .halfPixel, .halfPixelSymmetric: return try node.add(ResizeLinear(axis: axis.axis, size: axis.size), y)
    case .pytorchHalfPixel where axis.size > 1: return try node.add(ResizeLinear(axis: axis.axis, size: axis.size), y)
    default: return nil
    }
  }

  private func tabled(_ y: ValueID, _ axis: (axis: Int, size: Int, scale: Double, start: Double, end: Double)) throws -> ValueID {
    let table = table(axis)
    let element = node.type(y).element
    let shape = [axis.size, table.positions[0].count]
    let positions = try node.graph.constant(HostTensor(table.positions.flatMap { $0 }, shape: shape, element: .i32))
    let weights = try node.graph.constant(HostTensor(table.weights.flatMap { $0 }, shape: shape, element: element))
    let y = try node.graph.resample(y, axis: axis.axis, positions: positions, weights: weights)
    guard outsideValue != 0, table.outside.contains(true) else { return y }
    // Along the other axes weights sum to one, so the value that is added here is what remains.
    let vector = [Int](repeating: 1, count: axis.axis) + [axis.size] + [Int](repeating: 1, count: type.rank - axis.axis - 1)
    return try node.graph.add(
      y, node.graph.constant(HostTensor(table.outside.map { $0 ? outsideValue : 0 }, shape: vector, element: element)))
  }
}
