import Basics
import GraphIR
import Operators

private let learning = "ai.onnx.ml"

/// Operators of ai.onnx.ml that prepare features [rows, features]: Scaler, Normalizer, Binarizer, Imputer, FeatureVectorizer,
/// ArrayFeatureExtractor, OneHotEncoder.
let featureScalingRules = [
  ONNXRule("Scaler", domain: learning) { node in
    var x = try node.features(0)
    if let offsets = try node.floats("offset") { x = try node.graph.subtract(x, node.perFeature(offsets, of: x)) }
    if let scales = try node.floats("scale") { x = try node.graph.multiply(x, node.perFeature(scales, of: x)) }
    return [x]
  },
  ONNXRule("Normalizer", domain: learning) { node in
    let x = try node.features(0)
    let norm = try node.string("norm", "MAX")
    let size: ValueID
    switch norm {
    case "MAX": size = try node.graph.max(node.graph.abs(x), axes: [-1], keepDims: true)
    case "L1": size = try node.graph.sum(node.graph.abs(x), axes: [-1], keepDims: true)
    case "L2":
      let squares = try node.graph.sum(node.graph.square(x), axes: [-1], keepDims: true)
      // The root has no derivative at 0, where a row stays as it is.
      size = try node.graph.sqrt(node.graph.select(node.graph.greater(squares, 0), squares, 1))
    default: throw Diagnostic("norm '\(norm)' is none of MAX, L1 and L2")
    }
    return [try node.graph.divide(x, node.graph.select(node.graph.greater(size, 0), size, 1))]
  },
  ONNXRule("Binarizer", domain: learning) { node in
    let x = try node.value(0)
    return [try node.graph.cast(node.graph.greater(x, node.float("threshold", 0)), to: node.type(x).element)]
  },
  ONNXRule("Imputer", domain: learning) { node in
    let x = try node.value(0)
    let isFloat = node.type(x).element.isFloat
    let values = try isFloat ? node.floats("imputed_value_floats") : node.ints("imputed_value_int64s")?.map(Double.init)
    let missing = try isFloat ? node.float("replaced_value_float", 0) : Double(node.int("replaced_value_int64", 0))
    guard let values, !values.isEmpty else {
      throw Diagnostic("attribute 'imputed_value_\(isFloat ? "floats" : "int64s")' is missing, the values to put in \(node.type(x))")
    }
    let isMissing = try missing.isNaN ? node.graph.notEqual(x, x) : node.graph.equal(x, missing)
    return [try node.graph.select(isMissing, node.perFeature(values, of: x), x)]
  },
  ONNXRule("FeatureVectorizer", domain: learning) { node in
    let sizes = try node.ints("inputdimensions")
    let parts = try node.inputs.indices.compactMap { k -> ValueID? in
      var x = try node.features(k)
      if node.type(x).rank == 1 { x = try node.graph.reshape(x, [1] + node.type(x).shape) }
      let type = node.type(x)
      guard type.rank == 2 else { throw Diagnostic("input \(k) must have one or two axes, got \(type)") }
      let size = try node.constantSize(type, axis: 1)
      let wanted = sizes.flatMap { k < $0.count ? $0[k] : nil } ?? size
      guard wanted > 0 else { return nil }
      return wanted <= size
        ? try node.graph.slice(x, axis: 1, from: 0, to: wanted)
        : try node.graph.pad(x, before: [0, 0], after: [0, wanted - size])
    }
    guard !parts.isEmpty else { throw Diagnostic("FeatureVectorizer needs inputs with features") }
    return [try node.graph.concat(parts, axis: 1)]
  },
  ONNXRule("ArrayFeatureExtractor", domain: learning) { node in
    let (x, indices) = (try node.value(0), try node.value(1))
    let (type, count) = (node.type(x), node.type(indices).count)
    if type.rank == 1 {
      // The names of classes, one for each row of the batch.
      let chosen = try node.graph.gather(x, node.graph.reshape(indices, [count]))
      return [try node.graph.reshape(chosen, [1, count])]
    }
    guard type.rank > 0, count.symbol == nil else {
      throw Diagnostic("ArrayFeatureExtractor needs features and a known number of indices, got \(type) and \(node.type(indices))")
    }
    let leading: Shape = Array(type.shape.dropLast())
    let rows = try node.graph.broadcast(node.graph.reshape(x, leading + [1, type.shape.last!]), to: leading + [count, type.shape.last!])
    let chosen = try node.graph.broadcast(node.graph.reshape(indices, [count]), to: leading + [count])
    return [try node.graph.pick(rows, chosen)]
  },
  ONNXRule("OneHotEncoder", domain: learning) { node in
    guard let categories = try node.ints("cats_int64s"), !categories.isEmpty else {
      throw node.unsupported("categories that are strings are not supported; encode them as integers")
    }
    let x = try node.graph.cast(node.value(0), to: .i64)
    let column = try node.graph.reshape(x, node.type(x).shape + [1])
    return [try node.graph.cast(node.graph.equal(column, node.graph.constant(HostTensor(categories))), to: node.reader.float)]
  },
]

extension ONNXNode {
  /// Operand `k` in the model's float type, which the results of ai.onnx.ml have.
  func features(_ k: Int) throws -> ValueID { try graph.cast(value(k), to: reader.float) }

  /// One number for each feature of `x`, or one for all.
  func perFeature(_ values: [Double], of x: ValueID) throws -> ValueID {
    guard values.count == 1 || type(x).shape.last == Dimension(values.count) else {
      throw Diagnostic("\(values.count) numbers do not fit the features of \(type(x))")
    }
    return try graph.constant(HostTensor(values, element: type(x).element))
  }
}
