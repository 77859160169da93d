import Basics
import GraphIR
import LoopIR
import Operators

/// Between floats and integers with a scale and a zero point (one for all, one for each position of an axis, or one for each block of it).
let quantizationRules = [
  ONNXRule("QuantizeLinear") { node in
    let x = try node.value(0)
    let scale = try node.alongAxis(node.value(1), of: x)
    let zero = try node.optional(2).map { try node.alongAxis($0, of: x) }
    let element = try zero.map { node.type($0).element } ?? node.quantizedElement("output_dtype") ?? .u8
    let float = node.type(scale).element
    return [try node.quantized(node.graph.divide(node.graph.cast(x, to: float), scale), zero, element)]
  },
  ONNXRule("DequantizeLinear") { node in
    let x = try node.value(0)
    let scale = try node.alongAxis(node.value(1), of: x)
    let float = node.type(scale).element
    let zero = try node.optional(2).map { try node.alongAxis($0, of: x) }
    let result = try node.graph.multiply(node.graph.cast(node.centred(x, zero), to: float), scale)
    return [try node.element("output_dtype").map { $0.isStoredFloat ? result : try node.graph.cast(result, to: $0) } ?? result]
  },
  ONNXRule("DynamicQuantizeLinear") { node in
    let x = try node.value(0)
    let low = try node.graph.minimum(node.graph.min(x), 0), high = try node.graph.maximum(node.graph.max(x), 0)
    let range = try node.graph.subtract(high, low)
    let scale = try node.graph.divide(node.graph.select(node.graph.equal(range, 0), 1, range), 255)
    let origin = try node.graph.clip(node.graph.divide(node.graph.negate(low), scale), low: 0, high: 255)
    let zero = try node.graph.cast(node.add(Round(), origin), to: .u8)
    return [try node.quantized(node.graph.divide(x, scale), zero, .u8), scale, zero]
  },
]

/// Products of quantized tensors: summed as whole numbers.
let quantizedProductRules = [
  ONNXRule("MatMulInteger") { node in
    [try node.integerProduct(node.value(0), zero: node.optional(2), node.value(1), zero: node.optional(3))]
  },
  ONNXRule("QLinearMatMul") { node in
    let (a, b) = (try node.value(0), try node.value(3))
    let product = try node.integerProduct(a, zero: node.optional(2), b, zero: node.optional(5))
    let scale = try node.graph.multiply(node.rowVector(node.value(1), of: a), node.value(4))
    let factor = try node.graph.divide(scale, node.rowVector(node.value(6), of: product))
    let result = try node.graph.multiply(node.graph.cast(product, to: node.type(factor).element), factor)
    let zero = try node.rowVector(node.value(7), of: product)
    return [try node.quantized(result, zero, node.type(zero).element)]
  },
  ONNXRule("ConvInteger") { node in
    [try node.integerConvolution(node.value(0), zero: node.optional(2), node.value(1), zero: node.optional(3))]
  },
  ONNXRule("QLinearConv") { node in
    let (x, filter) = (try node.value(0), try node.value(3))
    let sums = try node.integerConvolution(x, zero: node.optional(2), filter, zero: node.optional(5))
    let biased = try node.biased(sums, operand: 8)
    let rank = node.type(x).rank
    let scales = try node.graph.divide(node.graph.multiply(node.value(1), node.value(4)), node.value(6))
    let factor = node.type(scales).rank == 1 && node.type(scales).count != 1 ? try node.channelVector(scales, rank: rank) : scales
    let result = try node.graph.multiply(node.graph.cast(biased, to: node.type(factor).element), factor)
    let zero = try node.value(7)
    return [try node.quantized(result, zero, node.type(zero).element)]
  },
]

extension ONNXNode {
  /// The element type of attribute `name`; that of a type that gradc has not is unsupported.
  fileprivate func quantizedElement(_ name: String) throws -> ElementType? { try int(name, 0) == 0 ? nil : element(name) }

  /// The nearest whole numbers of `x`, moved by the zero point and bounded by the element type.
  fileprivate func quantized(_ x: ValueID, _ zero: ValueID?, _ element: ElementType) throws -> ValueID {
    guard element.isInteger, element.size <= 2 else { throw unsupported("quantization to \(element.rawValue) is not supported") }
    let whole = try add(Round(), x)
    let moved = try zero.map { try graph.add(whole, graph.cast($0, to: type(x).element)) } ?? whole
    return try graph.cast(moved, to: element)
  }

  /// Whole numbers less their zero point, as i32.
  fileprivate func centred(_ x: ValueID, _ zero: ValueID?) throws -> ValueID {
    let wide = try graph.cast(x, to: .i32)
    return try zero.map { try graph.subtract(wide, graph.cast($0, to: .i32)) } ?? wide
  }

  /// A scale or zero point in a shape that broadcasts to x: a scalar; a vector along attribute `axis`; or a tensor whose axis `axis` has a
  /// position for each block of `block_size`.
  fileprivate func alongAxis(_ value: ValueID, of x: ValueID) throws -> ValueID {
    let (shape, own) = (type(x).shape, type(value).shape)
    let block = try int("block_size", 0)
    if block == 0 {
      if own.count != 1 || own[0] == 1 { return own == [1] ? try graph.reshape(value, []) : value }
      let axis = try axis(int("axis", 1), rank: shape.count)
      return try graph.reshape(value, shape.indices.map { $0 == axis ? own[0] : 1 })
    }
    let axis = try axis(int("axis", 1), rank: shape.count)
    guard own.count == shape.count, axis < own.count, let size = shape[axis].constant, let blocks = own[axis].constant,
      (1...max(1, size)).contains(block), (size + block - 1) / block == blocks
    else { throw Diagnostic("a scale of \(type(value)) does not fit \(type(x)) in blocks of \(block) along axis \(axis)") }
    let (before, after) = (Array(own[..<axis]), Array(own[(axis + 1)...]))
    let column = try graph.reshape(value, before + [Dimension(blocks), 1] + after)
    let repeated = try graph.broadcast(column, to: before + [Dimension(blocks), Dimension(block)] + after)
    let whole = try graph.reshape(repeated, before + [Dimension(blocks * block)] + after)
    return try graph.slice(whole, axis: axis, from: 0, to: size)
  }

  /// A vector with one number for each row of `x`, as a column; anything else as it is.
  fileprivate func rowVector(_ value: ValueID, of x: ValueID) throws -> ValueID {
    let shape = type(value).shape
    if shape == [1] { return try graph.reshape(value, []) }
    return shape.count == 1 && type(x).rank >= 2 ? try graph.reshape(value, shape + [1]) : value
  }

  fileprivate func integerProduct(_ a: ValueID, zero aZero: ValueID?, _ b: ValueID, zero bZero: ValueID?) throws -> ValueID {
    let left = try centred(a, aZero.map { try rowVector($0, of: a) })
    return try graph.product(left, centred(b, bZero))
  }

  fileprivate func integerConvolution(_ x: ValueID, zero xZero: ValueID?, _ filter: ValueID, zero filterZero: ValueID?) throws -> ValueID {
    let window = try convolutionWindow(type(x), filter: type(filter))
    let channelZero = try filterZero.map { zero in
      type(zero).rank == 1 && type(zero).count != 1
        ? try graph.reshape(zero, type(zero).shape + Array(repeating: 1, count: type(filter).rank - 1)) : zero
    }
    return try graph.convolution(centred(x, xZero), centred(filter, channelZero), window)
  }
}
